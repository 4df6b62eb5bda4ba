/* tls_kit: what the tests of the TLS floor share: certificates made on the spot, policies without a
 * configuration file, and a real OpenSSL client on the other end of a loopback connection. Every
 * function fails the test where it cannot do its work. */
#ifndef TESTS_UNIT_TLS_KIT_H
#define TESTS_UNIT_TLS_KIT_H

#include "tls/tls.h"

#include <check.h>
#include <openssl/ssl.h>

enum kit_key { KIT_ECDSA, KIT_RSA, KIT_ED25519, KIT_RSA_SMALL };

struct kit_signer {
    X509 *certificate;
    EVP_PKEY *key;
};

struct kit_spec {
    const char *san; /* "DNS:a.example,DNS:*.b.example"; NULL: no such extension */
    const char *cn;  /* NULL: "kit" */
    enum kit_key key;
    int from_days, to_days;      /* from today; 0 and 0: -1 to 90 */
    const struct kit_signer *by; /* NULL: signs itself */
    bool is_ca;
    const char *usage; /* "clientAuth"; NULL: no such extension */
    const char *ocsp;  /* the address of its responder; NULL: no such extension */
    bool must_staple;
};

/* A folder of its own for each test; kit_stop() removes it and whatever is in it. */
void kit_start(void);
void kit_stop(void);
const char *kit_file(const char *name); /* FOLDER/name; the text lives until kit_stop() */

void kit_write(const char *name, const void *bytes, size_t length);
size_t kit_read(const char *name, char *room, size_t size);
void kit_remove(const char *name);

struct kit_signer kit_make(const struct kit_spec *spec);
void kit_signer_free(struct kit_signer *signer);
void kit_save_certificates(const char *name, X509 *const *certificates, size_t count);
void kit_save_key(const char *name, EVP_PKEY *key, const char *passphrase);
/* NAME.crt and NAME.key (0600). */
void kit_pair(const char *name, const struct kit_spec *spec);

/* Certificate and key in one file NAME, put there whole. */
void kit_pem(const char *name, const struct kit_spec *spec);

/* A literal where a model wants a string of its own; nobody writes to it. */
char *kit_writable(const char *text);

/* A policy model of pairs NAME.crt, NAME.key; the strings are the caller's literals. */
struct kit_model {
    struct model_tls tls;
    struct model_certificate certificates[8];
    char *alpn[4];
};
void kit_model(struct kit_model *ret, const char *const *names, size_t count);
void kit_model_pem(struct kit_model *model, const char *file);      /* of the first pair */
void kit_model_folder(struct kit_model *model, const char *folder); /* in place of the first pair */
void kit_model_alpn(struct kit_model *model, const char *first, const char *second);

/* Compiles, or fails the test with the problems. */
struct tls_policy *kit_policy(const struct kit_model *model, const struct tls_policy *previous);
/* Compiles; true when it was taken. `lines` gets every problem, one a line. */
bool kit_compile(const struct kit_model *model, char *lines, size_t size);

/* --- connections ------------------------------------------------------------------------------ */

struct kit_link {
    struct stream server;
    enum tls_progress server_state;
    SSL *client;
    int client_fd;
    int client_state; /* 1 done, 0 still at it, -1 failed */
};

void kit_socketpair(int *ret_server, int *ret_client); /* loopback TCP, both non-blocking */
SSL_CTX *kit_client_context(void);
/* Connects; the handshake is still to run. `sni` NULL: none is sent. */
void kit_open(struct kit_link *link, struct tls_policy *policy, const char *expected_sni,
              SSL_CTX *client, const char *sni);
void kit_open_at(struct kit_link *link, struct tls_policy *policy, unsigned worker,
                 const char *expected_sni, SSL_CTX *client, const char *sni);
/* Runs both sides until neither can go on. */
void kit_run(struct kit_link *link);
void kit_handshake(struct kit_link *link); /* kit_run(), and both must be done */
void kit_close(struct kit_link *link);
void kit_close_client(struct kit_link *link, bool reset);

/* Waits (bounded) for readiness, then reads once. */
enum stream_status kit_server_read(struct kit_link *link, void *room, size_t size, size_t *ret);
int kit_client_read(struct kit_link *link, void *room, int size); /* as SSL_read, once ready */
void kit_client_write(struct kit_link *link, const char *text);
void kit_server_write(struct kit_link *link, const char *text);
/* "ping" one way and "pong" the other. */
void kit_ping(struct kit_link *link);

/* The certificate that the client was shown holds this name (as written in it). */
bool kit_served(const struct kit_link *link, const char *name);
int kit_served_key(const struct kit_link *link); /* EVP_PKEY_EC … */

#endif
