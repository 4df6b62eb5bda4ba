#include "core.h"

#include "base/clock.h"

#include <stdlib.h>
#include <unistd.h>

struct pool_core *core_create(void)
{
    struct pool_core *core = calloc(1, sizeof *core);
    if (core == NULL)
        return NULL;
    atomic_init(&core->references, 1);
    atomic_init(&core->users, 1);
    atomic_init(&core->waiting, 0);
    list_init(&core->queue);
    pthread_mutex_init(&core->mutex, NULL);
    if (getentropy(&core->random, sizeof core->random) != 0)
        core->random = clock_monotonic_us();
    return core;
}

void core_ref(struct pool_core *core)
{
    atomic_fetch_add_explicit(&core->references, 1, memory_order_relaxed);
}

void core_unref(struct pool_core *core)
{
    if (atomic_fetch_sub_explicit(&core->references, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&core->mutex);
    free(core);
}

struct pool_core *core_use(struct pool_core *core)
{
    core_ref(core);
    atomic_fetch_add_explicit(&core->users, 1, memory_order_relaxed);
    return core;
}

static void let_go(struct pool_core *core)
{
    view_free(core->view);
    core->view = NULL;
    for (unsigned i = 0; i < core->departed_count; i++)
        server_unref(core->departed[i]);
    free(core->departed);
    core->departed = NULL;
    core->departed_count = 0;
}

void core_unuse(struct pool_core *core)
{
    if (core == NULL)
        return;
    if (atomic_fetch_sub_explicit(&core->users, 1, memory_order_acq_rel) == 1)
        let_go(core); /* servers refer to the core: nobody else would break the circle */
    core_unref(core);
}

/* --- servers ---------------------------------------------------------------------------------- */

struct server *core_find(const struct pool_core *core, const char *item,
                         const struct pool_address *found)
{
    for (unsigned i = 0; core->view != NULL && i < core->view->count; i++) {
        if (server_is(core->view->items[i].server, item, found))
            return core->view->items[i].server;
    }
    for (unsigned i = 0; i < core->departed_count; i++) {
        if (server_is(core->departed[i], item, found))
            return core->departed[i];
    }
    return NULL;
}

static bool holds(const struct view *view, const struct server *server)
{
    for (unsigned i = 0; i < view->count; i++) {
        if (view->items[i].server == server)
            return true;
    }
    return false;
}

/* Those who came back or whose last session is gone. */
static void forget_departed(struct pool_core *core)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < core->departed_count; i++) {
        struct server *server = core->departed[i];
        if (server_sessions(server) > 0 && !holds(core->view, server))
            core->departed[kept++] = server;
        else
            server_unref(server);
    }
    core->departed_count = kept;
}

/* Should there be no memory to remember it by, it is only found again as a new server. */
static void remember_departed(struct pool_core *core, struct server *server)
{
    struct server **list = reallocarray(core->departed, core->departed_count + 1, sizeof *list);
    if (list == NULL)
        return;
    core->departed = list;
    server->wishes = (struct server_wishes){0}; /* should it come back, the configuration counts */
    server_begin_leaving(server);
    server_ref(server);
    list[core->departed_count++] = server;
}

/* Those who join a pool that is at work begin slowly, too. */
static void note_joining(const struct view *before, const struct view *view)
{
    for (unsigned i = 0; before != NULL && i < view->count; i++) {
        if (!holds(before, view->items[i].server))
            server_note_return(view->items[i].server);
    }
}

void core_publish(struct pool_core *core, struct view *view)
{
    note_joining(core->view, view);
    pthread_mutex_lock(&core->mutex);
    struct view *before = core->view;
    core->view = view;
    pthread_mutex_unlock(&core->mutex);
    core_serve(core);
    for (unsigned i = 0; before != NULL && i < before->count; i++) {
        if (!holds(view, before->items[i].server))
            remember_departed(core, before->items[i].server);
    }
    forget_departed(core);
    view_free(before);
}
