/* CONNECT: a server of the pool is picked and connected to. 1 + connect_retries tries, each on a
 * server not yet tried, then one more round a second later (without retries: one try). The client's
 * bytes wait in the kernel (or, decrypted, in the relay): none is lost, and none is sent before a
 * connection stands. */
#include "base/clock.h"
#include "proxy_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUND_PAUSE_MS 1000u

struct pool *connect_pool(const struct session *s)
{
    return s->listener->targets[s->rule->index].pool;
}

static unsigned tries_of_a_round(const struct session *s)
{
    return pool_model(connect_pool(s))->connect_retries + 1;
}

bool connect_goes_by_sender(const struct session *s, const struct rule *rule)
{
    const struct pool *pool = s->listener->targets[rule->index].pool;
    return pool != NULL && pool_model(pool)->balance == BALANCE_HASH &&
           pool_model(pool)->hash_on == HASH_ON_FIX_SENDER;
}

/* What a pool may go by; bytes that are no name are none. */
struct pool_key connect_key(const struct session *s)
{
    struct pool_key key = {.source = &s->client_ip};
    if (s->notes != NULL && s->notes->sni_is_name)
        key.sni = span_text(s->notes->sni);
    if (s->notes != NULL)
        key.fix_sender = span_text(s->notes->fix_sender);
    return key;
}

/* --- tries ------------------------------------------------------------------------------------ */

struct tries *connect_tries(const struct session *s)
{
    return s->notes == NULL ? NULL : s->notes->tries;
}

struct tries *connect_make_tries(struct session *s)
{
    struct notes *notes = session_notes(s);
    if (notes == NULL)
        return NULL;
    if (notes->tries == NULL)
        notes->tries =
            calloc(1, sizeof *notes->tries + tries_of_a_round(s) * sizeof(struct server *));
    return notes->tries;
}

static bool remember_try(struct session *s)
{
    struct tries *tries = connect_make_tries(s);
    if (tries == NULL)
        return false;
    if (tries->count < tries_of_a_round(s)) {
        server_ref(s->chosen);
        tries->servers[tries->count++] = s->chosen;
    }
    return true;
}

static void begin_anew(struct tries *tries)
{
    while (tries->count > 0)
        server_unref(tries->servers[--tries->count]);
}

void connect_forget_tries(struct session *s)
{
    struct tries *tries = connect_tries(s);
    if (tries == NULL)
        return;
    begin_anew(tries);
    buffer_release(&tries->kept);
    free(tries);
    s->notes->tries = NULL;
}

static void give_slot_back(struct session *s)
{
    server_release(s->chosen);
    s->chosen = NULL;
}

/* The detail of the last try stands in the notes. */
static void give_up(struct session *s)
{
    session_end(s, END_connect_failed);
}

static void end_round(struct session *s, struct tries *tries)
{
    unsigned rounds = tries_of_a_round(s) > 1 ? 2 : 1; /* who asks for no retries gets none */
    if (++tries->rounds >= rounds) {
        give_up(s);
        return;
    }
    begin_anew(tries);
    session_set_deadline(s, ROUND_PAUSE_MS); /* no server is chosen: expiry begins the round */
}

static void try_next(struct session *s);

static void note_detail(struct session *s, const char *why)
{
    session_note_detail(s, "%.60s: %.90s", server_name(s->chosen), why);
}

/* A fault of ours says nothing about the server; `why` then says more than the number. */
static void note_failure(struct session *s, int number, const char *why)
{
    bool ours = socket_fault_is_ours(number, server_address(s->chosen));
    if (!ours)
        session_tell_trouble(s, server_note_connect_failure(s->chosen, number));
    if (!ours || why == NULL)
        why = strerrordesc_np(number) == NULL ? "failed" : strerrordesc_np(number);
    note_detail(s, why);
}

static void go_on_trying(struct session *s)
{
    struct tries *tries = connect_tries(s);
    if (tries != NULL && tries->count >= tries_of_a_round(s))
        end_round(s, tries);
    else
        try_next(s);
}

/* A plain connection leaves nothing behind, should it have met itself; on one with TLS an alert may
 * be under way, which a reset would overtake. */
static bool end_try(struct session *s)
{
    list_remove(&s->queue); /* a handshake may have waited for its turn */
    ev_io_stop(s->engine->loop, &s->server_io);
    ev_io_set(&s->server_io, -1, EV_WRITE); /* the next socket may get the same number */
    stream_close(&s->server, stream_is_plain(&s->server));
    bool remembered = remember_try(s);
    give_slot_back(s);
    if (!remembered)
        session_fail(s, END_internal, "out of memory");
    return remembered;
}

/* What has gone out with a SYN may have arrived: no other server must get it, too. */
static void drop_try(struct session *s)
{
    bool said = first_words_are_out(s);
    if (!end_try(s))
        return;
    if (said)
        give_up(s);
    else
        go_on_trying(s);
}

void connect_try_another(struct session *s, const char *what, const char *why)
{
    session_tell_trouble(s, server_note_failure(s->chosen, what, why));
    note_detail(s, why);
    buffer_release(&s->relay.lane[DIRECTION_UP].held);
    buffer_release(&s->relay.lane[DIRECTION_DOWN].held);
    if (end_try(s))
        session_enter(s, PHASE_CONNECT);
}

static void try_failed(struct session *s, int number, const char *why)
{
    note_failure(s, number, why);
    drop_try(s);
}

/* The fault belongs to the stream. */
static void tls_failed(struct session *s, const char *why)
{
    session_tell_trouble(s, server_note_failure(s->chosen, "tls", why));
    note_detail(s, why);
    drop_try(s);
}

/* Nothing but the client's address will do where that was asked for: a server that goes by it must
 * not be met with ours. */
static struct origin origin_of(const struct session *s)
{
    const struct model_pool *model = pool_model(connect_pool(s));
    if (!model->transparent)
        return model->source;
    struct origin origin = {.address = address_from_ip(&s->client_ip), .transparent = true};
    address_set_port(&origin.address, 0);
    return origin;
}

static void conclude_try(struct session *s, int number);
static void conclude_first_words(struct session *s, bool stands);
static bool may_reach_itself(const struct session *s);

static void connect_now(struct session *s)
{
    int fd;
    bool done;
    struct error error;
    struct origin origin = origin_of(s);
    const struct model_pool *model = pool_model(connect_pool(s));
    bool words = !may_reach_itself(s) && first_words_are_due(s);
    bool fast = words && model->tcp_fast_open && address_is_ip(server_address(s->chosen));
    if (!socket_connect_from(&fd, server_address(s->chosen), &origin, fast, &done, &error)) {
        try_failed(s, error.number, error.text);
        return;
    }
    stream_outgoing(&s->server, fd, server_address(s->chosen));
    if (words && (fast || !done))
        conclude_first_words(s, !done);
    else if (done)
        conclude_try(s, 0);
    else if (socket_is_connected(fd))
        conclude_try(s, 0);
}

static void connect_to_chosen(struct session *s)
{
    session_set_deadline(s, pool_model(connect_pool(s))->connect_timeout_ms);
    if (!departures_take(s->engine->departures, s))
        connect_now(s);
}

bool phase_connect_may_wait(const struct session *s)
{
    const struct model_pool *model = pool_model(connect_pool(s));
    return !model->transparent && model->source.address.length == 0 && !model->tcp_fast_open &&
           address_is_loopback(server_address(s->chosen));
}

bool phase_connect_departs(const struct session *s)
{
    return s->phase == PHASE_CONNECT && s->chosen != NULL && !stream_is_open(&s->server);
}

/* What says nothing about the server is done again, by the calls that can tell what it is. */
void phase_connect_take(struct session *s, int fd, int number)
{
    const struct address *to = server_address(s->chosen);
    if (number == EAGAIN || number == EINTR || socket_fault_is_ours(number, to)) {
        if (fd >= 0)
            (void)close(fd);
        connect_now(s);
        return;
    }
    stream_outgoing(&s->server, fd, to);
    if (number != ECANCELED)
        conclude_try(s, number);
}

static void try_next(struct session *s)
{
    struct tries *tries = connect_tries(s);
    struct pool_key key = connect_key(s);
    s->chosen = pool_pick(connect_pool(s), &key, tries == NULL ? NULL : tries->servers,
                          tries == NULL ? 0 : tries->count);
    bool joined = s->chosen == NULL && phase_queue_join(s);
    if (s->chosen != NULL)
        connect_to_chosen(s);
    else if (joined)
        session_enter(s, PHASE_QUEUE);
    else if (tries != NULL)
        end_round(s, tries);
    else
        session_end(s, END_no_server);
}

/* --- connected -------------------------------------------------------------------------------- */

void connect_has_settled(struct session *s)
{
    bool open = approval_begin(s);
    if (session_is_over(s))
        return;
    if (!open)
        approval_end(s);
    if (s->notes != NULL) /* earlier tries do not matter any more */
        session_note_text(&s->notes->detail, span_of(NULL, 0));
    session_enter(s, PHASE_RELAY);
}

static void connected(struct session *s)
{
    if (s->client_watched)
        peek_done(s);
    s->connect_us = session_phase_us(s, clock_monotonic_us());
    tally_count_time(s->engine->tally, TALLY_CONNECT, s->connect_us);
    if (stream_is_plain(&s->server) && !proxy_out_put(s)) /* else it went in front of the hello */
        session_fail(s, END_internal, "out of memory");
    else if (phase_starttls_is_due(s))
        session_enter(s, PHASE_STARTTLS);
    else
        connect_has_settled(s);
}

/* --- TLS with the server ---------------------------------------------------------------------- */

/* Part of the try: it has the time that is left for the connect, and where it fails another server
 * is tried. A PROXY header goes in front of it, in clear, in one segment with the hello. */
static void begin_tls(struct session *s)
{
    struct error error;
    struct tls_target target = {.host = server_host(s->chosen),
                                .address = server_address(s->chosen),
                                .preface = proxy_out_write(s),
                                .sessions = s->engine->tls_sessions};
    socket_set_nodelay(s->server.fd); /* a handshake has many small writes */
    if (tls_connect(&s->server, pool_tls(connect_pool(s)), s->server.fd, &target, &error)) {
        engine_queue_handshake(s->engine, &s->queue);
        return;
    }
    note_detail(s, error.text);
    drop_try(s);
}

void phase_connect_turn(struct session *s)
{
    const char *fault;
    switch (tls_handshake(&s->server)) {
    case TLS_DONE:
        connected(s);
        break;
    case TLS_AGAIN:
        break;
    case TLS_CLIENT_CLOSED:
        tls_failed(s, "closed within the TLS handshake");
        break;
    case TLS_CLIENT_RESET:
        tls_failed(s, "reset within the TLS handshake");
        break;
    default:
        fault = stream_fault(&s->server);
        tls_failed(s, fault != NULL ? fault : "the TLS handshake failed");
    }
}

/* With a dead server on this machine the kernel may choose the server's own port for our end, and
 * then we talk to ourselves (simultaneous open, RFC 9293 §3.5). Servers' ports mostly lie below
 * those that it chooses from. */
static bool may_reach_itself(const struct session *s)
{
    const struct address *to = server_address(s->chosen);
    const struct origin *origin = &pool_model(connect_pool(s))->source;
    uint16_t port = address_port(to);
    return address_is_ip(to) && (port_range_has(s->generation->snapshot->own_ports, port) ||
                                 (origin->low != 0 && port >= origin->low && port <= origin->high));
}

/* `stands`: only a connection takes them. Else they have gone with the SYN, and whether it comes to
 * a connection is still to be seen. */
static void conclude_first_words(struct session *s, bool stands)
{
    int number;
    switch (first_words_say(s, &number)) {
    case FIRST_SEND_TAKEN:
        if (!session_is_over(s) && stands)
            connected(s);
        break;
    case FIRST_SEND_TOO_EARLY:
        break;
    case FIRST_SEND_FAILED:
        try_failed(s, number, NULL);
        break;
    }
}

static void conclude_try(struct session *s, int number)
{
    if (number == 0 && may_reach_itself(s) &&
        socket_reaches_itself(s->server.fd, server_address(s->chosen)))
        number = ECONNREFUSED;
    if (number != 0)
        try_failed(s, number, NULL);
    else if (pool_tls(connect_pool(s)) != NULL)
        begin_tls(s);
    else
        connected(s);
}

/* --- the client meanwhile --------------------------------------------------------------------- */

/* The client's bytes stay in the kernel, so that its socket may be readable all the time. With so
 * many bytes to wait for it becomes so by a FIN, a reset, or a client that goes on sending. (Not
 * more: the kernel would make its buffers larger for that.) */
#define CLIENT_LOW_WATER (64u * 1024u)

void phase_connect_settle(struct session *s)
{
    s->client_watched = s->low_water = true;
    socket_set_low_water(s->client.fd, CLIENT_LOW_WATER);
}

/* Who has finished may still want the answer; only a reset says that nobody does. */
static void look_at_client(struct session *s)
{
    if (socket_connect_result(s->client.fd) != 0)
        session_fail(s, END_client_reset, "while connecting to a server");
    s->client_unwatched = true;
}

/* --- the phase -------------------------------------------------------------------------------- */

void phase_connect_begin(struct session *s)
{
    s->client_watched = s->client_unwatched = false;
    if (s->chosen != NULL) /* from the queue */
        connect_to_chosen(s);
    else
        go_on_trying(s);
}

void phase_connect_step(struct session *s, int client_events, int server_events)
{
    if (client_events != 0)
        look_at_client(s);
    if (session_is_over(s) || server_events == 0 || !stream_is_open(&s->server))
        return;
    if (stream_is_plain(&s->server))
        conclude_try(s, socket_connect_result(s->server.fd));
    else
        engine_queue_handshake(s->engine, &s->queue);
}

void phase_connect_expire(struct session *s)
{
    if (s->chosen == NULL)
        try_next(s);
    else if (phase_connect_departs(s) || stream_is_plain(&s->server))
        try_failed(s, ETIMEDOUT, NULL);
    else
        tls_failed(s, "no TLS handshake in time");
}
