/* What a client's files say, made ready for handshakes. */
#include "base/clock.h"
#include "base/text.h"
#include "tls/client_private.h"
#include "tls/connection.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <string.h>

/* --- reading ---------------------------------------------------------------------------------- */

enum tls_file_status tls_means_load_credential(const struct tls_client *client,
                                               struct tls_credential **ret,
                                               unsigned char digest[32], enum tls_part *ret_part,
                                               struct error *error)
{
    struct tls_file certificate, key = {0};
    memset(digest, 0, 32);
    *ret_part = TLS_PART_CERTIFICATE;
    enum tls_file_status status = tls_file_read(&certificate, client->cert, error);
    if (status != TLS_FILE_OK)
        return status;
    *ret_part = TLS_PART_KEY;
    status = tls_file_read(&key, client->key, error);
    if (status == TLS_FILE_OK) {
        tls_credential_digest(digest, &certificate, &key);
        if (!tls_credential_parse(ret, NULL, &certificate, &key, ret_part, error))
            status = TLS_FILE_FAILED;
    }
    tls_file_release(&certificate);
    tls_file_release(&key);
    return status;
}

/* --- the context ------------------------------------------------------------------------------ */

/* Called by the library in the worker that reads: a session came, in or behind the handshake. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_visit *visit = tls_connection_of(ssl)->visit;
    visit->on_approval = false;
    if (visit->sessions == NULL)
        return 0;
    tls_sessions_put(visit->sessions, visit->session_key, session,
                     SSL_session_reused(ssl) ? visit->verified_us : clock_monotonic_us());
    return 1; /* the reference is ours now */
}

/* The server asks who we are: what the context has is the answer. */
static int on_request(SSL *ssl, void *unused)
{
    (void)unused;
    tls_connection_of(ssl)->visit->on_approval = SSL_version(ssl) >= TLS1_3_VERSION;
    return 1;
}

static void set_habits(SSL_CTX *context)
{
    SSL_CTX_set_cert_cb(context, on_request, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    tls_connection_prepare(context);
}

static void set_trust(SSL_CTX *context, const struct tls_client *client, X509_STORE *authorities)
{
    SSL_CTX_set_verify(context, client->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (authorities != NULL)
        SSL_CTX_set1_cert_store(context, authorities);
    /* Who names a file trusts what is in it, be it an intermediate or the server's own. */
    if (client->named)
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
}

static bool use_credential(SSL_CTX *context, const struct tls_credential *credential,
                           struct error *error)
{
    if (credential == NULL || SSL_CTX_use_cert_and_key(context, credential->leaf, credential->key,
                                                       credential->chain, 1) == 1)
        return true;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return error_tls(error, "OpenSSL does not take this certificate: %s",
                     reason != NULL ? reason : "no reason given");
}

/* That one function of OpenSSL gives 0 when it is done. */
static bool set_alpn(SSL_CTX *context, const struct tls_client *client)
{
    return client->alpn_length == 0 ||
           SSL_CTX_set_alpn_protos(context, client->alpn, (unsigned)client->alpn_length) == 0;
}

static bool digest_demands(struct tls_means *means, const struct tls_client *client)
{
    static const unsigned char none[32];
    struct text all = {0};
    text_format(&all, "%d %d %s\n", client->verify, client->named,
                client->name != NULL ? client->name : "");
    text_add_span(&all, span_of(means->authorities_digest, 32));
    text_add_span(&all, span_of(means->credential != NULL ? means->credential->digest : none, 32));
    text_add_span(&all, span_of(client->alpn, client->alpn_length));
    bool good = !all.failed;
    if (good)
        SHA256((const unsigned char *)all.data, all.length, means->demands);
    text_release(&all);
    return good;
}

static bool fill(struct tls_means *means, const struct tls_client *client, struct error *error)
{
    means->context = SSL_CTX_new(TLS_client_method());
    if (means->context == NULL ||
        SSL_CTX_set_min_proto_version(means->context, TLS1_2_VERSION) != 1)
        return error_memory(error);
    set_habits(means->context);
    set_trust(means->context, client, means->authorities);
    if (!use_credential(means->context, means->credential, error))
        return false;
    return (set_alpn(means->context, client) && digest_demands(means, client)) ||
           error_memory(error);
}

bool tls_means_make(struct tls_means *ret, const struct tls_client *client, X509_STORE *authorities,
                    const unsigned char authorities_digest[32], struct tls_credential *credential,
                    struct error *error)
{
    struct tls_means means = {.authorities = authorities};
    memcpy(means.authorities_digest, authorities_digest, 32);
    if (authorities != NULL)
        X509_STORE_up_ref(authorities);
    if (credential != NULL)
        means.credential = tls_credential_ref(credential);
    ERR_clear_error();
    bool good = fill(&means, client, error);
    ERR_clear_error();
    if (good)
        *ret = means;
    else
        tls_means_release(&means);
    return good;
}

void tls_means_release(struct tls_means *means)
{
    SSL_CTX_free(means->context);
    X509_STORE_free(means->authorities);
    tls_credential_unref(means->credential);
    *means = (struct tls_means){0};
}
