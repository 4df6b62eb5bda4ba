/* authorities: those that servers' certificates are held against. For the TLS floor only. */
#ifndef TLS_AUTHORITIES_H
#define TLS_AUTHORITIES_H

#include "base/error.h"

#include <openssl/ssl.h>

/* Puts the certificates of `file`, or the system's where it is NULL, into the context's store, and
 * their digest into `ret`. All are read now: nothing is read in a handshake. */
bool tls_authorities_load(SSL_CTX *context, const char *file, unsigned char ret[32],
                          struct error *error) MUST_CHECK;

#endif
