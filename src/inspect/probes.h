/* probes: the recognisers named by probes.def, and the two helpers most of them are made of.
 *
 * Each is pure and total: NO on the first byte that excludes the protocol, YES on the first byte at
 * which it is certain, MORE in between (also for no byte at all). */
#ifndef INSPECT_PROBES_H
#define INSPECT_PROBES_H

#include "base/span.h"
#include "inspect/verdict.h"

#define PROBE(name, probe, help) enum verdict probe(struct span bytes);
#include "inspect/probes.def"
#undef PROBE

/* Do the bytes begin with this? MORE for a proper beginning of it. */
static inline enum verdict probe_literal(struct span bytes, struct span literal)
{
    /* Most connections are of another kind, which the first byte tells: no call for them. */
    if (bytes.length > 0 && literal.length > 0 && bytes.data[0] != literal.data[0])
        return VERDICT_NO;
    struct span common = span_first(literal, bytes.length);
    if (!span_begins(bytes, common))
        return VERDICT_NO;
    return common.length == literal.length ? VERDICT_YES : VERDICT_MORE;
}

/* A literal that may hold NUL bytes. */
#define PROBE_LITERAL(text)                                                                        \
    {                                                                                              \
        (const unsigned char *)(text), sizeof(text) - 1                                            \
    }

/* OR over several: a yes beats a more, a more beats a no. */
static inline enum verdict probe_literals(struct span bytes, const struct span *literals,
                                          size_t count)
{
    enum verdict verdict = VERDICT_NO;
    for (size_t i = 0; i < count && verdict != VERDICT_YES; i++) {
        enum verdict one = probe_literal(bytes, literals[i]);
        if (one != VERDICT_NO)
            verdict = one;
    }
    return verdict;
}

#endif
