#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

/* Smallest allocation: most remainders are a part of one small message. */
#define BUFFER_MIN_BYTES 1024u

static void move_to_front(struct buffer_body *body)
{
    if (body->start == 0)
        return;
    memmove(body->bytes, body->bytes + body->start, body->end - body->start);
    body->end -= body->start;
    body->start = 0;
}

static bool grow(struct buffer *b, size_t least)
{
    const size_t most = SIZE_MAX - sizeof *b->body;
    size_t capacity = b->body == NULL ? BUFFER_MIN_BYTES : b->body->capacity;
    if (least > most)
        return false;
    while (capacity < least)
        capacity = capacity > most / 2 ? least : capacity * 2;
    bool fresh = b->body == NULL;
    struct buffer_body *body = realloc(b->body, sizeof *body + capacity);
    if (body == NULL)
        return false;
    if (fresh)
        body->start = body->end = 0;
    body->capacity = capacity;
    b->body = body;
    return true;
}

bool buffer_reserve(struct buffer *b, size_t room)
{
    size_t length = buffer_length(b);
    if (b->body != NULL && b->body->capacity - b->body->end >= room)
        return true;
    if (room > SIZE_MAX - length)
        return false;
    if (b->body != NULL)
        move_to_front(b->body);
    return (b->body != NULL && length + room <= b->body->capacity) || room == 0 ||
           grow(b, length + room);
}

bool buffer_append(struct buffer *b, struct span bytes)
{
    if (bytes.length == 0)
        return true;
    if (!buffer_reserve(b, bytes.length))
        return false;
    memcpy(b->body->bytes + b->body->end, bytes.data, bytes.length);
    b->body->end += bytes.length;
    return true;
}

void buffer_consume(struct buffer *b, size_t count)
{
    size_t length = buffer_length(b);
    if (b->body == NULL)
        return;
    b->body->start += count < length ? count : length;
    if (b->body->start == b->body->end)
        b->body->start = b->body->end = 0;
}

void buffer_release(struct buffer *b)
{
    free(b->body);
    b->body = NULL;
}
