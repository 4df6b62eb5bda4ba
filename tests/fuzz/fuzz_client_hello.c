#include "fuzz.h"

#include "inspect/client_hello.h"

static unsigned char scratch[CLIENT_HELLO_MAX];

static void check_spans(const struct client_hello *hello, struct span records)
{
    struct span home = fuzz_inside(hello->ciphers, records) ? records
                                                            : span_of(scratch, sizeof scratch);
    PROMISE(fuzz_inside(hello->ciphers, home) && fuzz_inside(hello->extensions, home));
    PROMISE(fuzz_inside(hello->alpn, hello->extensions));
    PROMISE(fuzz_inside(hello->versions, hello->extensions));
    PROMISE(fuzz_inside(hello->groups, hello->extensions));
    PROMISE(fuzz_inside(hello->signatures, hello->extensions));
    PROMISE(fuzz_inside(hello->sni_raw, hello->extensions));
    PROMISE(hello->ciphers.length % 2 == 0 && hello->versions.length % 2 == 0);
}

static void walk(const struct client_hello *hello)
{
    char ja4[JA4_TEXT_MAX];
    struct span name;
    size_t at = 0;
    while (client_hello_next_alpn(hello, &at, &name))
        PROMISE(name.length > 0 && fuzz_inside(name, hello->alpn));
    PROMISE(at == hello->alpn.length);
    client_hello_ja4(hello, fuzz_no_hash, ja4);
    PROMISE(strlen(ja4) == 36);
    PROMISE(strlen(hello->sni) <= NAME_MAX_LENGTH);
}

/* With one byte less than it took, the answer was MORE, and `need` did not ask for too much. */
static void check_before(struct span records, size_t decided_at)
{
    struct client_hello hello;
    if (decided_at == 0)
        return;
    enum verdict verdict = client_hello_parse(&hello, span_first(records, decided_at - 1), scratch);
    PROMISE(verdict == VERDICT_MORE && hello.need == decided_at);
}

/* The first beginning with a verdict, found by following `need`. */
static size_t decide(struct span records, enum verdict *ret)
{
    struct client_hello hello;
    size_t at = 0;
    for (;;) {
        *ret = client_hello_parse(&hello, span_first(records, at), scratch);
        if (*ret != VERDICT_MORE)
            return at;
        PROMISE(hello.need > at);
        if (hello.need > records.length)
            return records.length;
        at = hello.need;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span records = span_of(data, size);
    struct client_hello hello;
    enum verdict early, verdict;
    size_t at = decide(records, &early);
    if (early != VERDICT_MORE)
        check_before(records, at);
    verdict = client_hello_parse(&hello, records, scratch);
    PROMISE(verdict == early);
    if (verdict == VERDICT_BROKEN)
        PROMISE(hello.reason != NULL && hello.alert != 0);
    if (verdict == VERDICT_YES) {
        check_spans(&hello, records);
        walk(&hello);
    }
    return 0;
}
