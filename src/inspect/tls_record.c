#include "inspect/tls_record.h"

#define CONTENT_HANDSHAKE   0x16
#define MAJOR_VERSION       0x03
#define MINOR_VERSION_MAX   0x04
#define FRAGMENT_LENGTH_MAX 16384u
#define CLIENT_HELLO        0x01

static bool fits(struct span bytes, size_t at)
{
    unsigned char byte = bytes.data[at];
    switch (at) {
    case 0:
        return byte == CONTENT_HANDSHAKE;
    case 1:
        return byte == MAJOR_VERSION;
    case 2:
        return byte <= MINOR_VERSION_MAX;
    case 3:
        return byte <= FRAGMENT_LENGTH_MAX >> 8;
    case 4:
        return span_u16(bytes, 3) >= 1 && span_u16(bytes, 3) <= FRAGMENT_LENGTH_MAX;
    default:
        return byte == CLIENT_HELLO;
    }
}

enum verdict tls_record_probe(struct span bytes)
{
    for (size_t at = 0; at < TLS_RECORD_PROBE_BYTES; at++) {
        if (at >= bytes.length)
            return VERDICT_MORE;
        if (!fits(bytes, at))
            return VERDICT_NO;
    }
    return VERDICT_YES;
}
