#include "tls/client.h"

#include "base/clock.h"
#include "base/text.h"
#include "tls/authorities.h"
#include "tls/client_private.h"
#include "tls/connection.h"
#include "tls/credential.h"
#include "tls/report.h"

#include <ev.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_PER_DAY    INT64_C(86400)
#define EXPIRY_NOTICE_DAYS 30

/* --- the context ------------------------------------------------------------------------------ */

/* Called by the library in the worker that reads: a session came, in or behind the handshake. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_connection *connection = SSL_get_app_data(ssl);
    if (connection->sessions == NULL)
        return 0;
    tls_sessions_put(connection->sessions, connection->session_key, session);
    return 1; /* the reference is ours now */
}

static void set_habits(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN |
                                  SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
    SSL_CTX_set_read_ahead(context, 1);
    tls_connection_watch_server(context);
}

/* --- whom to trust ---------------------------------------------------------------------------- */

static bool set_trust(struct tls_client *client, const struct model_pool_tls *model,
                      struct digests *digests, struct problems *problems)
{
    struct error error;
    client->verify = model->verify;
    SSL_CTX_set_verify(client->context, model->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    if (!model->verify)
        return true;
    if (!tls_authorities_load(client->context, model->ca, digests->authorities, &error))
        return tls_report(problems, model->path, model->ca == NULL ? "verify" : "ca", "%s",
                          error.text);
    /* Who names a file trusts what is in it, be it an intermediate or the server's own. */
    if (model->ca != NULL)
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(client->context), X509_V_FLAG_PARTIAL_CHAIN);
    return true;
}

/* --- our own certificate ---------------------------------------------------------------------- */

static void warn_of(const struct tls_credential *credential, const struct model_pool_tls *model,
                    struct problems *problems)
{
    char date[TLS_DATE_MAX];
    int64_t days = (credential->not_after - (int64_t)(clock_wall_ms() / 1000)) / SECONDS_PER_DAY;
    tls_date_format(credential->not_after, date);
    if (days < EXPIRY_NOTICE_DAYS)
        tls_report_warning(problems, model->path, "cert", "the certificate expires on %s", date);
    if (credential->key_exposed)
        tls_report_warning(problems, model->path, "key",
                           "group or others may read the key %s (chmod 600)", model->key);
}

static bool use_credential(struct tls_client *client, const struct tls_credential *credential,
                           struct error *error)
{
    ERR_clear_error();
    if (SSL_CTX_use_cert_and_key(client->context, credential->leaf, credential->key,
                                 credential->chain, 1) == 1)
        return true;
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    error_tls(error, "OpenSSL does not take this certificate: %s",
              reason != NULL ? reason : "no reason given");
    ERR_clear_error();
    return false;
}

static enum tls_file_status read_both(struct tls_file *certificate, struct tls_file *key,
                                      const struct model_pool_tls *model, enum tls_part *ret_part,
                                      struct error *error)
{
    *ret_part = TLS_PART_CERTIFICATE;
    enum tls_file_status status = tls_file_read(certificate, model->cert, error);
    if (status != TLS_FILE_OK)
        return status;
    *ret_part = TLS_PART_KEY;
    status = tls_file_read(key, model->key, error);
    if (status != TLS_FILE_OK)
        tls_file_release(certificate);
    return status;
}

static bool load_credential(struct tls_client *client, const struct model_pool_tls *model,
                            struct digests *digests, struct problems *problems,
                            enum tls_part *ret_part, struct error *error)
{
    struct tls_file certificate, key;
    struct tls_credential *credential = NULL;
    switch (read_both(&certificate, &key, model, ret_part, error)) {
    case TLS_FILE_OK:
        break;
    case TLS_FILE_UNSTABLE:
        return error_input(error, "the file is being written to just now (try again)");
    default:
        return false;
    }
    tls_credential_digest(digests->credential, &certificate, &key);
    bool good = tls_credential_parse(&credential, &certificate, &key, ret_part, error);
    tls_file_release(&certificate);
    tls_file_release(&key);
    if (good)
        good = use_credential(client, credential, error);
    if (good)
        warn_of(credential, model, problems);
    tls_credential_unref(credential);
    return good;
}

static bool set_credential(struct tls_client *client, const struct model_pool_tls *model,
                           struct digests *digests, struct problems *problems)
{
    enum tls_part part;
    struct error error;
    if (model->cert == NULL || model->key == NULL ||
        load_credential(client, model, digests, problems, &part, &error))
        return true;
    return tls_report(problems, model->path, part == TLS_PART_KEY ? "key" : "cert", "%s",
                      error.text);
}

/* --- ALPN ------------------------------------------------------------------------------------- */

static bool set_alpn(struct tls_client *client, const struct model_pool_tls *model,
                     struct text *list, struct problems *problems)
{
    for (size_t i = 0; i < model->alpn.count; i++) {
        size_t length = strlen(model->alpn.item[i]);
        if (length == 0 || length > 255)
            return tls_report(problems, model->path, "alpn",
                              "a protocol's name has 1 to 255 bytes, this one %zu", length);
        text_add_char(list, (char)(unsigned char)length);
        text_add(list, model->alpn.item[i]);
    }
    /* This one function of OpenSSL gives 0 when it is done. */
    if (list->failed || (list->length > 0 &&
                         SSL_CTX_set_alpn_protos(client->context, (const unsigned char *)list->data,
                                                 (unsigned)list->length) != 0))
        return tls_report(problems, model->path, "alpn", "out of memory");
    return true;
}

/* --- life ------------------------------------------------------------------------------------- */

static bool set_name(struct tls_client *client, const struct model_pool_tls *model)
{
    if (model->sni == NULL)
        return true;
    client->name = strdup(model->sni);
    return client->name != NULL;
}

/* What a session must have been made under to be offered again. */
static void digest_demands(struct tls_client *client, const struct digests *digests,
                           const struct text *alpn)
{
    struct text all = {0};
    text_format(&all, "%d %s\n", client->verify, client->name != NULL ? client->name : "");
    text_add_span(&all, span_of(digests, sizeof *digests));
    text_add_span(&all, span_of(alpn->data, alpn->length));
    client->remembers = !all.failed;
    if (!all.failed)
        SHA256((const unsigned char *)all.data, all.length, client->demands);
    text_release(&all);
}

static struct tls_client *create(void)
{
    struct tls_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    atomic_init(&client->references, 1);
    client->context = SSL_CTX_new(TLS_client_method());
    if (client->context == NULL ||
        SSL_CTX_set_min_proto_version(client->context, TLS1_2_VERSION) != 1) {
        tls_client_unref(client);
        return NULL;
    }
    set_habits(client->context);
    return client;
}

static bool set_up(struct tls_client *client, const struct model_pool_tls *model,
                   struct problems *problems)
{
    struct digests digests = {0};
    struct text alpn = {0};
    bool trust = set_trust(client, model, &digests, problems);
    bool credential = set_credential(client, model, &digests, problems);
    bool protocols = set_alpn(client, model, &alpn, problems);
    digest_demands(client, &digests, &alpn);
    text_release(&alpn);
    return trust && credential && protocols;
}

bool tls_client_compile(struct tls_client **ret, const struct model_pool_tls *model,
                        struct problems *problems)
{
    struct tls_client *client = create();
    if (client == NULL || !set_name(client, model)) {
        problems_error(problems, model->path, "out of memory");
        tls_client_unref(client);
        return false;
    }
    if (!set_up(client, model, problems)) {
        tls_client_unref(client);
        return false;
    }
    *ret = client;
    return true;
}

bool tls_client_create_lax(struct tls_client **ret, struct error *error)
{
    struct tls_client *client = create(); /* OpenSSL's clients verify nothing unless told to */
    if (client == NULL)
        return error_memory(error);
    *ret = client;
    return true;
}

struct tls_client *tls_client_ref(struct tls_client *client)
{
    atomic_fetch_add_explicit(&client->references, 1, memory_order_relaxed);
    return client;
}

void tls_client_unref(struct tls_client *client)
{
    if (client == NULL ||
        atomic_fetch_sub_explicit(&client->references, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(client->context);
    free(client->name);
    free(client);
}

/* --- connecting ------------------------------------------------------------------------------- */

static const char *name_of(const struct tls_client *client, const struct tls_target *target)
{
    return client->name != NULL ? client->name : target->host;
}

static bool demand_address(SSL *ssl, const struct address *address)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (address->any.sa_family == AF_INET)
        return X509_VERIFY_PARAM_set1_ip(param, (const unsigned char *)&address->v4.sin_addr, 4);
    if (address->any.sa_family == AF_INET6)
        return X509_VERIFY_PARAM_set1_ip(param, (const unsigned char *)&address->v6.sin6_addr, 16);
    return false; /* the configuration was checked: never reached */
}

/* RFC 9525: alternative names only, and a wildcard stands for a whole label. */
static bool demand_name(SSL *ssl, const char *name)
{
    SSL_set_hostflags(ssl,
                      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1;
}

static bool name_server(struct tls_connection *connection, const struct tls_client *client,
                        const struct tls_target *target)
{
    const char *name = name_of(client, target);
    char text[ADDRESS_TEXT_MAX];
    address_format_ip(target->address, text);
    connection->expected_sni = strdup(name != NULL ? name : text);
    if (connection->expected_sni == NULL)
        return false;
    if (name != NULL && SSL_set_tlsext_host_name(connection->ssl, name) != 1)
        return false;
    if (!client->verify)
        return true;
    return name != NULL ? demand_name(connection->ssl, name)
                        : demand_address(connection->ssl, target->address);
}

static void offer_session(struct tls_connection *connection, const struct tls_client *client,
                          const struct tls_target *target)
{
    if (target->sessions == NULL || !client->remembers)
        return;
    char address[ADDRESS_TEXT_MAX];
    unsigned char all[SHA256_DIGEST_LENGTH * 3];
    address_format(target->address, address);
    memcpy(all, client->demands, SHA256_DIGEST_LENGTH);
    SHA256((const unsigned char *)connection->expected_sni, strlen(connection->expected_sni),
           all + SHA256_DIGEST_LENGTH);
    SHA256((const unsigned char *)address, strlen(address), all + 2 * SHA256_DIGEST_LENGTH);
    SHA256(all, sizeof all, connection->session_key);
    connection->sessions = target->sessions;
    SSL_SESSION *session = tls_sessions_take(target->sessions, connection->session_key);
    if (session == NULL)
        return;
    (void)SSL_set_session(connection->ssl, session); /* refused: a full handshake */
    SSL_SESSION_free(session);
}

static bool begin(struct tls_connection *connection, struct tls_client *client,
                  const struct tls_target *target)
{
    connection->ssl = SSL_new(client->context);
    if (connection->ssl == NULL || SSL_set_app_data(connection->ssl, connection) != 1)
        return false;
    BIO *bio = tls_wire_bio(&connection->wire);
    if (bio == NULL)
        return false;
    SSL_set_bio(connection->ssl, bio, bio);
    SSL_set_connect_state(connection->ssl);
    if (!name_server(connection, client, target) ||
        !buffer_append(&connection->wire.held, target->preface))
        return false;
    offer_session(connection, client, target);
    return true;
}

bool tls_connect(struct stream *ret, struct tls_client *client, int fd,
                 const struct tls_target *target, struct error *error)
{
    struct tls_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return error_memory(error);
    connection->wire.fd = fd;
    connection->wire.collecting = true;
    connection->client = tls_client_ref(client);
    ERR_clear_error();
    if (!begin(connection, client, target)) {
        tls_connection_free(connection);
        ERR_clear_error();
        return error_tls(error, "cannot begin a TLS handshake with the server");
    }
    *ret = (struct stream){.ops = &tls_stream_ops,
                           .state = connection,
                           .fd = fd,
                           .read_waits = EV_READ,
                           .write_waits = EV_WRITE};
    return true;
}
