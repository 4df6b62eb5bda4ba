/* hash: hash_bytes() is FNV-1a, for tables whose keys come from the configuration. Clients' bytes
 * are only looked up in them, never inserted, so a keyed hash is not needed. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/span.h"

static inline uint64_t hash_bytes(struct span s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < s.length; i++)
        h = (h ^ s.data[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* Spreads a number over all 64 bits: the output function of SplitMix64. */
static inline uint64_t hash_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* What SplitMix64 adds from one number to the next. */
#define HASH_STEP UINT64_C(0x9e3779b97f4a7c15)

#endif
