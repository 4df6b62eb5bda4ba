#include "inspect/proxy_header.h"

#include "proxy_v2.h"

#include <arpa/inet.h>
#include <stdio.h>

#define TLV_HEADER 3u

static bool both_ip(const struct address *source, const struct address *destination)
{
    return source != NULL && destination != NULL && source->length > 0 && destination->length > 0 &&
           address_is_ip(source) && address_is_ip(destination);
}

static bool both_v4(const struct address *source, const struct address *destination)
{
    return source->any.sa_family == AF_INET && destination->any.sa_family == AF_INET;
}

/* The 16 bytes of an IPv6 address, or of an IPv4 address mapped into it. */
static void as_v6(unsigned char ret[16], const struct address *a)
{
    if (a->any.sa_family == AF_INET6) {
        memcpy(ret, &a->v6.sin6_addr, 16);
        return;
    }
    memset(ret, 0, 10);
    memset(ret + 10, 0xff, 2);
    memcpy(ret + 12, &a->v4.sin_addr, 4);
}

size_t proxy_header_write_v1(unsigned char *room, const struct address *source,
                             const struct address *destination)
{
    static const char unknown[] = "PROXY UNKNOWN\r\n";
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    unsigned char from_v6[16], to_v6[16];
    if (!both_ip(source, destination)) {
        memcpy(room, unknown, sizeof unknown - 1);
        return sizeof unknown - 1;
    }
    bool v4 = both_v4(source, destination);
    if (v4) {
        inet_ntop(AF_INET, &source->v4.sin_addr, from, sizeof from);
        inet_ntop(AF_INET, &destination->v4.sin_addr, to, sizeof to);
    } else {
        as_v6(from_v6, source);
        as_v6(to_v6, destination);
        inet_ntop(AF_INET6, from_v6, from, sizeof from);
        inet_ntop(AF_INET6, to_v6, to, sizeof to);
    }
    int length = snprintf((char *)room, PROXY_HEADER_MAX, "PROXY %s %s %s %u %u\r\n",
                          v4 ? "TCP4" : "TCP6", from, to, (unsigned)address_port(source),
                          (unsigned)address_port(destination));
    return (size_t)length;
}

static void put_u16(unsigned char *at, size_t value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)(value & 0xff);
}

/* The first 16 bytes; `length` is that of what follows. Returns the whole length. */
static size_t put_header(unsigned char *room, unsigned char command, unsigned char family,
                         size_t length)
{
    memcpy(room, V2_SIGNATURE, sizeof V2_SIGNATURE - 1);
    room[12] = command;
    room[13] = family;
    put_u16(room + 14, length);
    return V2_HEADER + length;
}

size_t proxy_header_write_v2(unsigned char *room, const struct address *source,
                             const struct address *destination)
{
    unsigned char *block = room + V2_HEADER;
    if (!both_ip(source, destination))
        return put_header(room, V2_PROXY, V2_UNSPEC, 0);
    if (both_v4(source, destination)) {
        memcpy(block, &source->v4.sin_addr, 4);
        memcpy(block + 4, &destination->v4.sin_addr, 4);
        put_u16(block + 8, address_port(source));
        put_u16(block + 10, address_port(destination));
        return put_header(room, V2_PROXY, V2_TCP4, 12);
    }
    as_v6(block, source);
    as_v6(block + 16, destination);
    put_u16(block + 32, address_port(source));
    put_u16(block + 34, address_port(destination));
    return put_header(room, V2_PROXY, V2_TCP6, 36);
}

size_t proxy_header_write_v2_local(unsigned char *room)
{
    return put_header(room, V2_LOCAL, V2_UNSPEC, 0);
}

size_t proxy_header_add_tlv(unsigned char *room, size_t length, uint8_t type, struct span value)
{
    if (value.length > PROXY_HEADER_MAX - TLV_HEADER ||
        length > PROXY_HEADER_MAX - TLV_HEADER - value.length)
        return length;
    unsigned char *tlv = room + length;
    tlv[0] = type;
    put_u16(tlv + 1, value.length);
    if (value.length > 0)
        memcpy(tlv + TLV_HEADER, value.data, value.length);
    length += TLV_HEADER + value.length;
    put_u16(room + 14, length - V2_HEADER);
    return length;
}
