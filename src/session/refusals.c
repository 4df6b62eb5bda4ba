#include "session/refusals.h"

#include "base/clock.h"
#include "session/record.h"
#include "session/session.h"

#include <stdlib.h>

/* Reasons of sources, and behind them those that several sources share. */
#define OF_ONE    24u
#define OF_MANY   8u
#define SLOTS     (OF_ONE + OF_MANY)
#define FIRST_S   1.0
#define LONGEST_S 60.0

/* Lines of their own for one source and reason; and of all together: so many at once, and one more
 * a second. */
#define OWN_LINES 10u
#define BUDGET    100.0

struct slot {
    struct books *books; /* counted; NULL: free */
    enum limit limit;
    struct source_key source;
    struct ip_address last; /* the client of the last one folded */
    uint64_t repeated;      /* folded since the last line */
    unsigned own_lines;     /* so far */
    uint64_t since_ms;      /* wall clock; of the first one folded */
    ev_tstamp due, window;  /* loop time, seconds */
};

struct refusals {
    struct engine *engine; /* borrowed */
    ev_timer timer;        /* active while a slot is taken */
    double budget;
    ev_tstamp budget_at;
    struct slot slots[SLOTS];
};

static bool is_of_many(const struct refusals *r, const struct slot *slot)
{
    return slot >= &r->slots[OF_ONE];
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What the log cannot take now stays folded. */
static void write_slot(struct refusals *r, struct slot *slot)
{
    if (slot->repeated == 0)
        return;
    struct refused_line line = {.listener = slot->books->name,
                                .limit = slot->limit,
                                .client = is_of_many(r, slot) ? NULL : &slot->last,
                                .since_ms = slot->since_ms,
                                .repeated = slot->repeated};
    if (record_refused(r->engine, &line))
        slot->repeated = 0;
}

static void free_slot(struct refusals *r, struct slot *slot)
{
    write_slot(r, slot);
    books_unref(slot->books);
    *slot = (struct slot){0};
}

/* A second without any more: the next one has a line of its own again. */
static void serve_slot(struct refusals *r, struct slot *slot)
{
    if (slot->repeated == 0) {
        free_slot(r, slot);
        return;
    }
    write_slot(r, slot);
    slot->window = slot->window * 2 < LONGEST_S ? slot->window * 2 : LONGEST_S;
    slot->due = ev_now(r->engine->loop) + slot->window;
}

static void arm(struct refusals *r)
{
    ev_tstamp next = 0, now = ev_now(r->engine->loop);
    for (unsigned i = 0; i < SLOTS; i++)
        if (r->slots[i].books != NULL && (next == 0 || r->slots[i].due < next))
            next = r->slots[i].due;
    ev_timer_stop(r->engine->loop, &r->timer);
    if (next == 0)
        return;
    ev_timer_set(&r->timer, next > now ? next - now : 0, 0);
    ev_timer_start(r->engine->loop, &r->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)events;
    struct refusals *r = watcher->data;
    for (unsigned i = 0; i < SLOTS; i++)
        if (r->slots[i].books != NULL && r->slots[i].due <= ev_now(loop) + 0.001)
            serve_slot(r, &r->slots[i]);
    arm(r);
}

void refusals_flush(struct refusals *r)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (r->slots[i].books != NULL)
            write_slot(r, &r->slots[i]);
}

/* --- folding ---------------------------------------------------------------------------------- */

static bool take_budget(struct refusals *r)
{
    ev_tstamp now = ev_now(r->engine->loop);
    r->budget += now - r->budget_at;
    r->budget_at = now;
    if (r->budget > BUDGET)
        r->budget = BUDGET;
    if (r->budget < 1)
        return false;
    r->budget -= 1;
    return true;
}

static bool is_for(const struct slot *slot, const struct books *books, enum limit limit)
{
    return slot->books == books && slot->limit == limit;
}

static struct slot *find_of_one(struct refusals *r, const struct books *books, enum limit limit,
                                const struct source_key *source)
{
    for (unsigned i = 0; i < OF_ONE; i++) {
        struct slot *slot = &r->slots[i];
        if (is_for(slot, books, limit) && slot->source.bits == source->bits &&
            slot->source.family == source->family)
            return slot;
    }
    return NULL;
}

static struct slot *free_of_one(struct refusals *r)
{
    for (unsigned i = 0; i < OF_ONE; i++)
        if (r->slots[i].books == NULL)
            return &r->slots[i];
    return NULL;
}

static void open_slot(struct refusals *r, struct slot *slot, struct books *books, enum limit limit,
                      const struct source_key *source)
{
    *slot = (struct slot){.books = books_ref(books),
                          .limit = limit,
                          .window = FIRST_S,
                          .due = ev_now(r->engine->loop) + FIRST_S};
    if (source != NULL)
        slot->source = *source;
    if (!ev_is_active(&r->timer))
        arm(r);
}

/* The one they share; where all are taken, by other listeners and reasons, the one that is due
 * first makes room. */
static struct slot *slot_of_many(struct refusals *r, struct books *books, enum limit limit)
{
    struct slot *best = &r->slots[OF_ONE];
    for (unsigned i = OF_ONE; i < SLOTS; i++) {
        struct slot *slot = &r->slots[i];
        if (is_for(slot, books, limit))
            return slot;
        if (best->books != NULL && (slot->books == NULL || slot->due < best->due))
            best = slot;
    }
    if (best->books != NULL)
        free_slot(r, best);
    open_slot(r, best, books, limit, NULL);
    return best;
}

static void fold(struct slot *slot, uint64_t count, const struct ip_address *client)
{
    if (slot->repeated == 0)
        slot->since_ms = clock_wall_ms();
    slot->repeated += count;
    if (client != NULL)
        slot->last = *client;
}

/* false: it gets a line of its own. */
static bool fold_session(struct refusals *r, const struct session *s, enum limit limit)
{
    struct books *books = s->listener->books;
    struct source_key source = source_key_of(&s->client_ip);
    struct slot *slot = find_of_one(r, books, limit, &source);
    bool is_new = slot == NULL;
    if (is_new)
        slot = free_of_one(r);
    if (slot != NULL && slot->own_lines < OWN_LINES && take_budget(r)) {
        if (is_new)
            open_slot(r, slot, books, limit, &source);
        slot->own_lines++;
        return false;
    }
    fold(is_new ? slot_of_many(r, books, limit) : slot, 1, &s->client_ip);
    return true;
}

void session_refuse(struct session *s, enum limit limit)
{
    atomic_fetch_add_explicit(&s->listener->books->refused[limit], 1, memory_order_relaxed);
    s->folded = session_model(s)->log && fold_session(s->engine->refusals, s, limit);
    if (s->folded || limit_detail(limit)[0] == '\0')
        session_end(s, limit_end(limit));
    else
        session_fail(s, limit_end(limit), "%s", limit_detail(limit));
}

/* They came in numbers, so that they have one line from the first. */
void refusals_add_shed(struct engine *engine, const struct listener *listener, unsigned count)
{
    struct refusals *r = engine->refusals;
    atomic_fetch_add_explicit(&listener->books->refused[LIMIT_descriptors], count,
                              memory_order_relaxed);
    if (!listener->model->log)
        return;
    struct slot *slot = slot_of_many(r, listener->books, LIMIT_descriptors);
    bool first = slot->since_ms == 0;
    fold(slot, count, NULL);
    if (first)
        write_slot(r, slot);
}

/* --- life ------------------------------------------------------------------------------------- */

bool refusals_create(struct refusals **ret, struct engine *engine)
{
    struct refusals *r = calloc(1, sizeof *r);
    if (r == NULL)
        return false;
    r->engine = engine;
    r->budget = BUDGET;
    ev_timer_init(&r->timer, on_timer, 0, 0);
    r->timer.data = r;
    *ret = r;
    return true;
}

void refusals_free(struct refusals *r)
{
    if (r == NULL)
        return;
    for (unsigned i = 0; i < SLOTS; i++)
        if (r->slots[i].books != NULL)
            free_slot(r, &r->slots[i]);
    ev_timer_stop(r->engine->loop, &r->timer);
    free(r);
}
