#include "inspect/facts.h"

#include "inspect/tls_record.h"

static void plain_read(struct facts *ret)
{
    for (size_t i = 0; i < PROTOCOL_COUNT; i++)
        ret->protocol[i] = protocol_probe((enum protocol)i, ret->bytes, ret->final);
    if (ret->protocol[PROTOCOL_fix] != VERDICT_NO)
        fix_read(&ret->fix, ret->bytes, ret->final);
}

/* VERDICT_NO is 0: a cleared structure says no to everything. */
static void clear(struct facts *ret)
{
    memset(ret, 0, offsetof(struct facts, source));
    ret->fix.complete = true;
}

void facts_read(struct facts *ret, struct span bytes, bool final, bool look_for_tls,
                unsigned char *scratch)
{
    clear(ret);
    ret->bytes = bytes;
    ret->final = final;
    ret->silent = final && bytes.length == 0;
    ret->tls = look_for_tls ? tls_record_probe(bytes) : VERDICT_NO;
    if (ret->tls == VERDICT_MORE && final)
        ret->tls = VERDICT_NO;
    if (ret->tls == VERDICT_YES)
        ret->hello = client_hello_parse(&ret->client_hello, bytes, scratch);
    else
        plain_read(ret);
}

enum protocol facts_protocol(const struct facts *facts)
{
    for (size_t i = 0; i < PROTOCOL_COUNT; i++)
        if (facts->protocol[i] == VERDICT_YES)
            return (enum protocol)i;
    return PROTOCOL_UNKNOWN;
}

size_t facts_need(const struct facts *facts)
{
    size_t next = facts->bytes.length + 1;
    if (facts->tls == VERDICT_YES)
        return facts->hello == VERDICT_MORE ? facts->client_hello.need : next;
    if (facts->tls == VERDICT_MORE)
        return next;
    for (size_t i = 0; i < PROTOCOL_COUNT; i++)
        if (facts->protocol[i] == VERDICT_MORE)
            return next;
    return facts->fix.complete ? next : facts->fix.need;
}
