/* authorities: those that servers' certificates are held against. For the TLS floor only. */
#ifndef TLS_AUTHORITIES_H
#define TLS_AUTHORITIES_H

#include "base/error.h"
#include "tls/file.h"

#include <openssl/x509_vfy.h>

/* The file with the system's authorities; NULL: there is none. */
const char *tls_authorities_find(void);

/* The certificates of `file`, at least one; all are read now, nothing is in a handshake. `digest`
 * is that of the bytes, or zero where they could not be read. Where that is `known` (may be NULL),
 * nothing is parsed, and *ret stays as it was: the system's file has hundreds of them. */
enum tls_file_status tls_authorities_load(X509_STORE **ret, const char *file,
                                          const unsigned char known[32], unsigned char digest[32],
                                          struct error *error);

/* None of them is valid any more. */
bool tls_authorities_expired(X509_STORE *authorities);

#endif
