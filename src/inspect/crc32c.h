/* crc32c: the checksum of PROXY headers (RFC 4960, appendix B; reflected polynomial 0x82f63b78). */
#ifndef INSPECT_CRC32C_H
#define INSPECT_CRC32C_H

#include "base/span.h"

/* Start with CRC32C_START, feed piece by piece, finish by inverting. */
#define CRC32C_START UINT32_MAX

static inline uint32_t crc32c_add(uint32_t crc, struct span bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        crc ^= bytes.data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    return crc;
}

#endif
