/* chain: the certificates of one file and their order. For the TLS floor only. */
#ifndef TLS_CHAIN_H
#define TLS_CHAIN_H

#include "base/error.h"
#include "tls/file.h"

#include <openssl/x509.h>

/* Every certificate of the file, in its order; at least one. Other PEM blocks are passed over. */
bool tls_chain_read(STACK_OF(X509) * *ret, const struct tls_file *file,
                    struct error *error) MUST_CHECK;

/* Takes the certificate that belongs to `key` out of `all`. */
bool tls_chain_find_leaf(X509 **ret, STACK_OF(X509) * all, EVP_PKEY *key, const char *file,
                         const char *key_file, struct error *error) MUST_CHECK;

/* Takes what is left in `all` into a chain in which each certificate signs the one before, the
 * first of them `leaf`. One that has no place in it is refused. */
bool tls_chain_order(STACK_OF(X509) * *ret, X509 *leaf, STACK_OF(X509) * all, const char *file,
                     struct error *error) MUST_CHECK;

#endif
