/* Draining: how long the sessions of a server that gets no new ones may last. */
#include "base/clock.h"
#include "pool_private.h"

#include <ev.h>
#include <stdlib.h>

#define US_PER_MS UINT64_C(1000)

struct drain {
    struct list link;
    struct drains *drains;
    struct server *server; /* one reference */
    ev_timer timer;
};

struct drains {
    struct ev_loop *loop;
    drain_due *on_due;
    void *context;
    struct list items; /* owned */
};

bool drains_create(struct drains **ret, struct ev_loop *loop, drain_due *on_due, void *context,
                   struct error *error)
{
    struct drains *drains = calloc(1, sizeof *drains);
    if (drains == NULL)
        return error_memory(error);
    *drains = (struct drains){.loop = loop, .on_due = on_due, .context = context};
    list_init(&drains->items);
    *ret = drains;
    return true;
}

static void drop(struct drain *drain)
{
    ev_timer_stop(drain->drains->loop, &drain->timer);
    list_remove(&drain->link);
    server_unref(drain->server);
    free(drain);
}

void drains_free(struct drains *drains)
{
    if (drains == NULL)
        return;
    LIST_EACH(&drains->items, node)
    drop(LIST_ENTRY(node, struct drain, link));
    free(drains);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct drain *drain = timer->data;
    struct drains *drains = drain->drains;
    struct server *server = drain->server;
    server_ref(server);
    drop(drain);
    drains->on_due(drains->context, server);
    server_unref(server);
}

static void forget(struct drains *drains, const struct server *server)
{
    LIST_EACH(&drains->items, node)
    {
        struct drain *drain = LIST_ENTRY(node, struct drain, link);
        if (drain->server == server)
            drop(drain);
    }
}

/* Without memory for it the sessions may take their time: nothing is cut that should not be. */
static void follow(struct drains *drains, struct server *server, uint64_t timeout_ms)
{
    forget(drains, server);
    if (timeout_ms == 0 || server->leaving_since_us == 0)
        return;
    struct drain *drain = calloc(1, sizeof *drain);
    if (drain == NULL)
        return;
    uint64_t due = server->leaving_since_us + timeout_ms * US_PER_MS, now = clock_monotonic_us();
    server_ref(server);
    drain->drains = drains;
    drain->server = server;
    list_append(&drains->items, &drain->link);
    ev_timer_init(&drain->timer, on_timer, due > now ? (double)(due - now) / 1e6 : 0., 0.);
    drain->timer.data = drain;
    ev_now_update(drains->loop);
    ev_timer_start(drains->loop, &drain->timer);
}

void drains_follow(struct drains *drains, const struct pool *pool)
{
    const struct view *view = pool_view(pool);
    uint64_t timeout_ms = pool->model->drain_timeout_ms;
    for (unsigned i = 0; i < view->count; i++)
        follow(drains, view->items[i].server, timeout_ms);
    for (unsigned i = 0; i < pool->core->departed_count; i++)
        follow(drains, pool->core->departed[i], timeout_ms);
}

/* The servers of a pool that is no more. */
static void follow_all_away(struct drains *drains, const struct pool *pool)
{
    const struct view *view = pool_view(pool);
    for (unsigned i = 0; i < view->count; i++)
        server_begin_leaving(view->items[i].server);
    drains_follow(drains, pool);
}

void drains_follow_set(struct drains *drains, const struct pool_set *set,
                       const struct pool_set *previous)
{
    for (unsigned i = 0; i < set->count; i++)
        drains_follow(drains, &set->pools[i]);
    for (unsigned i = 0; previous != NULL && i < previous->count; i++) {
        const struct pool *pool = &previous->pools[i];
        if (pool_set_find(set, pool_name(pool)) == NULL)
            follow_all_away(drains, pool);
    }
}
