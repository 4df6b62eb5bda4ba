#include "client.h"

#include "base/span.h"
#include "load.h"
#include "net.h"
#include "payload.h"
#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

static void fail(struct client *c, const char *why)
{
    if (c->wire.fd >= 0)
        wire_reset(&c->wire);
    c->step = CLIENT_IDLE;
    c->failure = why;
    c->on_event(c, CLIENT_FAILED);
}

static void wait_for(struct client *c, bool room)
{
    events_change(&c->load->events, &c->watch, room ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void note_handshake(struct client *c)
{
    struct load *load = c->load;
    SSL *ssl = c->wire.ssl;

    load->handshakes++;
    load->resumed += SSL_session_reused(ssl) == 1 ? 1 : 0;
    if (load->cipher[0] != '\0')
        return;
    snprintf(load->cipher, sizeof load->cipher, "%s", SSL_get_cipher_name(ssl));
    snprintf(load->version, sizeof load->version, "%s", SSL_get_version(ssl));
    const char *group = SSL_group_to_name(ssl, (int)SSL_get_negotiated_group(ssl));
    snprintf(load->group, sizeof load->group, "%s", group == NULL ? "" : group);
}

static void shake_hands(struct client *c)
{
    int result = wire_handshake(&c->wire);

    if (result == WIRE_BROKEN) {
        fail(c, "the TLS handshake failed");
        return;
    }
    wait_for(c, result == WIRE_AGAIN && wire_wants_write(&c->wire));
    if (result == WIRE_AGAIN)
        return;
    if (c->wire.ssl != NULL)
        note_handshake(c);
    c->step = CLIENT_IDLE;
    c->on_event(c, CLIENT_OPENED);
}

static bool answer_matches(const struct client *c, const unsigned char *bytes, size_t length)
{
    if (c->exchange.answer == NULL)
        return payload_matches(bytes, length, c->position);
    return memcmp(bytes, c->exchange.answer + c->position, length) == 0;
}

/* One read's worth of the answer; false when there is nothing more to do now. */
static bool receive(struct client *c)
{
    static unsigned char scratch[CHUNK_MAX];
    ssize_t count = wire_read(&c->wire, scratch, sizeof scratch);

    if (count == WIRE_AGAIN)
        return false;
    if (count <= 0 || (uint64_t)count > c->exchange.answer_length - c->position) {
        fail(c, count > 0 ? "more came back than was asked for" : "closed before the answer");
        return false;
    }
    if (!answer_matches(c, scratch, (size_t)count)) {
        fail(c, "the answer differs from what was sent");
        return false;
    }
    c->position += (uint64_t)count;
    if (c->position < c->exchange.answer_length)
        return true;
    c->step = CLIENT_IDLE;
    c->on_event(c, CLIENT_ANSWERED);
    return false;
}

static struct span next_piece(const struct client *c)
{
    const struct exchange *e = &c->exchange;

    if (c->position < e->head_length)
        return span_of(e->head + c->position, (size_t)(e->head_length - c->position));
    uint64_t offset = c->position - e->head_length;
    uint64_t left = e->body_length - offset;
    return span_of(payload_at(offset), left < CHUNK_MAX ? (size_t)left : CHUNK_MAX);
}

static void send_request(struct client *c)
{
    while (c->position < c->exchange.head_length + c->exchange.body_length) {
        struct span piece = next_piece(c);
        ssize_t count = wire_write(&c->wire, piece.data, piece.length);

        if (count == WIRE_AGAIN) {
            wait_for(c, true);
            return;
        }
        if (count <= 0) {
            fail(c, "closed while sending");
            return;
        }
        c->position += (uint64_t)count;
    }
    wait_for(c, false);
    c->position = 0;
    c->step = CLIENT_RECEIVES;
}

/* Where nothing is asked, only tickets and the end can arrive. */
static void hear_idle(struct client *c)
{
    unsigned char byte;
    ssize_t count = wire_read(&c->wire, &byte, 1);

    if (count != WIRE_AGAIN)
        fail(c, count > 0 ? "bytes that nobody asked for" : "closed while idle");
}

static void on_client(struct watch *watch, uint32_t ready)
{
    struct client *c = CONTAINER_OF(watch, struct client, watch);

    (void)ready;
    switch (c->step) {
    case CLIENT_HANDSHAKES:
        shake_hands(c);
        break;
    case CLIENT_SENDS:
        send_request(c);
        break;
    case CLIENT_RECEIVES:
        while (receive(c))
            ;
        break;
    case CLIENT_IDLE:
        hear_idle(c);
        break;
    }
}

static void ticket_keep(struct client *c, SSL_SESSION *ticket)
{
    SSL_SESSION_free(c->ticket);
    c->ticket = ticket;
}

static bool start_tls(struct client *c)
{
    struct load *load = c->load;
    SSL *ssl = SSL_new(load->tls);

    c->wire.ssl = ssl;
    if (ssl == NULL || SSL_set_fd(ssl, c->wire.fd) != 1)
        return false;
    if (load->name != NULL && SSL_set_tlsext_host_name(ssl, load->name) != 1)
        return false;
    if (c->ticket != NULL && SSL_set_session(ssl, c->ticket) != 1)
        return false;
    ticket_keep(c, NULL);
    SSL_set_app_data(ssl, c);
    SSL_set_connect_state(ssl);
    return true;
}

void client_open(struct client *c)
{
    struct load *load = c->load;
    uint8_t source = (uint8_t)(1 + c->number % load->sources);

    c->started_ns = now_ns();
    c->wire = (struct wire){.fd = net_connect(load->port, source)};
    if (c->wire.fd < 0) {
        fail(c, "connect failed");
        return;
    }
    c->watch = (struct watch){c->wire.fd, EPOLLIN, on_client};
    events_add(&load->events, &c->watch);
    if (load->tls != NULL && !start_tls(c)) {
        fail(c, "no TLS object");
        return;
    }
    c->step = CLIENT_HANDSHAKES;
    shake_hands(c);
}

void client_exchange(struct client *c, struct exchange exchange)
{
    c->exchange = exchange;
    c->position = 0;
    c->step = CLIENT_SENDS;
    send_request(c);
}

void client_echo(struct client *c)
{
    size_t size = c->load->size;

    if (c->message == NULL)
        c->message = allocate(1, size);
    message_fill(c->message, size, c->number, c->turn++);
    client_exchange(c, (struct exchange){.head = c->message,
                                         .head_length = size,
                                         .answer = c->message,
                                         .answer_length = size});
}

void client_close(struct client *c)
{
    c->step = CLIENT_IDLE;
    wire_close(&c->wire);
}

struct client *clients_create(struct load *load, unsigned count,
                              void (*on_event)(struct client *client, enum client_event event))
{
    struct client *clients = allocate(count, sizeof *clients);

    for (unsigned i = 0; i < count; i++) {
        clients[i].load = load;
        clients[i].on_event = on_event;
        clients[i].number = i;
        clients[i].wire.fd = -1;
    }
    return clients;
}

void clients_free(struct client *clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (clients[i].wire.fd >= 0)
            wire_close(&clients[i].wire);
        ticket_keep(&clients[i], NULL);
        free(clients[i].message);
    }
    free(clients);
}

static int on_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct client *c = SSL_get_app_data(ssl);

    if (!c->load->resume)
        return 0;
    ticket_keep(c, ticket);
    return 1; /* the reference is ours now */
}

SSL_CTX *client_tls_create(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

    if (tls == NULL)
        die("no TLS context");
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION);
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, on_ticket);
    return tls;
}
