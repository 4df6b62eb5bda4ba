#include "fuzz.h"

#include "inspect/facts.h"

static unsigned char scratch[CLIENT_HELLO_MAX];
static struct facts part, whole, final;

static bool kept(enum verdict before, enum verdict after)
{
    return before == VERDICT_MORE || before == after;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bool look_for_tls = (data[0] & 1) == 0;
    struct span bytes = span_of(data + 1, size - 1);
    facts_read(&whole, bytes, false, look_for_tls, scratch);
    facts_read(&final, bytes, true, look_for_tls, scratch);
    PROMISE(facts_need(&whole) > bytes.length);
    PROMISE(final.tls != VERDICT_MORE && final.silent == (bytes.length == 0));
    PROMISE(look_for_tls || whole.tls == VERDICT_NO);
    for (size_t n = 0; n < bytes.length; n += bytes.length / 32 + 1) {
        facts_read(&part, span_first(bytes, n), false, look_for_tls, scratch);
        PROMISE(facts_need(&part) > n);
        PROMISE(kept(part.tls, whole.tls));
        PROMISE(part.tls != VERDICT_YES || kept(part.hello, whole.hello));
        for (size_t p = 0; p < PROTOCOL_COUNT && part.tls == VERDICT_NO; p++)
            PROMISE(kept(part.protocol[p], whole.protocol[p]));
    }
    for (size_t p = 0; p < PROTOCOL_COUNT; p++) {
        PROMISE(final.protocol[p] == VERDICT_YES || final.protocol[p] == VERDICT_NO);
        PROMISE(whole.tls != VERDICT_YES || whole.protocol[p] == VERDICT_NO);
    }
    return 0;
}
