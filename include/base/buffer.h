/* buffer: a heap buffer of bytes in flight, filled at the end and taken from the front.
 *
 * Ownership  the caller's struct; the memory is the buffer's, freed by buffer_release().
 * Idle cost  an empty buffer holds no memory once buffer_release() was called: {0} is valid.
 * Errors     buffer_reserve() and buffer_append() return false when memory is out; nothing is lost.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/compiler.h"
#include "base/span.h"

struct buffer_body {
    size_t capacity, start, end;
    unsigned char bytes[];
};

/* One pointer: sessions have several, and most hold nothing. */
struct buffer {
    struct buffer_body *body; /* owned; NULL when released */
};

static inline size_t buffer_length(const struct buffer *b)
{
    return b->body == NULL ? 0 : b->body->end - b->body->start;
}

static inline struct span buffer_span(const struct buffer *b)
{
    return (struct span){b->body == NULL ? NULL : b->body->bytes + b->body->start,
                         buffer_length(b)};
}

/* Makes room for `room` more bytes behind the end, moving what is there to the front if needed. */
bool buffer_reserve(struct buffer *b, size_t room) MUST_CHECK;
bool buffer_append(struct buffer *b, struct span bytes) MUST_CHECK;

/* Takes `count` bytes (at most what is there) from the front. */
void buffer_consume(struct buffer *b, size_t count);

void buffer_release(struct buffer *b);

#endif
