/* XMPP (RFC 6120 §4.2): an initial stream header, "<stream:stream", before it perhaps an XML
 * declaration (§11.5) and then white space. The prefix is "stream" by custom (§4.8.5). */
#include "probes.h"

/* Version, encoding, standalone and ample white space. */
#define DECLARATION_MAX 256u

static struct span skip_space(struct span s)
{
    while (s.length > 0 &&
           (s.data[0] == ' ' || s.data[0] == '\t' || s.data[0] == '\r' || s.data[0] == '\n'))
        s = span_skip(s, 1);
    return s;
}

static enum verdict header_probe(struct span bytes)
{
    static const struct span header = PROBE_LITERAL("<stream:stream");
    return probe_literal(bytes, header);
}

/* From behind "<?xml" to its "?>", then the header. */
static enum verdict declaration_probe(struct span bytes)
{
    for (size_t at = 0; at < bytes.length && at < DECLARATION_MAX; at++) {
        if (bytes.data[at] == '>')
            return at > 0 && bytes.data[at - 1] == '?'
                       ? header_probe(skip_space(span_skip(bytes, at + 1)))
                       : VERDICT_NO;
        if (bytes.data[at] == '<' || bytes.data[at] == 0)
            return VERDICT_NO;
    }
    return bytes.length < DECLARATION_MAX ? VERDICT_MORE : VERDICT_NO;
}

enum verdict probe_xmpp(struct span bytes)
{
    static const struct span declaration = PROBE_LITERAL("<?xml ");
    enum verdict verdict = probe_literal(bytes, declaration);
    if (verdict == VERDICT_YES)
        return declaration_probe(span_skip(bytes, declaration.length));
    return verdict == VERDICT_MORE ? verdict : header_probe(bytes);
}
