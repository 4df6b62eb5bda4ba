/* span: bytes that somebody else owns, with their length. Never NUL-terminated by promise.
 *
 * A plain value: copy it freely; the bytes must outlive every copy. An empty span may have a NULL
 * pointer. */
#ifndef BASE_SPAN_H
#define BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const unsigned char *data;
    size_t length;
};

static inline struct span span_of(const void *data, size_t length)
{
    return (struct span){data, length};
}

static inline struct span span_text(const char *text)
{
    return (struct span){(const unsigned char *)text, text == NULL ? 0 : strlen(text)};
}

/* The bytes after the first `count`; empty when there are fewer. */
static inline struct span span_skip(struct span s, size_t count)
{
    if (count >= s.length)
        return (struct span){NULL, 0};
    return (struct span){s.data + count, s.length - count};
}

/* At most the first `count` bytes. */
static inline struct span span_first(struct span s, size_t count)
{
    return (struct span){s.data, count < s.length ? count : s.length};
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool span_is(struct span s, const char *text)
{
    return span_equal(s, span_text(text));
}

static inline bool span_begins(struct span s, struct span prefix)
{
    return s.length >= prefix.length &&
           (prefix.length == 0 || memcmp(s.data, prefix.data, prefix.length) == 0);
}

/* Big-endian numbers; the caller has checked that the bytes are there. */
static inline uint16_t span_u16(struct span s, size_t at)
{
    return (uint16_t)(s.data[at] << 8 | s.data[at + 1]);
}

static inline uint32_t span_u24(struct span s, size_t at)
{
    return (uint32_t)s.data[at] << 16 | (uint32_t)s.data[at + 1] << 8 | s.data[at + 2];
}

static inline uint32_t span_u32(struct span s, size_t at)
{
    return (uint32_t)s.data[at] << 24 | span_u24(s, at + 1);
}

#endif
