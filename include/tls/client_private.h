/* client_private: the inside of struct tls_client. For the TLS floor only. */
#ifndef TLS_CLIENT_PRIVATE_H
#define TLS_CLIENT_PRIVATE_H

#include "tls/client.h"
#include "tls/credential.h"
#include "tls/sessions.h"

#include <pthread.h>
#include <stdatomic.h>

/* What a client's files said when they were read, ready for handshakes. Never changes. */
struct tls_means {
    SSL_CTX *context;
    X509_STORE *authorities;           /* counted; NULL: nothing is verified */
    struct tls_credential *credential; /* counted; NULL: we have none to show */
    unsigned char authorities_digest[32];
    unsigned char demands[32]; /* of all that a session must have been made under */
};

struct tls_client {
    atomic_uint references;
    char *name; /* owned; what to ask for and verify; NULL: the server's own */
    bool verify;
    bool named;                  /* the authorities are ones that were named, not the system's */
    char *ca, *cert, *key;       /* owned; NULL: not needed */
    const char *files[4];        /* those of them that there are, NULL at the end */
    unsigned char *alpn;         /* owned; RFC 7301 ProtocolNameList without its length */
    size_t alpn_length;          /* 0: none is offered */
    uint64_t told_ca, told_cert; /* the control thread's; the refusal that was told last; 0: none */
    bool passes;                 /* likewise: certificate files with this content are not loaded */
    unsigned char passed[32];
    pthread_mutex_t mutex; /* guards the means against the control thread's replacing them */
    struct tls_means means;
};

/* `digest` is that of the bytes of both files, or zero. */
enum tls_file_status tls_means_load_credential(const struct tls_client *client,
                                               struct tls_credential **ret,
                                               unsigned char digest[32], enum tls_part *ret_part,
                                               struct error *error);

/* Takes references of its own to both, which may be NULL. */
bool tls_means_make(struct tls_means *ret, const struct tls_client *client, X509_STORE *authorities,
                    const unsigned char authorities_digest[32], struct tls_credential *credential,
                    struct error *error) MUST_CHECK;
void tls_means_release(struct tls_means *means); /* accepts {0} */

#endif
