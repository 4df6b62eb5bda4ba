/* cursor: takes numbers and length-prefixed vectors from the front of a span.
 *
 * Failure is sticky: once something did not fit, every further take gives zero or nothing, and
 * `failed` tells. */
#ifndef INSPECT_CURSOR_H
#define INSPECT_CURSOR_H

#include "base/span.h"

struct cursor {
    struct span rest;
    bool failed;
};

static inline struct span cursor_take(struct cursor *c, size_t count)
{
    if (c->failed || c->rest.length < count) {
        c->failed = true;
        c->rest = (struct span){NULL, 0};
        return c->rest;
    }
    struct span taken = span_first(c->rest, count);
    c->rest = span_skip(c->rest, count);
    return taken;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    struct span s = cursor_take(c, 1);
    return c->failed ? 0 : s.data[0];
}

static inline uint16_t cursor_u16(struct cursor *c)
{
    struct span s = cursor_take(c, 2);
    return c->failed ? 0 : span_u16(s, 0);
}

/* Bytes behind a length of one or of two bytes. */
static inline struct span cursor_vector8(struct cursor *c)
{
    return cursor_take(c, cursor_u8(c));
}

static inline struct span cursor_vector16(struct cursor *c)
{
    return cursor_take(c, cursor_u16(c));
}

/* Everything was taken, and all of it was there. */
static inline bool cursor_done(const struct cursor *c)
{
    return !c->failed && c->rest.length == 0;
}

#endif
