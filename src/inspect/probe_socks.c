/* SOCKS 4 and 4A ("SOCKS: A protocol for TCP proxy across firewalls", and its 4A extension) and
 * SOCKS 5 (RFC 1928 §3). */
#include "probes.h"

#define SOCKS4_USER_AT  8u
#define SOCKS4_USER_MAX 255u

/* VN 4, CD 1 (CONNECT) or 2 (BIND), port, address, user id, NUL: certain with the NUL. */
enum verdict probe_socks4(struct span bytes)
{
    if (bytes.length > 0 && bytes.data[0] != 4)
        return VERDICT_NO;
    if (bytes.length > 1 && bytes.data[1] != 1 && bytes.data[1] != 2)
        return VERDICT_NO;
    for (size_t at = SOCKS4_USER_AT; at < bytes.length; at++) {
        if (bytes.data[at] == 0)
            return VERDICT_YES;
        if (bytes.data[at] < ' ' || bytes.data[at] == 0x7f ||
            at - SOCKS4_USER_AT >= SOCKS4_USER_MAX)
            return VERDICT_NO;
    }
    return VERDICT_MORE;
}

/* VER 5, NMETHODS, METHODS: certain with the last method. FF is the server's "none acceptable". */
enum verdict probe_socks5(struct span bytes)
{
    if (bytes.length > 0 && bytes.data[0] != 5)
        return VERDICT_NO;
    if (bytes.length < 2)
        return VERDICT_MORE;
    size_t count = bytes.data[1];
    if (count == 0)
        return VERDICT_NO;
    struct span methods = span_first(span_skip(bytes, 2), count);
    for (size_t i = 0; i < methods.length; i++)
        if (methods.data[i] == 0xff)
            return VERDICT_NO;
    return methods.length == count ? VERDICT_YES : VERDICT_MORE;
}
