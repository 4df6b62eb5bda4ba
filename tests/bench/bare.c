#include "bare.h"

#include "bare_splice.h"
#include "net.h"
#include "util.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define SCRATCH_BYTES  65536u
#define TLS_FIRST_BYTE 0x16

/* One side; `way` leads to it, `ended` says that it has sent its last byte. */
struct bare_side {
    struct leg leg;
    struct bare_splice *way; /* owned; NULL: bytes are copied */
    bool ended, finished;    /* finished: it was told that no more will come */
};

struct bare_session {
    struct bare_side client, server;
    struct bare *bare; /* borrowed */
    struct bare_session *next_dead;
    bool over;
};

static void side_free(struct bare_side *side)
{
    buffer_release(&side->leg.kept);
    if (side->way != NULL)
        bare_splice_close(side->way);
    free(side->way);
}

void bare_bury(void *context)
{
    struct bare *bare = context;

    while (bare->dead != NULL) {
        struct bare_session *s = bare->dead;
        bare->dead = s->next_dead;
        side_free(&s->client);
        side_free(&s->server);
        free(s);
    }
}

static void session_end(struct bare_session *s, void (*close_wire)(struct wire *))
{
    close_wire(&s->client.leg.wire);
    if (s->server.leg.wire.fd >= 0)
        close_wire(&s->server.leg.wire);
    s->over = true;
    s->next_dead = s->bare->dead;
    s->bare->dead = s;
}

static bool side_is_full(const struct bare_side *side)
{
    return leg_is_full(&side->leg) || (side->way != NULL && side->way->held > 0);
}

static bool side_flush(struct bare_side *side)
{
    if (side->way != NULL)
        return bare_splice_drain(side->way, side->leg.wire.fd);
    return leg_flush(&side->leg);
}

/* Moves one readable piece; what wire_read() said, or WIRE_BROKEN for the other side. */
static ssize_t move_piece(struct bare_side *from, struct bare_side *to)
{
    static unsigned char scratch[SCRATCH_BYTES];
    ssize_t count;

    if (to->way != NULL) {
        count = bare_splice_fill(to->way, from->leg.wire.fd);
        return count <= 0 || side_flush(to) ? count : WIRE_BROKEN;
    }
    count = wire_read(&from->leg.wire, scratch, sizeof scratch);
    if (count > 0 && !leg_send(&to->leg, scratch, (size_t)count))
        return WIRE_BROKEN;
    return count;
}

static bool move_bytes(struct bare_side *from, struct bare_side *to)
{
    ssize_t count;

    if (from->ended || side_is_full(to))
        return true;
    do {
        count = move_piece(from, to);
    } while (count > 0 && !side_is_full(to) && wire_has_more(&from->leg.wire));
    from->ended = count == WIRE_END;
    return count != WIRE_BROKEN;
}

static void pass_end_on(struct bare_side *from, struct bare_side *to)
{
    if (!from->ended || to->finished || side_is_full(to))
        return;
    to->finished = true;
    if (!to->ended)
        wire_finish(&to->leg.wire);
}

static void side_watch(struct bare_session *s, struct bare_side *side, struct bare_side *other)
{
    uint32_t interest = side->ended || side_is_full(other) ? 0 : EPOLLIN;

    if (side_is_full(side))
        interest |= EPOLLOUT;
    events_change(&s->bare->events, &side->leg.watch, interest);
}

static bool relay_step(struct bare_side *side, struct bare_side *other, uint32_t ready)
{
    bool gone = (ready & (EPOLLHUP | EPOLLERR)) != 0 && side->ended;

    if (gone || ((ready & EPOLLOUT) != 0 && !side_flush(side)))
        return false;
    return (ready & ~(uint32_t)EPOLLOUT) == 0 || move_bytes(side, other);
}

static void relay(struct bare_session *s, struct bare_side *side, struct bare_side *other,
                  uint32_t ready)
{
    if (!relay_step(side, other, ready)) {
        session_end(s, wire_reset);
        return;
    }
    pass_end_on(side, other);
    pass_end_on(other, side);
    if (s->client.finished && s->server.finished) {
        session_end(s, wire_close);
        return;
    }
    side_watch(s, side, other);
    side_watch(s, other, side);
}

static void on_client(struct watch *watch, uint32_t ready)
{
    struct bare_session *s = CONTAINER_OF(watch, struct bare_session, client.leg.watch);

    if (!s->over)
        relay(s, &s->client, &s->server, ready);
}

static void on_server(struct watch *watch, uint32_t ready)
{
    struct bare_session *s = CONTAINER_OF(watch, struct bare_session, server.leg.watch);

    if (!s->over)
        relay(s, &s->server, &s->client, ready);
}

static struct bare_splice *open_way(const struct bare_session *s)
{
    struct bare_splice *way = NULL;

    if (s->bare->splice && s->client.leg.wire.ssl == NULL) {
        way = allocate(1, sizeof *way);
        bare_splice_open(way);
    }
    return way;
}

/* The server's socket takes the first bytes at once where it is connected already, as on loopback;
 * else they are kept until it is. */
static void start_relay(struct bare_session *s, bool bytes_wait)
{
    int fd = net_connect_begin(s->bare->server_port);

    if (fd < 0) {
        session_end(s, wire_reset);
        return;
    }
    s->server.leg.wire.fd = fd;
    s->server.leg.watch = (struct watch){fd, EPOLLIN, on_server};
    s->server.way = open_way(s);
    s->client.way = open_way(s);
    s->client.leg.watch.call = on_client;
    events_add(&s->bare->events, &s->server.leg.watch);
    relay(s, &s->client, &s->server, bytes_wait ? EPOLLIN : 0);
}

static void on_handshake(struct watch *watch, uint32_t ready)
{
    struct bare_session *s = CONTAINER_OF(watch, struct bare_session, client.leg.watch);
    struct wire *wire = &s->client.leg.wire;
    int result = wire_handshake(wire);

    (void)ready;
    if (result == WIRE_BROKEN)
        session_end(s, wire_reset);
    else if (result == 1)
        start_relay(s, wire_has_more(wire));
    else
        events_change(&s->bare->events, watch, wire_wants_write(wire) ? EPOLLOUT : EPOLLIN);
}

static void start_tls(struct bare_session *s)
{
    struct wire *wire = &s->client.leg.wire;

    wire->ssl = s->bare->tls == NULL ? NULL : SSL_new(s->bare->tls);
    if (wire->ssl == NULL || SSL_set_fd(wire->ssl, wire->fd) != 1) {
        session_end(s, wire_reset);
        return;
    }
    SSL_set_accept_state(wire->ssl);
    s->client.leg.watch.call = on_handshake;
    on_handshake(&s->client.leg.watch, EPOLLIN);
}

/* The whole inspection: what the first byte is. It stays in the kernel for whoever reads next. */
static void on_first_byte(struct watch *watch, uint32_t ready)
{
    struct bare_session *s = CONTAINER_OF(watch, struct bare_session, client.leg.watch);
    unsigned char first;
    ssize_t count = recv(watch->fd, &first, 1, MSG_PEEK);

    if (count < 0 && (ready & EPOLLERR) == 0)
        return;
    if (count <= 0)
        session_end(s, wire_reset);
    else if (first == TLS_FIRST_BYTE)
        start_tls(s);
    else
        start_relay(s, true);
}

void bare_session_start(struct bare *bare, int fd)
{
    struct bare_session *s = allocate(1, sizeof *s);

    s->bare = bare;
    s->server.leg.wire.fd = -1;
    s->client.leg.wire.fd = fd;
    s->client.leg.watch = (struct watch){fd, EPOLLIN, on_first_byte};
    events_add(&bare->events, &s->client.leg.watch);
    on_first_byte(&s->client.leg.watch, 0);
}
