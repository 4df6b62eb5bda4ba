/* client_hello: the one ClientHello parser of the program (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301).
 *
 * Pure: reads `records` (TLS records from the first byte of a connection, any number of them, any
 * split) and answers
 *   YES     the whole hello was read; `ret` is filled
 *   MORE    it fits so far; `ret->need` is the least total number of bytes of `records` with which
 *           an answer other than MORE is possible
 *   BROKEN  it is TLS and malformed; `ret->alert` is the alert to send, `ret->reason` says why
 *   NO      not TLS (see tls_record.h)
 * Only what an RFC forbids is BROKEN; extensions that are not listed below are not looked into.
 *
 * Spans in `ret` point into `records`, or into `scratch` when the hello spans several records: both
 * must outlive `ret`. `scratch` has room for CLIENT_HELLO_MAX bytes. Nothing is allocated. */
#ifndef INSPECT_CLIENT_HELLO_H
#define INSPECT_CLIENT_HELLO_H

#include "base/name.h"
#include "base/span.h"
#include "inspect/verdict.h"

/* The handshake message with its header; a longer one is BROKEN. */
#define CLIENT_HELLO_MAX (64u * 1024u)

/* TLS alert descriptions a hello can be refused with (RFC 8446 §6). */
#define TLS_ALERT_UNEXPECTED_MESSAGE 10
#define TLS_ALERT_RECORD_OVERFLOW    22
#define TLS_ALERT_ILLEGAL_PARAMETER  47
#define TLS_ALERT_DECODE_ERROR       50
#define TLS_ALERT_PROTOCOL_VERSION   70
#define TLS_ALERT_UNRECOGNIZED_NAME  112

struct client_hello {
    size_t need;        /* with MORE */
    uint8_t alert;      /* with BROKEN */
    const char *reason; /* with BROKEN; static text */

    uint16_t legacy_version;
    uint16_t
        max_version; /* highest TLS version offered (0x0304), GREASE and drafts left out; 0: none */
    bool has_sni;    /* a host_name entry was there */
    bool
        sni_is_name; /* ... and is a host name in form (so is an IPv4 literal); then `sni` is set */
    char sni[NAME_MAX_LENGTH + 1]; /* normal form; "" where it is no name */
    struct span sni_raw;           /* the first host_name as sent */
    bool has_ech; /* encrypted_client_hello: it is the outer name that is seen here */

    struct span ciphers;    /* 16-bit values */
    struct span extensions; /* the extensions block, for walking */
    struct span alpn;       /* RFC 7301 ProtocolNameList without its length; empty: none */
    struct span versions;   /* supported_versions, 16-bit values; empty: none */
    struct span groups;     /* supported_groups, 16-bit values */
    struct span signatures; /* signature_algorithms, 16-bit values */
};

enum verdict client_hello_parse(struct client_hello *ret, struct span records,
                                unsigned char *scratch);

/* Walks the offered ALPN names: *at starts at 0; false at the end. */
bool client_hello_next_alpn(const struct client_hello *hello, size_t *at, struct span *ret_name);

/* Walks the extensions likewise. */
bool client_hello_next_extension(const struct client_hello *hello, size_t *at, uint16_t *ret_type,
                                 struct span *ret_data);

/* RFC 8701: a value without meaning, sent so that servers stay tolerant. */
bool tls_value_is_grease(uint16_t value);

/* JA4 fingerprint (FoxIO's technical description), 36 characters and a NUL. SHA-256 is the
 * caller's, as this floor knows no cryptography. */
#define JA4_TEXT_MAX 40
typedef void sha256_function(const void *bytes, size_t length, unsigned char digest[32]);
void client_hello_ja4(const struct client_hello *hello, sha256_function *sha256,
                      char ret[JA4_TEXT_MAX]);

#endif
