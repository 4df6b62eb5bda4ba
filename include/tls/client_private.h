/* client_private: the inside of struct tls_client. For the TLS floor only. */
#ifndef TLS_CLIENT_PRIVATE_H
#define TLS_CLIENT_PRIVATE_H

#include "tls/client.h"
#include "tls/sessions.h"

#include <stdatomic.h>

struct tls_client {
    atomic_uint references;
    SSL_CTX *context;
    char *name; /* owned; what to ask for and verify; NULL: the server's own */
    bool verify;
    bool remembers; /* `demands` holds */
    unsigned char demands[32];
};

/* Of the files that it was made of. */
struct digests {
    unsigned char authorities[32], credential[32];
};

#endif
