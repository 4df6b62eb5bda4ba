/* names: what a certificate stands for. For the TLS floor only. */
#ifndef TLS_NAMES_H
#define TLS_NAMES_H

#include "base/error.h"

#include <openssl/x509.h>

/* The dNSNames of the certificate's subjectAltName; where it has none, its common name (RFC 6125
 * §6.4.4). In normal form, sorted, each once; a name that is no host name in form is left out, one
 * with a NUL in it refuses the certificate. *ret_title is for people. The caller frees all three.
 */
bool tls_names_read(X509 *certificate, const char *file, char ***ret, size_t *ret_count,
                    char **ret_title, struct error *error) MUST_CHECK;
void tls_names_free(char **names, size_t count); /* accepts NULL */

#endif
