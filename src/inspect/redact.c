#include "inspect/redact.h"

#include "base/compiler.h"

#include <stdio.h>

#define LOOKED_AT   64u
#define BINARY_KEPT 4u

static const struct {
    const char *bytes;
    uint8_t length;
    const char *name;
} signatures[] = {
#define SIGNATURE(bytes, name) {bytes, sizeof(bytes) - 1, name},
#include "inspect/signatures.def"
#undef SIGNATURE
};

#define SIGNATURE(bytes, name)                                                                     \
    _Static_assert(sizeof(bytes) - 1 <= REDACTED_KEPT_MAX, "a signature fits");
#include "inspect/signatures.def"
#undef SIGNATURE

static bool is_text(unsigned char byte)
{
    return (byte >= 0x20 && byte < 0x7f) || byte == '\t' || byte == '\r' || byte == '\n';
}

static size_t find_signature(struct span bytes, const char **ret_name)
{
    for (size_t i = 0; i < COUNT_OF(signatures); i++) {
        if (!span_begins(bytes, span_of(signatures[i].bytes, signatures[i].length)))
            continue;
        *ret_name = signatures[i].name;
        return signatures[i].length;
    }
    return 0;
}

static size_t count_binary(struct span bytes)
{
    size_t count = 0;
    while (count < bytes.length && count < BINARY_KEPT && !is_text(bytes.data[count]))
        count++;
    return count;
}

/* Each takes four characters at most, and all of them have room. */
_Static_assert(REDACTED_BEGIN_MAX > REDACTED_KEPT_MAX * 4 + LOOKED_AT + 3, "the picture fits");

static size_t show(char *ret, unsigned char byte)
{
    if (byte == '\r' || byte == '\n' || byte == '\\') {
        ret[0] = '\\';
        ret[1] = byte == '\r' ? 'r' : byte == '\n' ? 'n' : '\\';
        return 2;
    }
    if (byte >= 0x20 && byte < 0x7f) {
        ret[0] = (char)byte;
        return 1;
    }
    return (size_t)snprintf(ret, 5, "\\x%02x", byte);
}

/* A blank is as it is, what lies between blanks is one asterisk. */
static void mask(char *ret, struct span rest)
{
    bool inside = false;
    size_t at = 0;
    for (size_t i = 0; i < rest.length; i++) {
        unsigned char byte = rest.data[i];
        bool blank = byte == ' ', ends = byte == '\r' || byte == '\n';
        if (!blank && !ends && !inside)
            ret[at++] = '*';
        if (blank && (inside || i == 0))
            ret[at++] = ' ';
        inside = !blank && !ends;
        if (ends)
            at += show(ret + at, byte);
        if (byte == '\n' || (ends && (i + 1 == rest.length || rest.data[i + 1] != '\n')))
            break;
    }
    ret[at] = '\0';
}

static bool ends_line(const struct redacted *r)
{
    return r->kept_length > 0 && r->kept[r->kept_length - 1] == '\n';
}

void redact(struct redacted *ret, struct span bytes)
{
    size_t at = 0;
    *ret = (struct redacted){0};
    bytes = span_first(bytes, LOOKED_AT);
    size_t kept = find_signature(bytes, &ret->looks_like);
    if (kept == 0)
        kept = count_binary(bytes);
    if (kept > 0)
        memcpy(ret->kept, bytes.data, kept);
    ret->kept_length = (uint8_t)kept;
    for (size_t i = 0; i < kept; i++)
        at += show(ret->begin + at, bytes.data[i]);
    if (!ends_line(ret))
        mask(ret->begin + at, span_skip(bytes, kept));
}
