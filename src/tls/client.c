#include "tls/client.h"

#include "base/clock.h"
#include "base/text.h"
#include "tls/authorities.h"
#include "tls/client_private.h"
#include "tls/connection.h"
#include "tls/fault.h"
#include "tls/report.h"

#include <ev.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_PER_DAY    INT64_C(86400)
#define EXPIRY_NOTICE_DAYS 30

static bool out_of_memory(struct problems *problems, const struct model_pool_tls *model)
{
    problems_error(problems, model->path, "out of memory");
    return false;
}

/* --- what does not change --------------------------------------------------------------------- */

static bool copy(char **ret, const char *text)
{
    *ret = text == NULL ? NULL : strdup(text);
    return *ret != NULL || text == NULL;
}

static bool set_alpn(struct tls_client *client, const struct model_pool_tls *model,
                     struct problems *problems)
{
    struct text list = {0};
    bool good = true;
    for (size_t i = 0; good && i < model->alpn.count; i++) {
        size_t length = strlen(model->alpn.item[i]);
        good = (length > 0 && length <= 255) ||
               tls_report(problems, model->path, "alpn",
                          "a protocol's name has 1 to 255 bytes, this one %zu", length);
        text_add_char(&list, (char)(unsigned char)length);
        text_add(&list, model->alpn.item[i]);
    }
    if (good && list.length > 0) {
        client->alpn = malloc(list.length);
        good = (client->alpn != NULL && !list.failed) || out_of_memory(problems, model);
        if (good)
            memcpy(client->alpn, list.data, list.length);
        client->alpn_length = list.length;
    }
    text_release(&list);
    return good;
}

static void list_files(struct tls_client *client)
{
    const char *const all[] = {client->ca, client->cert, client->key};
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (all[i] != NULL)
            client->files[count++] = all[i];
}

static bool copy_model(struct tls_client *client, const struct model_pool_tls *model,
                       struct problems *problems)
{
    const char *ca = model->ca;
    client->verify = model->verify;
    client->named = model->verify && model->ca != NULL;
    if (model->verify && ca == NULL)
        ca = tls_authorities_find();
    bool known = ca != NULL || !model->verify ||
                 tls_report(problems, model->path, "verify",
                            "this system has no certificates of authorities (install "
                            "ca-certificates, name a \"ca\", or set \"verify\": false)");
    if (!copy(&client->name, model->sni) || !copy(&client->ca, model->verify ? ca : NULL) ||
        !copy(&client->cert, model->cert) || !copy(&client->key, model->key))
        return out_of_memory(problems, model);
    list_files(client);
    return set_alpn(client, model, problems) && known;
}

/* --- the files at start ----------------------------------------------------------------------- */

static bool report(struct problems *problems, const struct model_pool_tls *model, const char *key,
                   enum tls_file_status status, const struct error *error)
{
    return tls_report(problems, model->path, key, "%s",
                      status == TLS_FILE_UNSTABLE
                          ? "the file is being written to just now (try again)"
                          : error->text);
}

static bool load_authorities(const struct tls_client *client, X509_STORE **ret,
                             unsigned char digest[32], const struct model_pool_tls *model,
                             struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    memset(digest, 0, 32);
    if (client->ca == NULL)
        return true;
    enum tls_file_status status = tls_authorities_load(ret, client->ca, NULL, digest, &error);
    return status == TLS_FILE_OK ||
           report(problems, model, client->named ? "ca" : "verify", status, &error);
}

static void warn_of(const struct tls_credential *credential, const struct model_pool_tls *model,
                    struct problems *problems)
{
    char date[TLS_DATE_MAX];
    int64_t days = (credential->not_after - (int64_t)problems_now(problems)) / SECONDS_PER_DAY;
    tls_date_format(credential->not_after, date);
    if (days < EXPIRY_NOTICE_DAYS)
        tls_report_warning(problems, model->path, "cert", "the certificate expires on %s", date);
    if (credential->key_exposed)
        tls_report_warning(problems, model->path, "key",
                           "group or others may read the key %s (chmod 600)", model->key);
}

static const char *key_of(enum tls_part part)
{
    return part == TLS_PART_KEY ? "key" : "cert";
}

/* Of a draft, or what the other half kept from looking at. */
static bool check_half(const char *file, enum tls_part part, const struct model_pool_tls *model,
                       struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    enum tls_file_status status = file == NULL ? TLS_FILE_OK
                                               : tls_credential_check_half(file, part, &error);
    return status == TLS_FILE_OK || report(problems, model, key_of(part), status, &error);
}

static bool load_credential(const struct tls_client *client, struct tls_credential **ret,
                            const struct model_pool_tls *model, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    unsigned char digest[32];
    enum tls_part part;
    if (client->cert == NULL || client->key == NULL)
        return check_half(client->cert, TLS_PART_CERTIFICATE, model, problems) &&
               check_half(client->key, TLS_PART_KEY, model, problems);
    enum tls_file_status status = tls_means_load_credential(client, ret, digest, &part, &error);
    if (status != TLS_FILE_OK && part == TLS_PART_CERTIFICATE)
        (void)check_half(client->key, TLS_PART_KEY, model, problems);
    if (status != TLS_FILE_OK)
        return report(problems, model, key_of(part), status, &error);
    warn_of(*ret, model, problems);
    return true;
}

static bool load(struct tls_client *client, const struct model_pool_tls *model,
                 struct problems *problems)
{
    X509_STORE *authorities = NULL;
    struct tls_credential *credential = NULL;
    unsigned char digest[32];
    struct error error;
    bool good = load_authorities(client, &authorities, digest, model, problems);
    good = load_credential(client, &credential, model, problems) && good;
    good = good &&
           (tls_means_make(&client->means, client, authorities, digest, credential, &error) ||
            tls_report(problems, model->path, "cert", "%s", error.text));
    X509_STORE_free(authorities);
    tls_credential_unref(credential);
    return good;
}

/* --- life ------------------------------------------------------------------------------------- */

static struct tls_client *create(void)
{
    struct tls_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    atomic_init(&client->references, 1);
    pthread_mutex_init(&client->mutex, NULL);
    return client;
}

bool tls_client_compile(struct tls_client **ret, const struct model_pool_tls *model,
                        struct problems *problems)
{
    struct tls_client *client = create();
    if (client == NULL)
        return out_of_memory(problems, model);
    bool copied = copy_model(client, model, problems);
    if (!load(client, model, problems) || !copied) {
        tls_client_unref(client);
        return false;
    }
    *ret = client;
    return true;
}

bool tls_client_create_lax(struct tls_client **ret, struct error *error)
{
    static const unsigned char none[32];
    struct tls_client *client = create();
    if (client == NULL)
        return error_memory(error);
    if (!tls_means_make(&client->means, client, NULL, none, NULL, error)) {
        tls_client_unref(client);
        return false;
    }
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
    tls_means_release(&client->means);
    pthread_mutex_destroy(&client->mutex);
    free(client->name);
    free(client->ca);
    free(client->cert);
    free(client->key);
    free(client->alpn);
    free(client);
}

const char *const *tls_client_files(const struct tls_client *client)
{
    return client->files;
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

static void make_session_key(struct tls_connection *connection, const unsigned char demands[32],
                             const struct tls_target *target)
{
    char address[ADDRESS_TEXT_MAX];
    unsigned char all[SHA256_DIGEST_LENGTH * 3];
    address_format(target->address, address);
    memcpy(all, demands, SHA256_DIGEST_LENGTH);
    SHA256((const unsigned char *)connection->expected_sni, strlen(connection->expected_sni),
           all + SHA256_DIGEST_LENGTH);
    SHA256((const unsigned char *)address, strlen(address), all + 2 * SHA256_DIGEST_LENGTH);
    SHA256(all, sizeof all, connection->visit->session_key);
}

static void offer_session(struct tls_connection *connection, const unsigned char demands[32],
                          const struct tls_target *target)
{
    if (target->sessions == NULL)
        return;
    make_session_key(connection, demands, target);
    struct tls_visit *visit = connection->visit;
    visit->sessions = target->sessions;
    SSL_SESSION *session = tls_sessions_take(target->sessions, visit->session_key,
                                             clock_monotonic_us(), &visit->verified_us);
    if (session == NULL)
        return;
    (void)SSL_set_session(connection->ssl, session); /* refused: a full handshake */
    SSL_SESSION_free(session);
}

/* The means of this moment: the context with a reference, and what sessions of it are bound to. */
static SSL_CTX *take_means(struct tls_client *client, unsigned char demands[32])
{
    pthread_mutex_lock(&client->mutex);
    SSL_CTX *context = client->means.context;
    SSL_CTX_up_ref(context);
    memcpy(demands, client->means.demands, 32);
    pthread_mutex_unlock(&client->mutex);
    return context;
}

static bool begin(struct tls_connection *connection, struct tls_client *client,
                  const struct tls_target *target)
{
    unsigned char demands[32];
    connection->visit = calloc(1, sizeof *connection->visit);
    if (connection->visit == NULL)
        return false;
    connection->visit->client = tls_client_ref(client);
    SSL_CTX *context = take_means(client, demands);
    bool opened = tls_connection_open(connection, context);
    SSL_CTX_free(context);
    if (!opened)
        return false;
    SSL_set_connect_state(connection->ssl);
    if (!name_server(connection, client, target) ||
        !buffer_append(&connection->wire.held, target->preface))
        return false;
    offer_session(connection, demands, target);
    return true;
}

bool tls_is_on_approval(const struct stream *stream)
{
    const struct tls_connection *connection = stream->state;
    return connection->visit->on_approval;
}

bool tls_was_turned_away(const struct stream *stream)
{
    const struct tls_connection *connection = stream->state;
    return connection->visit->on_approval && connection->outcome == STREAM_BROKEN &&
           tls_alert_is_about_us(connection->alert);
}

bool tls_connect(struct stream *ret, struct tls_client *client, int fd,
                 const struct tls_target *target, struct error *error)
{
    struct tls_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return error_memory(error);
    connection->wire.fd = fd;
    connection->wire.collecting = true;
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
