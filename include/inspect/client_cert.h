/* client_cert: the names in a client's certificate, as the rules, the log and servers see them.
 *
 * Pure: the TLS floor fills it from a certificate that it has verified. Every text is NUL-
 * terminated and has no NUL in it: a name with one could be read as another, and fails. */
#ifndef INSPECT_CLIENT_CERT_H
#define INSPECT_CLIENT_CERT_H

#include "base/error.h"
#include "base/span.h"

/* More is no name of anybody (RFC 5280's bound for a common name is 64). */
#define CLIENT_CN_MAX 255u

/* What a subjectAltName can hold (RFC 5280 §4.2.1.6), of what is compared here. A name of one kind
 * never stands for the same text of another. */
enum san_kind { SAN_DNS, SAN_EMAIL, SAN_URI, SAN_IP };

/* In normal form: a DNS name as base/name.h has it, an e-mail address with its domain so, an IP
 * address as it is usually written, a URI as it is. */
struct san {
    enum san_kind kind;
    char *text; /* owned */
};

struct client_cert {
    char *cn; /* owned; UTF-8; NULL: none */
    struct san *san;
    size_t san_count;
};

/* Sets the common name, which is UTF-8. Fails on a NUL in it, or one that is too long. */
bool client_cert_set_cn(struct client_cert *cert, struct span utf8, struct error *error) MUST_CHECK;

/* Adds a name as the certificate has it (an IP address: 4 or 16 bytes). One that is none of its
 * kind in form is left out. Fails on a NUL in a text. */
bool client_cert_add_san(struct client_cert *cert, enum san_kind kind, struct span raw,
                         struct error *error) MUST_CHECK;

void client_cert_release(struct client_cert *cert); /* accepts {0} */

/* --- what a rule asks for --------------------------------------------------------------------- */

/* Is it the common name? Byte for byte; "*.example.com" stands for a host name below it. */
bool client_cert_has_cn(const struct client_cert *cert, const char *pattern);

/* Reads what a rule wrote: an IP address, a URI ("scheme:…"), an e-mail address, else a DNS name or
 * "*.example.com". False where it is none in form. The text is owned by the caller. */
bool san_parse(struct san *ret, const char *text, struct error *error) MUST_CHECK;
bool client_cert_has_san(const struct client_cert *cert, const struct san *wanted);

#endif
