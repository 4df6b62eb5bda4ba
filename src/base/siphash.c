#include "base/siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static void rounds(struct state *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 = rotate(s->v0, 32) + s->v3;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 = rotate(s->v2, 32);
    }
}

static uint64_t little_endian(const unsigned char *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value |= (uint64_t)bytes[i] << 8 * i;
    return value;
}

static void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    rounds(s, 2);
    s->v0 ^= word;
}

uint64_t siphash(struct siphash_key key, struct span bytes)
{
    struct state s = {
        key.k0 ^ UINT64_C(0x736f6d6570736575), /* "somepseu" */
        key.k1 ^ UINT64_C(0x646f72616e646f6d), /* "dorandom" */
        key.k0 ^ UINT64_C(0x6c7967656e657261), /* "lygenera" */
        key.k1 ^ UINT64_C(0x7465646279746573), /* "tedbytes" */
    };
    size_t whole = bytes.length / 8, rest = bytes.length % 8;
    for (size_t i = 0; i < whole; i++)
        absorb(&s, little_endian(bytes.data + 8 * i, 8));
    uint64_t last = (uint64_t)bytes.length << 56;
    if (rest > 0)
        last |= little_endian(bytes.data + 8 * whole, rest);
    absorb(&s, last);
    s.v2 ^= 0xff;
    rounds(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
