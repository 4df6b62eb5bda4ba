/* hello_builder: ClientHellos made by hand, for tests that need one that no library would send. */
#ifndef TESTS_HELLO_BUILDER_H
#define TESTS_HELLO_BUILDER_H

#include "base/span.h"

#include <check.h>

#define BUILDER_MAX 200000u

struct builder {
    unsigned char bytes[BUILDER_MAX];
    size_t length;
};

static inline void build(struct builder *b, struct span s)
{
    ck_assert_uint_le(b->length + s.length, sizeof b->bytes);
    if (s.length > 0)
        memcpy(b->bytes + b->length, s.data, s.length);
    b->length += s.length;
}

static inline void build_number(struct builder *b, size_t value, size_t bytes)
{
    for (size_t i = bytes; i > 0; i--) {
        unsigned char byte = (unsigned char)(value >> (8 * (i - 1)) & 0xff);
        build(b, span_of(&byte, 1));
    }
}

/* A vector: its length in `bytes` bytes, then the value. */
static inline void build_vector(struct builder *b, size_t bytes, struct span value)
{
    build_number(b, value.length, bytes);
    build(b, value);
}

static inline void build_extension(struct builder *b, unsigned type, struct span data)
{
    build_number(b, type, 2);
    build_vector(b, 2, data);
}

struct hello_parts {
    struct span session_id, ciphers, compressions, extensions;
    bool no_extensions; /* not even their length */
};

/* The handshake message. */
static inline void build_hello(struct builder *b, const struct hello_parts *parts)
{
    size_t start = b->length;
    static const unsigned char random[32] = {0x52};
    build_number(b, 1, 1);
    build_number(b, 0, 3);
    build_number(b, 0x0303, 2);
    build(b, span_of(random, sizeof random));
    build_vector(b, 1, parts->session_id);
    build_vector(b, 2, parts->ciphers);
    build_vector(b, 1, parts->compressions);
    if (!parts->no_extensions)
        build_vector(b, 2, parts->extensions);
    size_t body = b->length - start - 4;
    b->bytes[start + 1] = (unsigned char)(body >> 16 & 0xff);
    b->bytes[start + 2] = (unsigned char)(body >> 8 & 0xff);
    b->bytes[start + 3] = (unsigned char)(body & 0xff);
}

static inline void build_record(struct builder *b, unsigned type, struct span fragment)
{
    build_number(b, type, 1);
    build_number(b, 0x0301, 2);
    build_vector(b, 2, fragment);
}

/* Records of `size` bytes each; the last one is shorter. */
static inline void build_records(struct builder *b, struct span message, size_t size)
{
    for (size_t at = 0; at < message.length; at += size)
        build_record(b, 22, span_first(span_skip(message, at), size));
}

#endif
