/* staples: certificates → the OCSP responses that go out with them, of one policy at one time. For
 * the TLS floor only. Immutable, counted, any threads. */
#ifndef TLS_STAPLES_H
#define TLS_STAPLES_H

#include "tls/ocsp.h"

#include <openssl/ssl.h>

struct tls_staples;

struct tls_stapled {
    struct tls_credential *credential; /* borrowed by the caller's list, counted in the set */
    struct tls_staple *staple;
};

/* Takes a reference to each of both. */
bool tls_staples_create(struct tls_staples **ret, const struct tls_stapled *list, size_t count,
                        struct error *error) MUST_CHECK;

/* The response for this very certificate (by identity) that is not past its time at `now`; NULL:
 * none. */
const struct tls_staple *tls_staples_find(const struct tls_staples *staples, const X509 *leaf,
                                          int64_t now);

/* Makes the connections of a context answer clients that ask for a response (RFC 6066 §8). */
void tls_staples_install(SSL_CTX *context);

#endif
