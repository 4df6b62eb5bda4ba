/* client_auth: what a policy asks of clients' certificates, and where it takes its trust from. For
 * the TLS floor only; control thread, but for the callbacks on the context. */
#ifndef TLS_CLIENT_AUTH_H
#define TLS_CLIENT_AUTH_H

#include "config/model.h"
#include "config/problems.h"
#include "tls/trust.h"

#include <openssl/ssl.h>

struct tls_client_auth {
    enum client_auth mode;
    char *ca, *crl;            /* owned; NULL: none */
    struct tls_trust *current; /* NULL: nothing is asked of clients */
    uint64_t told;             /* the refusal that was reported last; 0 for none */
};

/* Sets up the context and loads the files. Reports at PATH.client_auth; false when there was an
 * error. Release it all the same. */
bool tls_client_auth_compile(struct tls_client_auth *ret, SSL_CTX *context,
                             const struct model_tls *model, struct problems *problems) MUST_CHECK;
void tls_client_auth_release(struct tls_client_auth *auth);

#endif
