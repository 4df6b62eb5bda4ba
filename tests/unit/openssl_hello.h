/* openssl_hello: the ClientHellos of a real library, taken from a memory BIO. */
#ifndef TESTS_OPENSSL_HELLO_H
#define TESTS_OPENSSL_HELLO_H

#include "base/span.h"

#include <check.h>
#include <openssl/ssl.h>
#include <stdio.h>

struct hello_config {
    const char *sni;     /* NULL: none */
    const char *alpn;    /* as on the wire; NULL: none */
    const char *ciphers; /* of TLS 1.2; NULL: the library's own */
    const char *groups;
    int min_version, max_version; /* 0: the library's own */
};

static const struct hello_config hello_configs[] = {
    {.sni = "example.com"},
    {.sni = "WWW.Example.COM", .alpn = "\2h2\10http/1.1"},
    {.alpn = "\3fix"},
    {.sni = NULL},
    {.sni = "a.b.c.d.example", .max_version = TLS1_2_VERSION},
    {.sni = "legacy", .max_version = TLS1_1_VERSION, .ciphers = "ALL:@SECLEVEL=0"},
    {.sni = "oldest", .max_version = TLS1_VERSION, .ciphers = "ALL:@SECLEVEL=0"},
    {.sni = "new.example", .min_version = TLS1_3_VERSION, .groups = "X25519:P-256"},
    {.sni = "many", .ciphers = "ALL:COMPLEMENTOFALL:@SECLEVEL=0", .groups = "P-256:P-384:P-521"},
    {.sni = "192.0.2.1", .alpn = "\12acme-tls/1"},
};
enum { HELLO_CONFIG_COUNT = sizeof hello_configs / sizeof hello_configs[0] };

/* OpenSSL's macros cast const away: they get a copy. */
struct hello_text {
    char text[64];
};

static inline struct hello_text hello_text(const char *text)
{
    struct hello_text copy;
    snprintf(copy.text, sizeof copy.text, "%s", text);
    return copy;
}

static inline SSL_CTX *hello_client_context(const struct hello_config *config)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    ck_assert_ptr_nonnull(context);
    if (config->ciphers != NULL)
        ck_assert_int_eq(SSL_CTX_set_cipher_list(context, config->ciphers), 1);
    if (config->groups != NULL) {
        struct hello_text groups = hello_text(config->groups);
        ck_assert_int_eq(SSL_CTX_set1_groups_list(context, groups.text), 1);
    }
    ck_assert_int_eq(SSL_CTX_set_min_proto_version(context, config->min_version), 1);
    ck_assert_int_eq(SSL_CTX_set_max_proto_version(context, config->max_version), 1);
    return context;
}

/* Writes the records of the hello into `room` and returns their length. */
static inline size_t hello_make(const struct hello_config *config, unsigned char *room, size_t size)
{
    SSL_CTX *context = hello_client_context(config);
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    size_t length = 0;
    ck_assert(ssl != NULL && in != NULL && out != NULL);
    SSL_set_bio(ssl, in, out);
    if (config->sni != NULL) {
        struct hello_text sni = hello_text(config->sni);
        ck_assert_int_eq(SSL_set_tlsext_host_name(ssl, sni.text), 1);
    }
    if (config->alpn != NULL) /* zero is success here */
        ck_assert_int_eq(SSL_set_alpn_protos(ssl, (const unsigned char *)config->alpn,
                                             (unsigned)strlen(config->alpn)),
                         0);
    SSL_set_connect_state(ssl);
    ck_assert_int_eq(SSL_do_handshake(ssl), -1);
    ck_assert_int_eq(BIO_read_ex(out, room, size, &length), 1);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return length;
}

#endif
