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
    bool has_addresses; /* false: LOCAL, UNKNOWN, UNSPEC: keep the peer's own */
    struct address source, destination;

    /* TLVs (version 2); empty where absent */
    struct span tlvs; /* all of them, raw */
    struct span authority, alpn, unique_id, ssl;
};

enum verdict proxy_header_parse(struct proxy_header *ret, struct span bytes);

/* Could these bytes be, or begin, a header's signature? YES, NO, or MORE for a proper beginning. */
enum verdict proxy_header_probe(struct span bytes);

/* Writes a header into `room` (PROXY_HEADER_MAX bytes) and returns its length. Addresses of
 * different families are both written as IPv6; UNIX or missing ones make v1 UNKNOWN / v2 UNSPEC. */
size_t proxy_header_write_v1(unsigned char *room, const struct address *source, const struct address *destination);
size_t proxy_header_write_v2(unsigned char *room, const struct address *source, const struct address *destination);
size_t proxy_header_write_v2_local(unsigned char *room);

#endif
