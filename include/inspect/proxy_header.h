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

/* Within PROXY_TLV_SSL, behind the client's flags (one byte) and the verdict on its certificate
 * (four, 0 for good). */
#define PROXY_SSL_VERSION      0x21
#define PROXY_SSL_CN           0x22
#define PROXY_SSL_CIPHER       0x23
#define PROXY_SSL_SIG_ALG      0x24
#define PROXY_SSL_KEY_ALG      0x25
#define PROXY_CLIENT_SSL       0x01 /* the client speaks TLS */
#define PROXY_CLIENT_CERT_CONN 0x02 /* it showed a certificate on this connection */
#define PROXY_CLIENT_CERT_SESS 0x04 /* ... or on the one whose session it resumes */

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

/* A client's TLS, as servers are told. Texts that are NULL or empty are left out. */
struct proxy_ssl {
    const char *version, *cipher, *key_algorithm, *signature_algorithm, *cn;
    bool verified; /* the client has a certificate, and it is good: any other ended the handshake */
    bool resumed;
};

/* What a version 2 header says beside the addresses; what is empty or NULL is left out. */
struct proxy_fields {
    bool checksum;
    struct span received; /* TLVs as they came in; the first of each type ... */
    const uint8_t
        *passed; /* ... that is listed here goes on, and takes the place of what follows */
    size_t passed_count;
    const struct proxy_ssl *ssl;
    struct span alpn, authority, unique_id;
};

/* Adds them behind a written version 2 header and returns the new length. Where the header would
 * get longer than PROXY_HEADER_MAX, what does not fit is left out, each field whole: the last ones
 * of the above first. */
size_t proxy_header_add_fields(unsigned char *room, size_t length,
                               const struct proxy_fields *fields);

#endif
