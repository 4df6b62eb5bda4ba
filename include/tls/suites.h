/* suites: versions, cipher lists and groups as the configuration writes them, put on a context. For
 * the TLS floor only.
 *
 * OpenSSL passes over names that it does not know as long as one is left that it does. Here each is
 * looked at alone, and an unknown one is an error. */
#ifndef TLS_SUITES_H
#define TLS_SUITES_H

#include "config/model.h"
#include "config/problems.h"

#include <openssl/ssl.h>

/* Reports at the keys under model->path; false when there was an error. */
bool tls_suites_apply(SSL_CTX *context, const struct model_tls *model,
                      struct problems *problems) MUST_CHECK;

/* "TLS 1.2" for 0x0303. */
const char *tls_version_name(int version);

#endif
