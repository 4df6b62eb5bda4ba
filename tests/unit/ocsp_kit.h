/* ocsp_kit: OCSP responses as an authority would make them, and the ones that it would not; and a
 * responder that says what it is told to. */
#ifndef TESTS_UNIT_OCSP_KIT_H
#define TESTS_UNIT_OCSP_KIT_H

#include "tls_kit.h"

#include "tls/credential.h"

#include <openssl/ocsp.h>
#include <pthread.h>

struct ocsp_spec {
    X509 *subject;
    X509 *issuer;
    const struct kit_signer *by;
    X509 *enclosed;       /* put into the response; NULL: none */
    int status;           /* V_OCSP_CERTSTATUS_GOOD … */
    long from_s, until_s; /* from now */
    bool endless;         /* says no nextUpdate */
    bool sha256;          /* names the certificate by this hash, not by SHA-1 */
};

struct ocsp_bytes {
    unsigned char data[8192];
    size_t length;
};

void ocsp_make(struct ocsp_bytes *ret, const struct ocsp_spec *spec);
void ocsp_make_refusal(struct ocsp_bytes *ret, int status); /* OCSP_RESPONSE_STATUS_TRYLATER … */

/* The pair that was saved under these names; one reference. */
struct tls_credential *ocsp_load(const char *certificates, const char *key);

/* A responder on loopback, in a thread; answers each of `answers` connections alike. */
struct ocsp_responder {
    int listener, port;
    pthread_t thread;
    const char *head; /* borrowed; of the answer */
    struct ocsp_bytes body;
    unsigned answers;
    char asked[1024]; /* the head of the last request; read after ocsp_responder_end() */
};

#define OCSP_KIT_OK "HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\n\r\n"

/* `host` "127.0.0.1" or "::1"; ret->port is known from here on. */
void ocsp_responder_open(struct ocsp_responder *ret, const char *host);
void ocsp_responder_run(struct ocsp_responder *responder, const char *head, unsigned answers);
void ocsp_responder_end(struct ocsp_responder *responder); /* once all were answered */

#endif
