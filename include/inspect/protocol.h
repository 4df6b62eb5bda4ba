/* protocol: which plain protocol the first bytes of a connection speak.
 *
 * One line per protocol in probes.def; each probe is a pure, total function. Where two probes say
 * yes, the first line of the table counts. */
#ifndef INSPECT_PROTOCOL_H
#define INSPECT_PROTOCOL_H

#include "base/compiler.h"
#include "base/span.h"
#include "inspect/verdict.h"

enum protocol {
#define PROBE(name, probe, help) PROTOCOL_##name,
#include "inspect/probes.def"
#undef PROBE
    PROTOCOL_COUNT,
    PROTOCOL_UNKNOWN = PROTOCOL_COUNT
};

/* YES, NO or MORE (never BROKEN). `final`: nothing more will come, MORE is not an answer then. */
enum verdict protocol_probe(enum protocol protocol, struct span bytes, bool final);

/* The first protocol of the table that says yes to these bytes as they are; PROTOCOL_UNKNOWN when
 * none does yet. Never waits: this is what the log shows. */
enum protocol protocol_detect(struct span bytes);

const char *protocol_name(enum protocol protocol); /* "fix"; "unknown" */
bool protocol_find(enum protocol *ret, struct span name) MUST_CHECK;

#endif
