#include "prefixes.h"

#include <stdlib.h>

/* Room for `count` items of `total` bytes. */
static bool make_room(struct prefixes *ret, size_t count, size_t total)
{
    *ret = (struct prefixes){.item = calloc(count, sizeof *ret->item), .bytes = malloc(total + 1)};
    return ret->item != NULL && ret->bytes != NULL;
}

static size_t total_length(const struct string_list *texts)
{
    size_t total = 0;
    for (size_t i = 0; i < texts->count; i++)
        total += strlen(texts->item[i]);
    return total;
}

bool prefixes_of_texts(struct prefixes *ret, const struct string_list *texts)
{
    size_t at = 0;
    if (!make_room(ret, texts->count, total_length(texts)))
        return false;
    for (; ret->count < texts->count; ret->count++) {
        struct span text = span_text(texts->item[ret->count]);
        memcpy(ret->bytes + at, text.data, text.length);
        ret->item[ret->count] = span_of(ret->bytes + at, text.length);
        at += text.length;
    }
    return true;
}

static unsigned char digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return (unsigned char)(digit - '0');
    return (unsigned char)((digit | 0x20) - 'a' + 10);
}

bool prefixes_of_hex(struct prefixes *ret, const struct string_list *digits)
{
    size_t at = 0;
    if (!make_room(ret, digits->count, total_length(digits)))
        return false;
    for (; ret->count < digits->count; ret->count++) {
        const char *text = digits->item[ret->count];
        size_t length = strlen(text) / 2;
        ret->item[ret->count] = span_of(ret->bytes + at, length);
        for (size_t i = 0; i < length; i++)
            ret->bytes[at++] =
                (unsigned char)(digit_value(text[2 * i]) << 4 | digit_value(text[2 * i + 1]));
    }
    return true;
}

void prefixes_release(struct prefixes *prefixes)
{
    free(prefixes->item);
    free(prefixes->bytes);
    *prefixes = (struct prefixes){0};
}

enum verdict prefixes_ask(const struct prefixes *prefixes, struct span bytes)
{
    enum verdict answer = VERDICT_NO;
    for (size_t i = 0; i < prefixes->count; i++) {
        if (span_begins(bytes, prefixes->item[i]))
            return VERDICT_YES;
        if (span_begins(prefixes->item[i], bytes))
            answer = VERDICT_MORE;
    }
    return answer;
}

bool prefixes_cover(const struct prefixes *wide, const struct prefixes *narrow)
{
    for (size_t i = 0; i < narrow->count; i++) {
        if (prefixes_ask(wide, narrow->item[i]) != VERDICT_YES)
            return false;
    }
    return true;
}
