#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

/* Smallest allocation: most remainders are a part of one small message. */
#define BUFFER_MIN_BYTES 1024u

static void move_to_front(struct buffer *b)
{
    if (b->start == 0)
        return;
    memmove(b->memory, b->memory + b->start, b->end - b->start);
    b->end -= b->start;
    b->start = 0;
}

bool buffer_reserve(struct buffer *b, size_t room)
{
    if (b->capacity - b->end >= room)
        return true;
    size_t length = buffer_length(b);
    if (room > SIZE_MAX - length)
        return false;
    if (length + room <= b->capacity) {
        move_to_front(b);
        return true;
    }
    size_t capacity = b->capacity == 0 ? BUFFER_MIN_BYTES : b->capacity;
    while (capacity < length + room)
        capacity = capacity > SIZE_MAX / 2 ? length + room : capacity * 2;
    move_to_front(b);
    unsigned char *memory = realloc(b->memory, capacity);
    if (memory == NULL)
        return false;
    b->memory = memory;
    b->capacity = capacity;
    return true;
}

bool buffer_append(struct buffer *b, struct span bytes)
{
    if (bytes.length == 0)
        return true;
    if (!buffer_reserve(b, bytes.length))
        return false;
    memcpy(b->memory + b->end, bytes.data, bytes.length);
    b->end += bytes.length;
    return true;
}

void buffer_consume(struct buffer *b, size_t count)
{
    size_t length = buffer_length(b);
    b->start += count < length ? count : length;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void buffer_release(struct buffer *b)
{
    free(b->memory);
    *b = (struct buffer){0};
}
