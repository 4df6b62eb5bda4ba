/* ocsp: OCSP requests and responses (RFC 6960) for our own certificates. For the TLS floor only. */
#ifndef TLS_OCSP_H
#define TLS_OCSP_H

#include "base/span.h"
#include "tls/credential.h"

#define TLS_OCSP_MAX_BYTES (64u * 1024u)

/* A response that was good when it was checked. Immutable, counted, any threads. */
struct tls_staple {
    atomic_uint references;
    unsigned char *der;
    size_t length;
    int64_t produced_at;              /* seconds since 1970, as all of them */
    int64_t this_update, next_update; /* good before next_update */
};

struct tls_staple *tls_staple_ref(struct tls_staple *staple);
void tls_staple_unref(struct tls_staple *staple); /* accepts NULL */

/* A certificate may say anything, and its address goes into a request and into the log. */
bool tls_ocsp_url_is_plain(const char *url);

/* The plain http:// address that the certificate names for OCSP; the caller frees it. NULL: none.
 */
char *tls_ocsp_url(const struct tls_credential *credential);

/* A request for it, in DER, without a nonce, so that responders may answer from a cache; the
 * caller frees it. */
bool tls_ocsp_request(const struct tls_credential *credential, unsigned char **ret,
                      size_t *ret_length, struct error *error) MUST_CHECK;

/* Is the response, whatever it says, about this certificate? */
bool tls_ocsp_is_about(const struct tls_credential *credential, struct span response);

/* Is it a response at all, and one that is no failure? If not, `error` says what it is. */
bool tls_ocsp_parses(struct span response, struct error *error) MUST_CHECK;

enum tls_ocsp_verdict {
    TLS_OCSP_GOOD,    /* *ret is it */
    TLS_OCSP_STALE,   /* all is well but the time: it was good */
    TLS_OCSP_REVOKED, /* the issuer says so: whatever was good before is so no more */
    TLS_OCSP_BAD      /* says nothing that could be believed */
};

/* Checks at `now` (seconds since 1970): it parses, is about this certificate, was signed by its
 * issuer or by whom that one named, says "good", is not from the future and not past its time. One
 * that does not say until when it holds does so for a day. But for TLS_OCSP_GOOD `error` says why
 * not. */
enum tls_ocsp_verdict tls_ocsp_check(struct tls_staple **ret,
                                     const struct tls_credential *credential, struct span response,
                                     int64_t now, struct error *error) MUST_CHECK;

#endif
