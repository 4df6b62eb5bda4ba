#include "inspect/protocol.h"

#include "probes.h"

static const struct {
    const char *name;
    enum verdict (*probe)(struct span bytes);
} table[PROTOCOL_COUNT] = {
#define PROBE(name, probe, help) [PROTOCOL_##name] = {#name, probe},
#include "inspect/probes.def"
#undef PROBE
};

enum verdict protocol_probe(enum protocol protocol, struct span bytes, bool final)
{
    if (protocol >= PROTOCOL_COUNT)
        return VERDICT_NO;
    enum verdict verdict = table[protocol].probe(bytes);
    return verdict == VERDICT_MORE && final ? VERDICT_NO : verdict;
}

enum protocol protocol_detect(struct span bytes)
{
    for (size_t i = 0; i < PROTOCOL_COUNT; i++)
        if (table[i].probe(bytes) == VERDICT_YES)
            return (enum protocol)i;
    return PROTOCOL_UNKNOWN;
}

const char *protocol_name(enum protocol protocol)
{
    return protocol < PROTOCOL_COUNT ? table[protocol].name : "unknown";
}

bool protocol_find(enum protocol *ret, struct span name)
{
    for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
        if (span_is(name, table[i].name)) {
            *ret = (enum protocol)i;
            return true;
        }
    }
    return false;
}
