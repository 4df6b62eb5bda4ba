#include "dns_ttl.h"

#define HEADER       12u
#define RECORD_HEAD  10u /* type, class, TTL, length */
#define LABEL_MAX    63u
#define TTL_MAX      INT32_MAX /* RFC 2181 §8: the top bit set means 0 */
#define POINTER_BITS 0xc0u

/* The place behind a name; SIZE_MAX: cut short. A pointer ends a name, so nothing is followed. */
static size_t skip_name(struct span message, size_t at)
{
    while (at < message.length) {
        unsigned char length = message.data[at];
        if ((length & POINTER_BITS) == POINTER_BITS)
            return at + 2;
        if (length > LABEL_MAX)
            return SIZE_MAX;
        at += 1u + length;
        if (length == 0)
            return at;
    }
    return SIZE_MAX;
}

static bool fits(struct span message, size_t at, size_t count)
{
    return at <= message.length && message.length - at >= count;
}

static bool skip_questions(struct span message, size_t *at)
{
    for (unsigned left = span_u16(message, 4); left > 0; left--) {
        *at = skip_name(message, *at);
        if (!fits(message, *at, 4))
            return false;
        *at += 4;
    }
    return true;
}

bool dns_least_ttl(struct span message, uint32_t *ret)
{
    size_t at = HEADER;
    uint32_t least = UINT32_MAX;
    if (message.length < HEADER || !skip_questions(message, &at))
        return false;
    for (unsigned left = span_u16(message, 6); left > 0; left--) {
        at = skip_name(message, at);
        if (!fits(message, at, RECORD_HEAD))
            return false;
        uint32_t ttl = span_u32(message, at + 4);
        ttl = ttl > TTL_MAX ? 0 : ttl;
        least = ttl < least ? ttl : least;
        at += RECORD_HEAD + span_u16(message, at + 8);
        if (at > message.length)
            return false;
    }
    *ret = least;
    return least != UINT32_MAX;
}
