/* siphash: SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"). The same bytes and
 * key give the same number on every machine, whatever its byte order. With a secret key nobody can
 * aim at a number; with a known one it is merely a good hash. */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include "base/span.h"

struct siphash_key {
    uint64_t k0, k1; /* of the key's 16 bytes the first and the last 8, little-endian */
};

uint64_t siphash(struct siphash_key key, struct span bytes);

#endif
