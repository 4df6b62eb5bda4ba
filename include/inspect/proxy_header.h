/* proxy_header: a received PROXY protocol header, versions 1 and 2
 * (haproxy.org, "The PROXY protocol", 2020-03-05), and the writing of one.
 *
 * Reading is pure: YES (whole and valid; `ret->length` bytes belong to it), NO (the bytes do not
 * begin a header), MORE (fits so far; `ret->need` total bytes before another answer is possible),
 * BROKEN (`ret->reason`). */
#ifndef INSPECT_PROXY_HEADER_H
#define INSPECT_PROXY_HEADER_H

#include "base/address.h"
#include "inspect/verdict.h"

/* v1 at most 107 bytes; v2 16 + up to 65535, bounded here. */
#define PROXY_HEADER_MAX (16u + 4096u)

struct proxy_header {
    size_t length;      /* with YES */
    size_t need;        /* with MORE */
    const char *reason; /* with BROKEN; static text */
    unsigned version;   /* 1 or 2 */
    bool has_addresses; /* false: LOCAL, UNKNOWN, UNSPEC, UNIX: keep the peer's own */
    struct address source, destination; /* normalised: never IPv4 mapped into IPv6 */

    /* TLVs (version 2), pointing into the bytes; empty where absent; of several the first counts */
    struct span tlvs; /* all of them, raw */
    struct span authority, alpn, unique_id, ssl;
};

#define PROXY_TLV_ALPN      0x01
#define PROXY_TLV_AUTHORITY 0x02
#define PROXY_TLV_CRC32C    0x03 /* verified where present */
#define PROXY_TLV_NOOP      0x04
#define PROXY_TLV_UNIQUE_ID 0x05
#define PROXY_TLV_SSL       0x20

enum verdict proxy_header_parse(struct proxy_header *ret, struct span bytes);

/* Walks TLVs: *at starts at 0; false at the end, or where what is left is no TLV. */
bool proxy_tlv_next(struct span tlvs, size_t *at, uint8_t *ret_type, struct span *ret_value);

/* Could these bytes be, or begin, a header's signature? YES, NO, or MORE for a proper beginning. */
enum verdict proxy_header_probe(struct span bytes);

/* Writes a header into `room` (PROXY_HEADER_MAX bytes) and returns its length. Addresses of
 * different families are both written as IPv6; UNIX or missing ones (NULL, or length 0) make v1
 * UNKNOWN / v2 UNSPEC. */
size_t proxy_header_write_v1(unsigned char *room, const struct address *source,
                             const struct address *destination);
size_t proxy_header_write_v2(unsigned char *room, const struct address *source,
                             const struct address *destination);
size_t proxy_header_write_v2_local(unsigned char *room);

/* Adds a TLV behind a written version 2 header of `length` bytes and returns the new length; the
 * old one, with nothing changed, where it does not fit. */
size_t proxy_header_add_tlv(unsigned char *room, size_t length, uint8_t type, struct span value);

#endif
