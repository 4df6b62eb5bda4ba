#include "session/engine.h"

#include "base/clock.h"
#include "session/acceptor.h"
#include "session/refusals.h"
#include "session/session.h"
#include "session/tour.h"

#include <stdlib.h>

/* --- generations ------------------------------------------------------------------------------ */

static struct generation *generation_create(struct engine *engine, struct snapshot *snapshot)
{
    struct generation *generation = calloc(1, sizeof *generation);
    if (generation == NULL)
        return NULL;
    generation->traffic = calloc(snapshot->listener_count + 1, sizeof *generation->traffic);
    if (generation->traffic == NULL) {
        free(generation);
        return NULL;
    }
    for (size_t i = 0; i < snapshot->listener_count; i++)
        generation->traffic[i] =
            tally_traffic_of(engine->tally, snapshot->listeners[i].model->name, "", "");
    generation->snapshot = snapshot;
    list_append(&engine->generations, &generation->link);
    return generation;
}

static void generation_free(struct generation *generation)
{
    list_remove(&generation->link);
    snapshot_unref(generation->snapshot);
    free(generation->traffic);
    free(generation);
}

void engine_enter_generation(struct generation *generation)
{
    generation->holders++;
}

void engine_leave_generation(struct engine *engine, struct generation *generation)
{
    generation->holders--;
    if (generation->holders == 0 && generation != engine->current)
        generation_free(generation);
}

static void retire_current(struct engine *engine)
{
    struct generation *old = engine->current;
    engine->current = NULL;
    if (old != NULL && old->holders == 0)
        generation_free(old);
}

/* --- limits that are shared with other workers ------------------------------------------------ */

/* They count for the sessions of all generations. */
static void take_limits(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct listener *listener = &snapshot->listeners[i];
        atomic_store(&listener->books->most_undecided, listener->model->max_undecided);
        atomic_store(&listener->books->most_handshakes, listener->model->max_handshakes);
    }
}

static void look_at_limits(struct engine *engine)
{
    LIST_EACH(&engine->generations, node)
    {
        const struct snapshot *snapshot = LIST_ENTRY(node, struct generation, link)->snapshot;
        for (size_t i = 0; i < snapshot->listener_count; i++) {
            undecided_trim(engine, snapshot->listeners[i].books);
            handshakes_next(engine, snapshot->listeners[i].books);
        }
    }
}

static void on_bell(struct ev_loop *loop, ev_async *watcher, int events)
{
    (void)loop;
    (void)events;
    look_at_limits(watcher->data);
}

bool engine_adopt(struct engine *engine, struct snapshot *snapshot, struct bindings *bindings)
{
    struct generation *generation = generation_create(engine, snapshot);
    if (generation == NULL) {
        snapshot_unref(snapshot);
        return false;
    }
    /* They take what waits: by the old snapshot, which still is the current one. */
    acceptors_leave_others(engine, bindings);
    if (engine->current != NULL)
        refusals_flush(engine->refusals); /* in the form of the old log */
    retire_current(engine);
    engine->current = generation;
    bool whole = acceptors_update(engine, bindings);
    take_limits(snapshot);
    look_at_limits(engine);
    return whole;
}

/* --- the end of sessions ---------------------------------------------------------------------- */

static void reap(struct engine *engine)
{
    LIST_EACH(&engine->doomed, node)
    {
        struct session *s = LIST_ENTRY(node, struct session, link);
        list_remove(node);
        engine_leave_generation(engine, s->generation);
        session_free(s);
        engine->session_count--;
    }
}

static bool is_empty(const struct engine *engine)
{
    return engine->draining && engine->session_count == 0;
}

/* It is said once, so nobody may come after it: sockets that linger are closed before. What waits
 * there is still taken, and perhaps stays. */
static void report_empty(struct engine *engine)
{
    if (engine->args.on_empty == NULL || !is_empty(engine))
        return;
    acceptors_close(engine);
    reap(engine);
    if (!is_empty(engine))
        return;
    void (*on_empty)(void *) = engine->args.on_empty;
    engine->args.on_empty = NULL;
    on_empty(engine->args.context);
}

/* --- turns ------------------------------------------------------------------------------------ */

void engine_stay_awake(struct engine *engine)
{
    ev_idle_start(engine->loop, &engine->restless);
}

static void enqueue(struct engine *engine, struct list *queue, struct list *session)
{
    list_remove(session);
    list_append(queue, session);
    engine_stay_awake(engine);
}

void engine_queue_handshake(struct engine *engine, struct list *session)
{
    if (list_empty(&engine->handshakes))
        turns_begin(&engine->turns, clock_monotonic_us());
    enqueue(engine, &engine->handshakes, session);
}

void engine_queue_again(struct engine *engine, struct list *session)
{
    enqueue(engine, &engine->again, session);
}

static void take_turn(struct list *node)
{
    list_remove(node);
    session_take_turn(LIST_ENTRY(node, struct session, queue));
}

static void serve_handshakes(struct engine *engine)
{
    if (list_empty(&engine->handshakes))
        return;
    bool due = turns_step_is_due(&engine->turns, clock_monotonic_us());
    while (due && !list_empty(&engine->handshakes)) {
        take_turn(engine->handshakes.next);
        due = turns_next_is_due(&engine->turns, clock_monotonic_us());
    }
    turns_offer(&engine->turns);
}

/* Those that queue again while they are served wait for the next turn. */
static void serve_queues(struct engine *engine)
{
    struct list now;
    list_init(&now);
    list_splice(&now, &engine->again);
    while (!list_empty(&now))
        take_turn(now.next);
    serve_handshakes(engine);
    if (!list_empty(&engine->tours))
        tour_take_turn(engine);
}

/* Each may lead to the other: what is said meets a server that turns a session away. */
static void see_off(struct engine *engine)
{
    while (departures_wait(engine->departures)) {
        engine->departing = true;
        departures_serve(engine->departures);
        engine->departing = false;
        gather_serve(engine->gather);
    }
}

static void rest(struct engine *engine)
{
    if (list_empty(&engine->again) && list_empty(&engine->handshakes) &&
        list_empty(&engine->tours) && !departures_wait(engine->departures))
        ev_idle_stop(engine->loop, &engine->restless);
}

static void on_idle(struct ev_loop *loop, ev_idle *watcher, int events)
{
    /* Its being there is all: the loop looks for events without waiting for them. */
    (void)loop;
    (void)watcher;
    (void)events;
}

/* Before the loop sleeps: nothing of this turn looks at the doomed any more. */
static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)loop;
    (void)events;
    struct engine *engine = watcher->data;
    gather_serve(engine->gather);
    see_off(engine); /* before handshakes, which take long */
    serve_queues(engine);
    see_off(engine);
    departures_end_turn(engine->departures);
    rest(engine);
    reap(engine);
    report_empty(engine);
}

void engine_end_all(struct engine *engine, enum end_reason reason)
{
    LIST_EACH(&engine->sessions, node)
    session_end(LIST_ENTRY(node, struct session, link), reason);
}

void engine_end_drained(struct engine *engine, const struct server *server)
{
    LIST_EACH(&engine->sessions, node)
    {
        struct session *s = LIST_ENTRY(node, struct session, link);
        if (s->chosen == server)
            session_fail(s, END_shutdown, "drain_timeout of the server");
    }
}

void engine_drain(struct engine *engine)
{
    if (engine->draining)
        return;
    acceptors_leave_others(engine, NULL);
    refusals_flush(engine->refusals);
    engine->draining = true;
}

/* --- life ------------------------------------------------------------------------------------- */

bool engine_create(struct engine **ret, const struct engine_args *args)
{
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return false;
    engine->args = *args;
    engine->loop = args->loop;
    list_init(&engine->generations);
    list_init(&engine->acceptors);
    list_init(&engine->sessions);
    list_init(&engine->handshakes);
    list_init(&engine->again);
    list_init(&engine->doomed);
    list_init(&engine->tours);
    engine->scratch = malloc(BULK_BYTES);
    engine->work = malloc(STREAM_WORK_BYTES);
    engine->hello_scratch = malloc(CLIENT_HELLO_MAX);
    engine->facts = calloc(1, sizeof *engine->facts);
    engine->gather = gather_create();
    engine->departures = departures_create(engine->gather);
    engine->pipes = pipes_create(args->most_pipes);
    engine->tls_sessions = tls_sessions_create();
    ev_async_init(&engine->bell, on_bell);
    engine->bell.data = engine;
    ev_async_start(engine->loop, &engine->bell);
    crew_join(args->crew, args->index, engine->loop, &engine->bell);
    ev_idle_init(&engine->restless, on_idle);
    ev_prepare_init(&engine->turn, on_prepare);
    engine->turn.data = engine;
    ev_prepare_start(engine->loop, &engine->turn);
    if (engine->scratch == NULL || engine->work == NULL || engine->hello_scratch == NULL ||
        engine->facts == NULL || engine->gather == NULL || engine->departures == NULL ||
        engine->pipes == NULL || engine->tls_sessions == NULL || !tally_create(&engine->tally) ||
        !refusals_create(&engine->refusals, engine)) {
        engine_free(engine);
        return false;
    }
    *ret = engine;
    return true;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    crew_leave(engine->args.crew, engine->args.index);
    ev_async_stop(engine->loop, &engine->bell);
    acceptors_close(engine);
    tour_end_all(engine);
    engine_end_all(engine, END_shutdown);
    refusals_free(engine->refusals);
    ev_prepare_stop(engine->loop, &engine->turn);
    ev_idle_stop(engine->loop, &engine->restless);
    reap(engine);
    retire_current(engine);
    departures_free(engine->departures);
    gather_free(engine->gather);
    pipes_free(engine->pipes);
    tls_sessions_free(engine->tls_sessions);
    free(engine->facts);
    free(engine->hello_scratch);
    free(engine->scratch);
    free(engine->work);
    text_release(&engine->line);
    text_release(&engine->values.bytes);
    tally_free(engine->tally);
    free(engine);
}
