#include "fuzz.h"

#include "inspect/http_head.h"

static size_t count(struct span s, const char *what)
{
    size_t found = 0, length = strlen(what);
    for (size_t i = 0; i + length <= s.length; i++)
        found += memcmp(s.data + i, what, length) == 0;
    return found;
}

/* Whatever was asked for, the answer is one head of five lines, and leads to the named host. */
static void check_answer(const struct http_head *head)
{
    struct text answer = {0}, start = {0};
    http_head_add_redirect(&answer, head, 1);
    text_format(&start, "\r\nLocation: https://%s/", head->host);
    struct span all = span_of(answer.data, answer.length);
    PROMISE(!answer.failed && !start.failed);
    PROMISE(count(all, "\r\n") == 6 && count(all, "\n") == 6 && count(all, "\r") == 6);
    PROMISE(count(all, "\r\n\r\n") == 1 && count(all, "#") == 0);
    PROMISE(count(all, start.data) == 1);
    PROMISE(head->host[0] != '\0' && strpbrk(head->host, "/?#@\\ \t%") == NULL);
    for (size_t i = 0; i < all.length; i++)
        PROMISE((all.data[i] >= ' ' && all.data[i] < 0x7f) || all.data[i] == '\r' ||
                all.data[i] == '\n');
    text_release(&answer);
    text_release(&start);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_of(data, size);
    struct http_head whole, part;
    enum verdict verdict = http_head_parse(&whole, bytes);
    PROMISE(verdict != VERDICT_BROKEN);
    PROMISE(verdict != VERDICT_MORE || size < HTTP_HEAD_MAX);
    if (verdict == VERDICT_YES) {
        PROMISE(whole.length <= size && whole.length <= HTTP_HEAD_MAX);
        PROMISE(fuzz_inside(whole.path, span_first(bytes, whole.length)));
        PROMISE(http_head_parse(&part, span_first(bytes, whole.length)) == VERDICT_YES);
        PROMISE(http_head_parse(&part, span_first(bytes, whole.length - 1)) == VERDICT_MORE);
        check_answer(&whole);
    }
    size_t step = size / 64 + 1;
    for (size_t n = 0; n < size; n += step) {
        enum verdict before = http_head_parse(&part, span_first(bytes, n));
        PROMISE(before == VERDICT_MORE || before == verdict);
    }
    return 0;
}
