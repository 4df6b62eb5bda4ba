#include "payload.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A prime, so that no buffer size on the way divides the pattern and hides a lost or doubled piece.
 */
#define PERIOD 65521u

static unsigned char pattern[PERIOD + CHUNK_MAX];

void message_fill(unsigned char *message, size_t length, uint32_t session, uint64_t turn)
{
    char head[MESSAGE_LEAST + 1];

    snprintf(head, sizeof head, "E%06" PRIx32 ".%016" PRIx64, session & 0xffffffu, turn);
    memset(message, 'x', length);
    memcpy(message, head, MESSAGE_LEAST);
}

static void pattern_make(void)
{
    uint32_t state = 1;

    for (size_t i = 0; i < PERIOD; i++) {
        state = state * 1664525u + 1013904223u;
        pattern[i] = (unsigned char)(state >> 24);
    }
    for (size_t i = PERIOD; i < sizeof pattern; i++)
        pattern[i] = pattern[i - PERIOD];
}

const unsigned char *payload_at(uint64_t offset)
{
    static bool made;

    if (!made)
        pattern_make();
    made = true;
    return pattern + offset % PERIOD;
}

bool payload_matches(const unsigned char *bytes, size_t length, uint64_t offset)
{
    for (size_t done = 0; done < length; done += CHUNK_MAX) {
        size_t part = length - done < CHUNK_MAX ? length - done : CHUNK_MAX;
        if (memcmp(bytes + done, payload_at(offset + done), part) != 0)
            return false;
    }
    return true;
}
