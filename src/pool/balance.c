#include "balance.h"

#include "base/clock.h"
#include "base/hash.h"
#include "maglev.h"

static bool was_tried(const struct server *server, const struct balance_args *args)
{
    for (unsigned i = 0; i < args->tried_count; i++) {
        if (args->tried[i] == server)
            return true;
    }
    return false;
}

/* But for how many sessions it has. */
static bool could_serve(const struct member *m, const struct balance_args *args)
{
    return m->weight > 0 && server_is_open(m->server) && !was_tried(m->server, args);
}

bool balance_could(const struct view *view, const struct balance_args *args)
{
    for (unsigned i = 0; i < view->count; i++) {
        if (could_serve(&view->items[i], args))
            return true;
    }
    return false;
}

/* The whole weight, or so much of it as the time since the server returned gives it. */
static unsigned share_of(const struct view *view, const struct member *m, uint64_t now)
{
    unsigned whole = m->weight * VIEW_SHARE;
    uint64_t since = view->slow_start_us == 0 ? 0 : server_returned_us(m->server);
    if (since == 0 || now >= since + view->slow_start_us)
        return whole;
    uint64_t part = now < since ? 0 : whole * (now - since) / view->slow_start_us;
    return part == 0 ? 1 : (unsigned)part;
}

/* Marks who may be picked among the backups or among the others; false: nobody. */
static bool mark_candidates(struct view *view, bool backup, const struct balance_args *args)
{
    bool any = false;
    uint64_t now = view->slow_start_us == 0 ? 0 : clock_monotonic_us();
    for (unsigned i = 0; i < view->count; i++) {
        struct member *m = &view->items[i];
        m->sessions = server_sessions(m->server);
        m->candidate = m->backup == backup && could_serve(m, args) &&
                       (m->most == 0 || m->sessions < m->most);
        m->share = m->candidate ? share_of(view, m, now) : 0;
        any = any || m->candidate;
    }
    return any;
}

/* --- least_conn ------------------------------------------------------------------------------- */

/* Fewer sessions per weight, without dividing. */
static bool is_lighter(const struct member *a, const struct member *b)
{
    return (uint64_t)a->sessions * b->share < (uint64_t)b->sessions * a->share;
}

/* Leaves only the candidates with the fewest sessions per weight. */
static void keep_lightest(struct view *view)
{
    const struct member *lightest = NULL;
    for (unsigned i = 0; i < view->count; i++) {
        const struct member *m = &view->items[i];
        if (m->candidate && (lightest == NULL || is_lighter(m, lightest)))
            lightest = m;
    }
    for (unsigned i = 0; i < view->count; i++) {
        struct member *m = &view->items[i];
        m->candidate = m->candidate && !is_lighter(lightest, m);
    }
}

/* --- round_robin ------------------------------------------------------------------------------ */

/* Smooth weighted rotation: everybody comes nearer to his turn by his weight; who is nearest takes
 * it and falls back by the weight of all. Over a whole round the turns add up to nothing. */
static struct member *rotate(struct view *view)
{
    struct member *next = NULL;
    int64_t total = 0;
    for (unsigned i = 0; i < view->count; i++) {
        struct member *m = &view->items[i];
        if (!m->candidate)
            continue;
        m->server->turn += m->share;
        total += m->share;
        if (next == NULL || m->server->turn > next->server->turn)
            next = m;
    }
    if (next != NULL)
        next->server->turn -= total;
    return next;
}

/* --- random2 ---------------------------------------------------------------------------------- */

/* Spreads sessions, protects nothing. */
static uint64_t next_random(uint64_t *state)
{
    return hash_mix(*state += HASH_STEP);
}

/* One of the candidates, by weight; NULL: there is none. */
static struct member *draw(struct view *view, uint64_t *random)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < view->count; i++)
        total += view->items[i].candidate ? view->items[i].share : 0;
    uint64_t at = total == 0 ? 0 : next_random(random) % total;
    for (unsigned i = 0; i < view->count; i++) {
        struct member *m = &view->items[i];
        if (m->candidate && at < m->share)
            return m;
        at -= m->candidate ? m->share : 0;
    }
    return NULL;
}

/* Of two different ones the one with fewer sessions per weight. */
static struct member *draw_two(struct view *view, uint64_t *random)
{
    struct member *first = draw(view, random);
    first->candidate = false;
    struct member *second = draw(view, random);
    return second != NULL && is_lighter(second, first) ? second : first;
}

/* --- hash ------------------------------------------------------------------------------------- */

static struct span source_of(const struct pool_key *key)
{
    const struct ip_address *source = key->source;
    if (source != NULL && source->family == AF_INET)
        return span_of(&source->v4, sizeof source->v4);
    if (source != NULL && source->family == AF_INET6)
        return span_of(&source->v6, sizeof source->v6);
    return span_of(NULL, 0);
}

static struct span key_of(const struct view *view, const struct pool_key *key)
{
    struct span fact = view->hash_on == HASH_ON_SNI          ? key->sni
                       : view->hash_on == HASH_ON_FIX_SENDER ? key->fix_sender
                                                             : span_of(NULL, 0);
    return fact.length > 0 ? fact : source_of(key);
}

/* --- any -------------------------------------------------------------------------------------- */

static struct member *pick_one(struct view *view, bool backup, const struct balance_args *args)
{
    switch (view->balance) {
    case BALANCE_HASH:
        return maglev_find(view->tables[backup], view, key_of(view, args->key));
    case BALANCE_RANDOM2:
        return draw_two(view, args->random);
    case BALANCE_LEAST_CONN:
        keep_lightest(view);
        return rotate(view);
    case BALANCE_ROUND_ROBIN:
        break;
    }
    return rotate(view);
}

struct server *balance_pick(struct view *view, const struct balance_args *args)
{
    bool backup = !mark_candidates(view, false, args);
    if (backup && !mark_candidates(view, true, args))
        return NULL;
    return pick_one(view, backup, args)->server;
}
