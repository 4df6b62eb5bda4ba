#include "balance.h"

static bool was_tried(const struct server *server, struct server *const *tried, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (tried[i] == server)
            return true;
    }
    return false;
}

/* Marks who may be picked among the backups or among the others; false: nobody. */
static bool mark_candidates(struct view *view, bool backup, struct server *const *tried,
                            unsigned tried_count)
{
    bool any = false;
    for (unsigned i = 0; i < view->count; i++) {
        struct member *m = &view->items[i];
        m->candidate = m->backup == backup && m->weight > 0 && server_is_open(m->server) &&
                       !was_tried(m->server, tried, tried_count);
        m->sessions = server_sessions(m->server);
        any = any || m->candidate;
    }
    return any;
}

/* Fewer sessions per weight, without dividing. */
static bool is_lighter(const struct member *a, const struct member *b)
{
    return (uint64_t)a->sessions * b->weight < (uint64_t)b->sessions * a->weight;
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

/* Smooth weighted rotation: everybody comes nearer to his turn by his weight; who is nearest takes
 * it and falls back by the weight of all. Over a whole round the turns add up to nothing. */
static struct server *rotate(struct view *view)
{
    struct server *next = NULL;
    int64_t total = 0;
    for (unsigned i = 0; i < view->count; i++) {
        const struct member *m = &view->items[i];
        if (!m->candidate)
            continue;
        m->server->turn += m->weight;
        total += m->weight;
        if (next == NULL || m->server->turn > next->turn)
            next = m->server;
    }
    if (next != NULL)
        next->turn -= total;
    return next;
}

struct server *balance_pick(struct view *view, struct server *const *tried, unsigned tried_count)
{
    if (!mark_candidates(view, false, tried, tried_count) &&
        !mark_candidates(view, true, tried, tried_count))
        return NULL;
    if (view->balance == BALANCE_LEAST_CONN)
        keep_lightest(view);
    return rotate(view);
}
