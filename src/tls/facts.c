/* What a finished handshake tells. */
#include "tls/connection.h"
#include "tls/tls.h"

#include <stdio.h>

void tls_get_facts(const struct stream *stream, struct tls_facts *ret)
{
    const struct tls_connection *connection = stream->state;
    const unsigned char *alpn = NULL;
    unsigned alpn_length = 0;
    SSL_get0_alpn_selected(connection->ssl, &alpn, &alpn_length);
    *ret = (struct tls_facts){
        .version = SSL_get_version(connection->ssl),
        .cipher = SSL_get_cipher_name(connection->ssl),
        .alpn = span_of(alpn, alpn_length),
        .resumed = SSL_session_reused(connection->ssl) == 1,
        .client_cert = connection->client_cert,
    };
}

static void name_key(char ret[TLS_KEY_ALGORITHM_MAX], const EVP_PKEY *key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        snprintf(ret, TLS_KEY_ALGORITHM_MAX, "RSA%d", EVP_PKEY_get_bits(key));
        break;
    case EVP_PKEY_EC:
        snprintf(ret, TLS_KEY_ALGORITHM_MAX, "EC%d", EVP_PKEY_get_bits(key));
        break;
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        snprintf(ret, TLS_KEY_ALGORITHM_MAX, "%s", OBJ_nid2sn(EVP_PKEY_get_base_id(key)));
        break;
    default:
        break;
    }
}

void tls_get_served(const struct stream *stream, struct tls_served *ret)
{
    const struct tls_connection *connection = stream->state;
    const X509 *certificate = SSL_get_certificate(connection->ssl);
    *ret = (struct tls_served){.signature_algorithm = NULL};
    if (certificate == NULL)
        return;
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    if (key != NULL)
        name_key(ret->key_algorithm, key);
    int algorithm = X509_get_signature_nid(certificate);
    if (algorithm != NID_undef)
        ret->signature_algorithm = OBJ_nid2sn(algorithm);
}
