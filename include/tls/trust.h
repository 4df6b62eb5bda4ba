/* trust: whose certificates are taken from clients: CAs and what they have revoked. For the TLS
 * floor only.
 *
 * Immutable, counted, shared by any threads: everything in it that the library would work out on
 * first use was worked out when it was read, so that no handshake takes a lock for it. */
#ifndef TLS_TRUST_H
#define TLS_TRUST_H

#include "base/error.h"
#include "tls/file.h"
#include "tls/tls.h"

#include <openssl/x509.h>
#include <stdatomic.h>

struct tls_trust {
    atomic_uint references;
    STACK_OF(X509) * anchors;    /* each is trusted by itself, a CA in the middle as well */
    STACK_OF(X509_CRL) * crls;   /* NULL: revocation is not looked at */
    STACK_OF(X509_NAME) * names; /* what clients are told */
    unsigned char digest[32];    /* of both files */
};

enum tls_trust_part { TLS_TRUST_CA, TLS_TRUST_CRL };

/* SHA-256 over the bytes of both files; `crl` may be NULL. */
void tls_trust_digest(unsigned char ret[32], const struct tls_file *ca, const struct tls_file *crl);

/* Parses: at least one certificate, at least one CRL where there is such a file, each CRL with the
 * right signature where its CA is in the file. Does not look at the dates. `crl` may be NULL. */
bool tls_trust_parse(struct tls_trust **ret, const struct tls_file *ca, const struct tls_file *crl,
                     enum tls_trust_part *ret_part, struct error *error) MUST_CHECK;

/* A file of CRLs alone, where the CAs cannot be looked at. */
bool tls_trust_check_crls(const struct tls_file *file, struct error *error) MUST_CHECK;

/* Verifies the chain that the context was set up for; as X509_verify_cert(). */
int tls_trust_verify(const struct tls_trust *trust, X509_STORE_CTX *context);

/* What became of a failed one, in a person's words: "the client's certificate has expired
 * (CN=desk-1)". */
void tls_trust_blame(X509_STORE_CTX *context, char *ret, size_t size);

#endif
