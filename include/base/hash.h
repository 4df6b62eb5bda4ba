/* hash: FNV-1a, for tables whose keys come from the configuration. Clients' bytes are only looked
 * up in them, never inserted, so a keyed hash is not needed. */
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

#endif
