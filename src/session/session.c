#include "session/session.h"

#include "base/clock.h"
#include "session/record.h"
#include "session/refusals.h"
#include "session/tour.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the table of phases ---------------------------------------------------------------------- */

#define TO(phase) (1u << PHASE_##phase)

struct phase_row {
    void (*begin)(struct session *s);
    void (*step)(struct session *s, int client_events, int server_events);
    void (*expire)(struct session *s);
    unsigned may_enter;
};

static const struct phase_row phases[PHASE_COUNT] = {
    [PHASE_NEW] = {NULL, NULL, NULL, TO(PROXY_HEADER) | TO(INSPECT) | TO(CLOSED)},
    [PHASE_PROXY_HEADER] = {phase_proxy_begin, phase_proxy_step, phase_proxy_expire,
                            TO(INSPECT) | TO(CLOSED)},
    [PHASE_INSPECT] = {phase_inspect_begin, phase_inspect_step, phase_inspect_expire,
                       TO(HANDSHAKE) | TO(CONNECT) | TO(REDIRECT) | TO(CLOSED)},
    [PHASE_HANDSHAKE] = {phase_handshake_begin, phase_handshake_step, phase_handshake_expire,
                         TO(INSPECT) | TO(CONNECT) | TO(CLOSED)},
    [PHASE_QUEUE] = {phase_queue_begin, phase_queue_step, phase_queue_expire,
                     TO(CONNECT) | TO(CLOSED)},
    [PHASE_CONNECT] = {phase_connect_begin, phase_connect_step, phase_connect_expire,
                       TO(QUEUE) | TO(STARTTLS) | TO(RELAY) | TO(CLOSED)},
    [PHASE_STARTTLS] = {phase_starttls_begin, phase_starttls_step, phase_starttls_expire,
                        TO(RELAY) | TO(CONNECT) | TO(CLOSED)},
    [PHASE_RELAY] = {phase_relay_begin, phase_relay_step, phase_relay_expire,
                     TO(CONNECT) | TO(CLOSED)},
    [PHASE_REDIRECT] = {phase_redirect_begin, phase_redirect_step, phase_redirect_expire,
                        TO(ANSWER) | TO(CLOSED)},
    [PHASE_ANSWER] = {phase_answer_begin, phase_answer_step, phase_answer_expire, TO(CLOSED)},
    [PHASE_CLOSED] = {NULL, NULL, NULL, 0},
};

void session_enter(struct session *s, enum phase phase)
{
    assert((phases[s->phase].may_enter & 1u << phase) != 0);
    s->phase = (uint8_t)phase;
    s->deadline = 0;
    s->resting = false;
    s->phase_after_us = (uint32_t)(clock_monotonic_us() - s->started_us);
    if (phases[phase].begin != NULL)
        phases[phase].begin(s);
}

/* --- events ----------------------------------------------------------------------------------- */

static void arm_timer(struct session *s);

static void after_step(struct session *s)
{
    if (session_is_over(s))
        return;
    session_update_watches(s);
    arm_timer(s);
    if (s->phase == PHASE_RELAY)
        phase_relay_come_back(s); /* behind the watches: stopping one would drop the event */
}

static void on_side(struct session *s, enum side side, int events)
{
    if (events == EV_READ && gather_take(s->engine->gather, s, side))
        return;
    if (events & EV_READ)
        stream_ready(side == SIDE_CLIENT ? &s->client : &s->server);
    session_take_events(s, side == SIDE_CLIENT ? events : 0, side == SIDE_SERVER ? events : 0);
}

static void on_client(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    on_side(watcher->data, SIDE_CLIENT, events);
}

static void on_server(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    on_side(watcher->data, SIDE_SERVER, events);
}

void session_take_events(struct session *s, int client_events, int server_events)
{
    if (session_is_over(s))
        return;
    phases[s->phase].step(s, client_events, server_events);
    after_step(s);
}

void session_take_moved(struct session *s, enum side side, const struct relay_moved *moved)
{
    if (session_is_over(s))
        return;
    s->engine->moved = moved;
    phase_relay_take_moved(s, side);
    s->engine->moved = NULL;
    after_step(s);
}

void session_take_connection(struct session *s, int fd, int number)
{
    if (phase_connect_departs(s))
        phase_connect_take(s, fd, number);
    else if (fd >= 0)
        (void)close(fd);
    after_step(s);
}

void session_take_turn(struct session *s)
{
    if (s->phase == PHASE_HANDSHAKE)
        phase_handshake_turn(s);
    else if (s->phase == PHASE_CONNECT)
        phase_connect_turn(s);
    else if (s->phase == PHASE_RELAY)
        phase_relay_turn(s);
    else
        phases[s->phase].step(s, EV_READ | EV_WRITE, 0);
    after_step(s);
}

/* A change of events within one turn costs nothing: libev compares before it calls the kernel, and
 * ev_io_modify() (unlike ev_io_set()) lets it. */
static void set_watch(struct session *s, ev_io *watcher, const struct stream *stream, int events)
{
    int now = ev_is_active(watcher) ? watcher->events & (EV_READ | EV_WRITE) : 0;
    if (now == events && (events == 0 || watcher->fd == stream->fd))
        return;
    ev_io_stop(s->engine->loop, watcher);
    if (events == 0)
        return;
    if (watcher->fd != stream->fd)
        ev_io_set(watcher, stream->fd, events);
    else
        ev_io_modify(watcher, events);
    ev_io_start(s->engine->loop, watcher);
}

static int client_waits(const struct session *s, struct stream *const sides[2])
{
    switch ((enum phase)s->phase) {
    case PHASE_ANSWER:
        return phase_answer_waits(s);
    case PHASE_PROXY_HEADER:
    case PHASE_REDIRECT:
        return s->resting ? 0 : EV_READ;
    case PHASE_INSPECT:
        return s->resting ? 0 : s->client.read_waits;
    case PHASE_HANDSHAKE:
        return list_empty(&s->queue) || s->fetched ? s->client.read_waits : 0;
    case PHASE_CONNECT:
        return s->client_watched && !s->client_unwatched ? EV_READ : 0;
    case PHASE_QUEUE:
        return phase_queue_watches(s);
    case PHASE_RELAY:
        return relay_waits(&s->relay, SIDE_CLIENT, sides) & (s->resting ? ~EV_READ : ~0);
    default:
        return 0;
    }
}

static int server_waits(const struct session *s, struct stream *const sides[2])
{
    if (!stream_is_open(&s->server))
        return 0;
    if (s->phase == PHASE_CONNECT && stream_is_plain(&s->server))
        return EV_WRITE;
    if (s->phase == PHASE_CONNECT)
        return list_empty(&s->queue) ? s->server.read_waits : 0;
    if (s->phase == PHASE_STARTTLS)
        return EV_READ | (relay_lane_blocked(&s->relay.lane[DIRECTION_UP]) ? EV_WRITE : 0);
    return s->phase == PHASE_RELAY ? relay_waits(&s->relay, SIDE_SERVER, sides) : 0;
}

void session_update_watches(struct session *s)
{
    struct stream *const sides[2] = {&s->client, &s->server};
    set_watch(s, &s->client_io, &s->client, client_waits(s, sides));
    set_watch(s, &s->server_io, &s->server, server_waits(s, sides));
}

/* --- time ------------------------------------------------------------------------------------- */

/* How long a look by the timer lies behind one that brought nothing new. */
#define LOOK_AGAIN_SECONDS 0.020

void session_set_deadline(struct session *s, uint64_t ms)
{
    s->deadline = ev_now(s->engine->loop) + (ev_tstamp)ms / 1000.0;
}

/* How old a session gets before it is given what only those that last need. */
#define SETTLE_SECONDS 2.0

/* How long connecting must take before the client is watched meanwhile: most never are. */
#define CONNECT_SETTLE_SECONDS 0.200

static ev_tstamp sooner(ev_tstamp alarm, ev_tstamp other)
{
    return alarm == 0 || other < alarm ? other : alarm;
}

static ev_tstamp next_alarm(const struct session *s)
{
    ev_tstamp now = ev_now(s->engine->loop), alarm = s->deadline;
    if (s->resting)
        alarm = sooner(alarm, now + LOOK_AGAIN_SECONDS);
    if (s->phase == PHASE_CONNECT && !s->client_watched && !phase_connect_departs(s))
        alarm = sooner(alarm, now + CONNECT_SETTLE_SECONDS);
    if (s->phase == PHASE_RELAY && !s->settled)
        alarm = sooner(alarm, now + SETTLE_SECONDS);
    return alarm;
}

/* The timer is moved only when the new deadline lies before it: a later one is found when it
 * fires. So a session's phases and its idle time cost no timer work. */
static void arm_timer(struct session *s)
{
    ev_tstamp alarm = next_alarm(s);
    if (alarm == 0)
        return;
    if (ev_is_active(&s->timer) &&
        ev_timer_remaining(s->engine->loop, &s->timer) <= alarm - ev_now(s->engine->loop) + 0.001)
        return;
    ev_timer_stop(s->engine->loop, &s->timer);
    ev_tstamp after = alarm - ev_now(s->engine->loop);
    ev_timer_set(&s->timer, after > 0 ? after : 0, 0);
    ev_timer_start(s->engine->loop, &s->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)events;
    struct session *s = watcher->data;
    if (s->deadline != 0 && ev_now(loop) >= s->deadline - 0.0005) {
        phases[s->phase].expire(s);
    } else if (s->resting) {
        s->resting = false;
        phases[s->phase].step(s, EV_READ, 0);
    } else if (s->phase == PHASE_CONNECT && !s->client_watched) {
        phase_connect_settle(s);
    } else if (s->phase == PHASE_RELAY) {
        phase_relay_settle(s);
    }
    after_step(s);
}

/* --- beginning -------------------------------------------------------------------------------- */

static struct session *create(struct engine *engine, struct generation *generation,
                              const struct listener *listener, int fd, const struct address *peer)
{
    struct session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->engine = engine;
    s->generation = generation;
    engine_enter_generation(generation);
    s->listener = listener;
    list_init(&s->queue);
    list_append(&engine->sessions, &s->link);
    engine->session_count++;
    s->traffic = generation->traffic[listener - generation->snapshot->listeners];
    tally_add(&s->traffic->sessions, 1);
    tally_add(&s->traffic->taken, 1);
    stream_plain(&s->client, fd);
    ev_io_init(&s->client_io, on_client, fd, EV_READ);
    ev_io_init(&s->server_io, on_server, -1, EV_WRITE);
    ev_timer_init(&s->timer, on_timer, 0, 0);
    s->client_io.data = s->server_io.data = s->timer.data = s;
    s->id = engine->next_id++;
    s->started_ms = clock_wall_ms();
    s->started_us = clock_monotonic_us();
    s->inspect_us = s->connect_us = UINT32_MAX;
    s->client_ip = address_to_ip(peer);
    s->protocol = s->inner_protocol = PROTOCOL_UNKNOWN;
    return s;
}

bool session_start(struct engine *engine, struct generation *generation,
                   const struct listener *listener, int fd, const struct address *peer)
{
    struct session *s = create(engine, generation, listener, fd, peer);
    if (s == NULL) {
        socket_set_reset(fd);
        (void)close(fd);
        return false;
    }
    s->trusted_proxy = networks_expect_proxy(&listener->networks, peer);
    if (!limit_take(&engine->args.gauge->sessions, atomic_load(&engine->args.gauge->most))) {
        session_refuse(s, LIMIT_process_max_sessions);
        return true;
    }
    s->gauged = true;
    session_enter(s, s->trusted_proxy ? PHASE_PROXY_HEADER : PHASE_INSPECT);
    after_step(s);
    return true;
}

/* --- notes ------------------------------------------------------------------------------------ */

struct notes *session_notes(struct session *s)
{
    if (s->notes != NULL)
        return s->notes;
    s->notes = calloc(1, sizeof *s->notes);
    if (s->notes != NULL)
        s->notes->handshake_us = UINT32_MAX;
    return s->notes;
}

void session_note_text(char **ret, struct span text)
{
    free(*ret);
    *ret = text.length == 0 ? NULL : strndup((const char *)text.data, text.length);
}

static void note_detail(struct session *s, const char *format, va_list arguments)
{
    char text[SESSION_DETAIL_MAX];
    struct notes *notes = session_notes(s);
    (void)vsnprintf(text, sizeof text, format, arguments);
    if (notes != NULL)
        session_note_text(&notes->detail, span_text(text));
}

void session_note_detail(struct session *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note_detail(s, format, arguments);
    va_end(arguments);
}

/* --- ending ----------------------------------------------------------------------------------- */

static void give_counters_back(struct session *s)
{
    handshakes_leave(s);
    undecided_leave(s);
    phase_queue_leave(s);
    admission_leave(s);
    if (s->gauged)
        limit_give(&s->engine->args.gauge->sessions);
    if (s->chosen != NULL && s->relay.lane[DIRECTION_DOWN].bytes > 0)
        server_note_answer(s->chosen);
    tally_add(&s->traffic->sessions, UINT64_MAX);
    if (s->chosen != NULL)
        server_release(s->chosen);
    s->gauged = false;
    s->chosen = NULL;
}

/* Bytes still held would make a clean end a lie. */
static bool ends_by_reset(const struct session *s, enum end_reason reason)
{
    enum end_close close = end_reason_close(reason);
    return close == END_CLOSE_RESET || (close == END_CLOSE_CLEAN && relay_holds_bytes(&s->relay));
}

/* To a plain peer close() itself says that all was said. */
static void close_side(struct stream *stream, bool reset, bool clean)
{
    if (!stream_is_open(stream))
        return;
    if (clean && !reset && !stream->finished && !stream_is_plain(stream))
        (void)stream_finish(stream); /* what does not go out at once never will: we are leaving */
    stream_close(stream, reset);
}

/* Closing over unread bytes would reset the connection, and an end or an alert on its way be lost.
 */
static void take_unread(struct session *s)
{
    if (s->phase != PHASE_RELAY && (s->peeked > 0 || !stream_is_plain(&s->client)))
        (void)recv(s->client.fd, s->engine->scratch, SCRATCH_BYTES, MSG_DONTWAIT);
}

static void close_both(struct session *s, enum end_reason reason)
{
    bool reset = ends_by_reset(s, reason);
    bool clean = end_reason_close(reason) == END_CLOSE_CLEAN &&
                 (s->phase == PHASE_RELAY || !stream_is_plain(&s->client));
    if (end_reason_close(reason) == END_CLOSE_CLEAN)
        take_unread(s);
    close_side(&s->client, reset && reason != END_client_reset, clean);
    close_side(&s->server, reset && reason != END_server_reset, clean);
}

void session_end(struct session *s, enum end_reason reason)
{
    struct ev_loop *loop = s->engine->loop;
    if (session_is_over(s))
        return;
    ev_io_stop(loop, &s->client_io);
    ev_io_stop(loop, &s->server_io);
    ev_timer_stop(loop, &s->timer);
    record_compose(s, reason);
    record_count(s, reason);
    record_enter(s);
    /* Before anyone can learn of the end: who then comes back must find the counts without it. */
    give_counters_back(s);
    (void)record_send(s->engine);
    close_both(s, reason);
    relay_release(&s->relay, s->engine->pipes);
    s->phase = PHASE_CLOSED;
    tour_forget(s->engine, &s->link);
    list_remove(&s->link);
    list_append(&s->engine->doomed, &s->link);
}

void session_fail(struct session *s, enum end_reason reason, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note_detail(s, format, arguments);
    va_end(arguments);
    session_end(s, reason);
}

void session_tell_trouble(struct session *s, bool worth)
{
    if (worth && s->engine->args.on_trouble != NULL)
        s->engine->args.on_trouble(s->engine->args.context);
}

void session_format_id(const struct session *s, char text[SESSION_ID_MAX])
{
    (void)snprintf(text, SESSION_ID_MAX, "%" PRIx64 "-%x-%" PRIx64, s->engine->args.epoch,
                   s->engine->args.index, s->id);
}

static void free_notes(struct notes *notes)
{
    free(notes->sni);
    free(notes->alpn);
    free(notes->fix_sender);
    free(notes->fix_target);
    free(notes->detail);
    free(notes->destination);
    free(notes->tlvs);
    free(notes);
}

void session_free(struct session *s)
{
    connect_forget_tries(s);
    if (s->notes != NULL)
        free_notes(s->notes);
    free(s);
}
