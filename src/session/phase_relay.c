/* RELAY: bytes move both ways until both sides have finished. */
#include "inspect/tls_record.h"
#include "session/record.h"
#include "session/session.h"

#include <errno.h>
#include <sys/socket.h>

#define SIDES(s)                                                                                   \
    {                                                                                              \
        &(s)->client, &(s)->server                                                                 \
    }

#define BYTES(s)                                                                                   \
    {                                                                                              \
        (s)->relay.lane[0].bytes, (s)->relay.lane[1].bytes                                         \
    }

/* What was moved beforehand is the first pump's. */
static struct relay_tools tools_of(struct session *s)
{
    struct relay_tools tools = engine_relay_tools(s->engine);
    tools.moved = s->engine->moved;
    s->engine->moved = NULL;
    return tools;
}

/* --- ends ------------------------------------------------------------------------------------- */

static void broken(struct session *s, enum side side)
{
    if (side == SIDE_SERVER && approval_try_another(s))
        return;
    const char *fault = stream_fault(side == SIDE_CLIENT ? &s->client : &s->server);
    enum end_reason reason = side == SIDE_CLIENT ? END_client_reset : END_server_reset;
    if (side == SIDE_SERVER && fault != NULL)
        session_tell_trouble(s, server_note_failure(s->chosen, "tls", fault));
    session_fail(s, reason, "%s", fault == NULL ? "I/O error" : fault);
}

/* Before its first byte, that is no answer that a server gives. */
static void note_early_reset(struct session *s)
{
    if (s->relay.lane[DIRECTION_DOWN].bytes > 0)
        return;
    bool provoked = s->relay.lane[DIRECTION_UP].bytes > 0;
    session_tell_trouble(s, server_note_reset(s->chosen, provoked));
}

static void end_by(struct session *s, struct relay_result result)
{
    if (result.status == RELAY_RESET && result.side == SIDE_SERVER)
        note_early_reset(s);
    switch (result.status) {
    case RELAY_GOES_ON:
        break;
    case RELAY_DONE:
        session_end(s, s->server_first ? END_server_closed : END_client_closed);
        break;
    case RELAY_RESET:
        session_end(s, result.side == SIDE_CLIENT ? END_client_reset : END_server_reset);
        break;
    case RELAY_BROKEN:
        broken(s, result.side);
        break;
    case RELAY_OUT_OF_MEMORY:
        session_fail(s, END_internal, "out of memory");
        break;
    }
}

/* --- pumping ---------------------------------------------------------------------------------- */

static void note_ends(struct session *s)
{
    const struct relay_lane *up = &s->relay.lane[DIRECTION_UP];
    const struct relay_lane *down = &s->relay.lane[DIRECTION_DOWN];
    if (down->ended && !up->ended)
        s->server_first = true;
    /* Who cuts off first is told. */
    if (s->client.truncated && !s->server_truncated)
        s->truncated = true;
    if (s->server.truncated && !s->truncated)
        s->server_truncated = true;
}

static bool is_read_from(const struct relay_lane *lane)
{
    return !lane->ended && !lane->refused && !relay_lane_blocked(lane);
}

static bool has_more_inside(const struct relay_lane *lane, const struct stream *from)
{
    return is_read_from(lane) && stream_pending(from);
}

void phase_relay_come_back(struct session *s)
{
    if (s->readable != 0)
        return; /* the gather has it, and comes back to this */
    if (has_more_inside(&s->relay.lane[DIRECTION_UP], &s->client) ||
        has_more_inside(&s->relay.lane[DIRECTION_DOWN], &s->server))
        engine_queue_again(s->engine, &s->queue);
}

void phase_relay_turn(struct session *s)
{
    const int any = EV_READ | EV_WRITE;
    int client = stream_pending(&s->client) ? any : 0,
        server = stream_pending(&s->server) ? any : 0;
    phase_relay_step(s, client, server);
}

/* A session may last for days, so that its bytes are counted as they move. */
static void count_bytes(const struct session *s, const uint64_t before[2])
{
    for (int i = 0; i < 2; i++) {
        uint64_t count = s->relay.lane[i].bytes - before[i];
        if (count > 0)
            tally_add(&s->traffic->bytes[i], count);
        turns_note_bytes(&s->engine->turns, count, before[DIRECTION_DOWN] > 0);
    }
}

/* The first decrypted bytes still lie in the scratch after the pump that moved them, if it read but
 * once, or where they were read beforehand. */
static void note_inner(struct session *s, const struct relay_lane *up,
                       const struct relay_moved *moved)
{
    if (s->inner_known || !s->terminates || up->bytes == 0 || up->bytes > SCRATCH_BYTES)
        return;
    inspect_note_first_bytes(s, moved == NULL ? span_of(s->engine->scratch, (size_t)up->bytes)
                                              : span_of(moved->bytes, moved->count));
}

/* A client in doubt is not read from: what is held for the server (a PROXY header) goes out alone.
 */
static struct relay_result pump_once(struct session *s, enum direction direction)
{
    struct stream *const sides[2] = SIDES(s);
    struct relay_tools tools = tools_of(s);
    if (direction == DIRECTION_UP && s->doubtful)
        return relay_flush(&s->relay, direction, sides, &tools);
    return relay_pump(&s->relay, direction, sides, &tools);
}

/* Who resets may have spoken before: a server that refuses a long order says so and leaves. It is
 * the write to it that fails first, and what it said is still to be read. */
static bool has_last_words(const struct session *s, enum direction direction,
                           struct relay_result result)
{
    enum side sink = direction == DIRECTION_UP ? SIDE_SERVER : SIDE_CLIENT;
    const struct relay_lane *other =
        &s->relay.lane[direction == DIRECTION_UP ? DIRECTION_DOWN : DIRECTION_UP];
    bool has_more = !other->ended || relay_lane_blocked(other);
    return result.status == RELAY_RESET && result.side == sink && has_more && !other->refused;
}

static bool pump(struct session *s, enum direction direction)
{
    uint64_t before[2] = BYTES(s);
    const struct relay_moved *moved = s->engine->moved;
    struct relay_result result = pump_once(s, direction);
    if (direction == DIRECTION_UP)
        note_inner(s, &s->relay.lane[DIRECTION_UP], moved);
    if (direction == DIRECTION_UP && approval_is_due(s))
        approval_keep(s, s->relay.lane[DIRECTION_UP].bytes - before[DIRECTION_UP]);
    if (has_last_words(s, direction, result)) {
        relay_refuse(&s->relay, direction, s->engine->pipes);
        result = pump_once(s, direction == DIRECTION_UP ? DIRECTION_DOWN : DIRECTION_UP);
    }
    note_ends(s);
    count_bytes(s, before);
    if (result.status != RELAY_GOES_ON) {
        end_by(s, result);
        return false;
    }
    if (approval_is_due(s))
        approval_look(s);
    return true;
}

/* --- a client taken for silent ---------------------------------------------------------------- */

/* A silent client was routed by its silence. Should its first bytes be TLS after all, before the
 * server has said a word, it was only slow, and a plain server must not see them (SPEC §2). */
static enum verdict late_tls(const struct session *s, struct span first)
{
    enum verdict verdict = first.length == 0 ? VERDICT_NO : tls_record_probe(first);
    return verdict == VERDICT_MORE && socket_peer_finished(s->client.fd) ? VERDICT_NO : verdict;
}

static void believe(struct session *s)
{
    s->doubtful = false;
    peek_done(s);
}

/* Waits for the rest of the pattern; a wake that brought nothing new is no better than a spin. */
static void go_on_doubting(struct session *s, size_t count)
{
    s->resting = count <= s->peeked;
    s->peeked = (uint32_t)count;
    if (!s->resting)
        peek_wait_for(s, count + 1); /* the very next byte may make it plain */
}

/* A look takes the socket's error away: whoever read behind it would take a reset for an end. */
static void end_unless_early(struct session *s, int number)
{
    if (number != EAGAIN && number != EINTR)
        session_end(s, END_client_reset);
}

/* Called while in doubt, when the client has sent something or has left. */
static void doubt(struct session *s)
{
    unsigned char first[TLS_RECORD_PROBE_BYTES];
    ssize_t count = recv(s->client.fd, first, sizeof first, MSG_PEEK);
    if (count < 0) {
        end_unless_early(s, errno);
        return;
    }
    switch (late_tls(s, span_of(first, (size_t)count))) {
    case VERDICT_YES:
        session_fail(s, END_inspect_timeout, "TLS from a client that was taken for silent");
        break;
    case VERDICT_MORE:
        go_on_doubting(s, (size_t)count);
        break;
    default:
        believe(s);
    }
}

static bool blocked_or_unfinished(const struct relay_lane *lane)
{
    return !lane->refused && (relay_lane_blocked(lane) || (lane->ended && !lane->finished));
}

/* Which directions an event on a side concerns: reading from it, and writing to it where that
 * direction waits; TLS may wait for either readiness in either. */
static void pump_for(struct session *s, enum side side, int events)
{
    enum direction out = side == SIDE_CLIENT ? DIRECTION_UP : DIRECTION_DOWN;
    enum direction in = side == SIDE_CLIENT ? DIRECTION_DOWN : DIRECTION_UP;
    struct stream *stream = side == SIDE_CLIENT ? &s->client : &s->server;
    if ((events & stream->write_waits) && blocked_or_unfinished(&s->relay.lane[in]) && !pump(s, in))
        return;
    const struct relay_lane *lane = &s->relay.lane[out];
    if (side == SIDE_CLIENT && s->doubtful) {
        if (events & EV_READ)
            doubt(s);
        if (s->doubtful || s->phase != PHASE_RELAY)
            return;
    }
    if ((events & stream->read_waits) && is_read_from(lane))
        (void)pump(s, out);
}

bool phase_relay_may_gather(const struct session *s, enum side side)
{
    const struct relay_lane *lane =
        &s->relay.lane[side == SIDE_CLIENT ? DIRECTION_UP : DIRECTION_DOWN];
    return s->phase == PHASE_RELAY && !s->doubtful && is_read_from(lane) && !lane->large &&
           !approval_is_due(s);
}

/* --- the phase -------------------------------------------------------------------------------- */

/* Some bytes that fit TLS have come from a client taken for silent: it gets one more delay to say
 * the rest. */
static bool waits_for_the_rest(const struct session *s)
{
    return s->doubtful && s->peeked > 0;
}

static bool is_over(const struct relay_lane *lane)
{
    return lane->ended || lane->refused;
}

static bool is_half_closed(const struct session *s)
{
    return is_over(&s->relay.lane[DIRECTION_UP]) || is_over(&s->relay.lane[DIRECTION_DOWN]);
}

static uint64_t approval_limit_ms(const struct session *s)
{
    return pool_model(connect_pool(s))->connect_timeout_ms;
}

static uint64_t silence_limit_ms(const struct session *s)
{
    const struct model_listener *model = session_model(s);
    if (waits_for_the_rest(s))
        return model->inspect_delay_ms;
    return is_half_closed(s) ? model->half_closed_timeout_ms : model->idle_timeout_ms;
}

/* Lazy: only the deadline is written per message; the timer finds out when it fires. */
static void moved(struct session *s)
{
    uint64_t limit = silence_limit_ms(s);
    if (approval_is_due(s) && approval_limit_ms(s) < limit)
        limit = approval_limit_ms(s);
    session_set_deadline(s, limit);
}

/* It says nothing, neither yes nor no. true: the silence may go on. */
static bool approval_expires(struct session *s)
{
    uint64_t waited = approval_limit_ms(s), limit = silence_limit_ms(s);
    approval_end(s);
    if (waited >= limit)
        return false;
    session_set_deadline(s, limit - waited);
    return true;
}

void phase_relay_begin(struct session *s)
{
    moved(s);
    /* The client's first bytes are known to be here, unless it is a silent one, or they have gone
     * out already: what may have come behind them the loop will announce. Who has come in a crowd
     * says them with the others. */
    if (first_words_were_all(s) ||
        (s->engine->departing && gather_take(s->engine->gather, s, SIDE_CLIENT)))
        return;
    (void)pump(s, DIRECTION_UP);
}

static void after_pumps(struct session *s)
{
    if (s->phase != PHASE_RELAY) /* over, or at another server */
        return;
    if (s->doubtful && s->relay.lane[DIRECTION_DOWN].bytes > 0)
        believe(s); /* the server has spoken first: it is what it was taken for */
    if (!s->resting)
        moved(s);
}

void phase_relay_step(struct session *s, int client_events, int server_events)
{
    if (client_events != 0)
        pump_for(s, SIDE_CLIENT, client_events);
    if (server_events != 0 && s->phase == PHASE_RELAY)
        pump_for(s, SIDE_SERVER, server_events);
    after_pumps(s);
}

void phase_relay_take_moved(struct session *s, enum side side)
{
    (void)pump(s, side == SIDE_CLIENT ? DIRECTION_UP : DIRECTION_DOWN);
    after_pumps(s);
}

void phase_relay_settle(struct session *s)
{
    if (s->relay.lane[DIRECTION_DOWN].bytes > 0)
        server_note_answer(s->chosen);
    const struct pool *pool = s->listener->targets[s->rule->index].pool;
    if (!s->settled && address_is_ip(server_address(s->chosen)))
        socket_set_keepalive(s->server.fd, &pool_model(pool)->keepalive);
    if (s->terminates)
        tls_flush(&s->client);
    s->settled = true;
    /* Who speaks in a TLS session is known once its first bytes have come. */
    if (!s->terminates || s->inner_known)
        record_enter(s);
}

void phase_relay_expire(struct session *s)
{
    if (approval_is_due(s) && approval_expires(s))
        return;
    if (waits_for_the_rest(s)) {
        /* Fewer fitting bytes at the end of the delay count as plain. */
        believe(s);
        moved(s);
        (void)pump(s, DIRECTION_UP);
        return;
    }
    if (s->relay.lane[DIRECTION_UP].refused)
        end_by(s,
               (struct relay_result){RELAY_RESET, SIDE_SERVER}); /* its last words found no ear */
    else if (s->relay.lane[DIRECTION_DOWN].refused)
        end_by(s, (struct relay_result){RELAY_RESET, SIDE_CLIENT});
    else if (is_half_closed(s))
        session_fail(s, END_idle_timeout, "half-closed");
    else
        session_end(s, END_idle_timeout);
}
