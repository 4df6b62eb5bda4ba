#include "tls/connection.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/name.h"
#include "tls/fault.h"
#include "tls/peer.h"
#include "tls/policy.h"

#include <errno.h>
#include <ev.h>
#include <openssl/err.h>
#include <openssl/ssl3.h>
#include <stdlib.h>
#include <string.h>

static const char *shown(const char *name)
{
    return name != NULL ? name : "(none)";
}

/* Runs in every handshake, and twice where there is a HelloRetryRequest: what OpenSSL reads must be
 * what the rule was picked by. A name that is none in form counts as no name, as it does there. */
static int check_name(SSL *ssl, int *alert, void *context)
{
    (void)context;
    struct tls_connection *connection = tls_connection_of(ssl);
    const char *raw = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const char *expected = connection->expected_sni, *seen = NULL;
    char normal[NAME_MAX_LENGTH + 1];
    if (raw != NULL && name_normalise(normal, span_text(raw)))
        seen = normal;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    if ((seen == NULL) != (expected == NULL) || (seen != NULL && strcmp(seen, expected) != 0)) {
        tls_fault_set(
            connection,
            "the name in the handshake, %s, differs from %s, by which the rule was picked",
            shown(seen), shown(expected));
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    if (connection->unknown_name) {
        tls_fault_set(connection, "no certificate for the name %s (strict_sni)", shown(expected));
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    /* Always "taken": with TLS 1.2 only then the session keeps its name for a resumption. */
    return raw != NULL ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* What a client may ask for again and again at no cost of its own. */
static void count_chore(struct tls_connection *connection)
{
    uint64_t now = clock_monotonic_us();
    if (connection->chores == 0 || now - connection->chores_since_us > TLS_STORM_WINDOW_US) {
        connection->chores = 0;
        connection->chores_since_us = now;
    }
    if (++connection->chores <= TLS_STORM_LIMIT)
        return;
    tls_fault_set(connection, "more than %u KeyUpdates or renegotiations in 10 s", TLS_STORM_LIMIT);
    connection->wire.stopped = true;
}

/* The library's alert was dropped: the kernel's has to go in its place. Where the socket does not
 * take it, the peer learns by the end of the connection. */
static void pass_alert(struct tls_connection *connection, const unsigned char *alert)
{
    struct tls_wire *wire = &connection->wire;
    if (tls_wire_is_engaged(wire))
        (void)tls_kernel_alert(wire->kernel, wire->fd, alert[0], alert[1]);
}

static void note_alert(struct tls_connection *connection, bool ours, const unsigned char *alert)
{
    if (ours) {
        pass_alert(connection, alert);
        if (connection->established && alert[1] == SSL_AD_NO_RENEGOTIATION)
            count_chore(connection);
    } else if (alert[1] == SSL_AD_CLOSE_NOTIFY) {
        connection->close_notify = true;
    } else if (alert[0] == SSL3_AL_FATAL || alert[1] == SSL_AD_USER_CANCELLED) {
        connection->alert = alert[1];
    }
}

/* Called by the library with every message; OpenSSL 3.0 has no other place to learn of a real
 * close_notify or of a KeyUpdate. */
static void on_message(int ours, int version, int type, const void *bytes, size_t length, SSL *ssl,
                       void *context)
{
    (void)context;
    struct tls_connection *connection = tls_connection_of(ssl);
    if (type == SSL3_RT_HEADER && ours) {
        if (connection->wire.kernel != NULL && !tls_wire_is_engaged(&connection->wire))
            tls_kernel_count(connection->wire.kernel); /* once engaged, it makes the records */
    } else if (type == SSL3_RT_ALERT && length == 2)
        note_alert(connection, ours != 0, bytes);
    else if (type == SSL3_RT_HANDSHAKE && !ours && connection->established)
        count_chore(connection);
    else if (type == SSL3_RT_HANDSHAKE && ours && version == TLS1_3_VERSION && length > 0 &&
             *(const unsigned char *)bytes == SSL3_MT_NEWSESSION_TICKET)
        connection->wire.later = true; /* the handshake is over: see end_collecting() */
    else if (type == SSL3_RT_HANDSHAKE && ours && length > 0 &&
             *(const unsigned char *)bytes == SSL3_MT_KEY_UPDATE)
        tls_wire_forget_keys(&connection->wire);
}

void tls_connection_prepare(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION |
                                     (tls_kernel_is_there() ? SSL_OP_ENABLE_KTLS : UINT64_C(0)));
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN |
                                  SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_msg_callback(context, on_message);
}

void tls_connection_check_names(SSL_CTX *context)
{
    SSL_CTX_set_tlsext_servername_callback(context, check_name);
}

bool tls_connection_read_client(struct tls_connection *connection, X509 *certificate)
{
    struct client_cert *client = calloc(1, sizeof *client);
    struct error error;
    if (client != NULL ? tls_peer_read(client, certificate, &error) : error_memory(&error)) {
        connection->client_cert = client;
        return true;
    }
    free(client);
    tls_fault_set(connection, "the client's certificate is refused: %s", error.text);
    return false;
}

/* Tickets are bound to what the store says of the name, to whose certificates are taken from
 * clients and which of them were revoked, and to the name itself: a TLS 1.2 session must not be
 * resumed under another one (RFC 6066 §3). */
static bool bind_tickets(SSL *ssl, const struct tls_entry *entry, const struct tls_trust *trust,
                         const char *name)
{
    unsigned char id[TLS_IDENTITY_BYTES + sizeof(uint64_t)];
    uint64_t of_name = hash_bytes(span_text(name));
    for (size_t i = 0; i < TLS_IDENTITY_BYTES; i++)
        id[i] = entry->identity[i] ^ (trust != NULL ? trust->digest[i] : 0);
    memcpy(id + TLS_IDENTITY_BYTES, &of_name, sizeof of_name);
    return SSL_set_session_id_context(ssl, id, sizeof id) == 1;
}

static bool use_certificates(struct tls_connection *connection, const struct tls_policy *policy,
                             const struct tls_store *store, const char *name)
{
    const struct tls_entry *entry = name != NULL ? tls_store_find(store, name) : NULL;
    if (entry == NULL) {
        connection->unknown_name = policy->strict_sni;
        entry = tls_store_default(store);
    }
    for (size_t type = 0; type < TLS_KEY_TYPE_COUNT; type++)
        if (entry->by_type[type] != NULL &&
            !tls_credential_use(entry->by_type[type], connection->ssl))
            return false;
    return bind_tickets(connection->ssl, entry, connection->trust, name);
}

/* Clients choose by the names which of their certificates to show. */
static bool use_trust(struct tls_connection *connection, struct tls_trust *trust)
{
    if (trust == NULL)
        return true;
    connection->trust = tls_trust_ref(trust);
    STACK_OF(X509_NAME) *names = SSL_dup_CA_list(trust->names);
    if (names == NULL)
        return false;
    SSL_set0_CA_list(connection->ssl, names);
    return true;
}

/* In a handshake the library puts a buffer of its own in front of the BIO that it writes to. */
struct tls_connection *tls_connection_of(const SSL *ssl)
{
    return CONTAINER_OF(BIO_get_data(SSL_get_rbio(ssl)), struct tls_connection, wire);
}

bool tls_connection_open(struct tls_connection *connection, SSL_CTX *context)
{
    connection->ssl = SSL_new(context);
    BIO *bio = connection->ssl == NULL ? NULL : tls_wire_bio(&connection->wire);
    if (bio == NULL)
        return false;
    SSL_set_bio(connection->ssl, bio, bio);
    return true;
}

void tls_connection_free(struct tls_connection *connection)
{
    /* Without this the library would take the context's lock to strike the session from a cache
     * that we do not have. */
    if (connection->ssl != NULL)
        SSL_set_shutdown(connection->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(connection->ssl); /* and the BIO */
    if (connection->visit != NULL)
        tls_client_unref(connection->visit->client);
    free(connection->visit);
    tls_wire_release(&connection->wire);
    if (connection->client_cert != NULL)
        client_cert_release(connection->client_cert);
    free(connection->client_cert);
    tls_trust_unref(connection->trust);
    tls_staples_unref(connection->staples);
    free(connection->expected_sni);
    free(connection->fault);
    free(connection);
}

static bool set_up(struct tls_connection *connection, struct tls_policy *policy, unsigned worker,
                   const char *expected_sni)
{
    if (!tls_connection_open(connection, policy->context))
        return false;
    SSL_set_accept_state(connection->ssl);
    if (expected_sni != NULL) {
        connection->expected_sni = strdup(expected_sni);
        if (connection->expected_sni == NULL)
            return false;
    }
    if (policy->slots[worker].staples != NULL)
        connection->staples = tls_staples_ref(policy->slots[worker].staples);
    return use_trust(connection, policy->slots[worker].trust) &&
           use_certificates(connection, policy, policy->slots[worker].store, expected_sni);
}

bool tls_accept(struct stream *ret, struct tls_policy *policy, unsigned worker, int fd,
                const char *expected_sni, struct error *error)
{
    struct tls_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return error_memory(error);
    connection->wire.fd = fd;
    connection->wire.collecting = true;
    ERR_clear_error();
    if (!set_up(connection, policy, worker, expected_sni)) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        error_tls(error, "cannot begin a TLS handshake: %s",
                  reason != NULL ? reason : "out of memory");
        ERR_clear_error();
        tls_connection_free(connection);
        return false;
    }
    *ret = (struct stream){.ops = &tls_stream_ops,
                           .state = connection,
                           .fd = fd,
                           .read_waits = EV_READ,
                           .write_waits = EV_WRITE};
    return true;
}

static enum tls_progress handshake_failed(struct stream *stream, int result)
{
    struct tls_connection *connection = stream->state;
    switch (tls_judge(connection, result, &stream->read_waits)) {
    case STREAM_AGAIN:
        return TLS_AGAIN;
    case STREAM_EOF:
        return TLS_CLIENT_CLOSED;
    case STREAM_RESET:
        return TLS_CLIENT_RESET;
    default:
        return TLS_FAILED;
    }
}

/* A resumption verifies nothing, but its ticket holds the certificate. */
static bool recall_client(struct tls_connection *connection)
{
    X509 *certificate = SSL_get0_peer_certificate(connection->ssl);
    if (certificate == NULL || connection->client_cert != NULL ||
        tls_connection_read_client(connection, certificate))
        return true;
    connection->outcome = STREAM_BROKEN;
    return false;
}

/* Tickets go with the first answer where the client has certainly asked for one already; else at
 * once. */
static void end_collecting(const struct stream *stream)
{
    struct tls_connection *connection = stream->state;
    struct tls_wire *wire = &connection->wire;
    wire->collecting = false;
    if (!wire->later || SSL_has_pending(connection->ssl) != 1)
        tls_wire_flush(wire);
    wire->later = false;
}

void tls_flush(const struct stream *stream)
{
    struct tls_connection *connection = stream->state;
    if (buffer_length(&connection->wire.held) > 0)
        tls_wire_flush(&connection->wire);
}

bool tls_fetch(const struct stream *stream)
{
    struct tls_connection *connection = stream->state;
    return tls_wire_fetch(&connection->wire);
}

/* The library keeps both ends' keys of the exchange for as long as the connection lasts, ours with
 * its private half. To give a key a type takes away what it held; the library notes the group
 * elsewhere, and looks at the keys no more. */
static void wipe_exchange(SSL *ssl)
{
    EVP_PKEY *keys[2] = {NULL, NULL};
    (void)SSL_get_tmp_key(ssl, &keys[0]);
    (void)SSL_get_peer_tmp_key(ssl, &keys[1]);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (keys[i] != NULL)
            (void)EVP_PKEY_set_type(keys[i], EVP_PKEY_X25519);
        EVP_PKEY_free(keys[i]);
    }
}

/* There is no second handshake: what only a handshake needs is not held. */
static void drop_means(const struct tls_connection *connection)
{
    SSL *ssl = connection->ssl;
    wipe_exchange(ssl);
    if (connection->trust != NULL)
        SSL_set0_CA_list(ssl, NULL);
    if (connection->visit != NULL)
        return;
    (void)SSL_clear_chain_certs(ssl);
    (void)SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), NULL, 0); /* its ticket is made */
}

enum tls_progress tls_handshake(struct stream *stream)
{
    struct tls_connection *connection = stream->state;
    tls_wire_ready(&connection->wire);
    tls_forget_errors();
    int result = SSL_do_handshake(connection->ssl);
    if (result != 1)
        return handshake_failed(stream, result);
    if (connection->visit == NULL && !recall_client(connection))
        return TLS_FAILED;
    drop_means(connection);
    tls_trust_unref(connection->trust);
    connection->trust = NULL;
    tls_staples_unref(connection->staples);
    connection->staples = NULL;
    connection->established = true;
    end_collecting(stream);
    free(connection->expected_sni);
    connection->expected_sni = NULL;
    stream->read_waits = EV_READ;
    stream->write_waits = EV_WRITE;
    return TLS_DONE;
}
