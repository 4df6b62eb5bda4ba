/* The queue of a pool: sessions that wait for a slot, first come first served.
 *
 * A slot that is given back, a server that comes up, is made ready or joins: each calls
 * core_serve(), which hands slots out under the pool's lock, so that nobody gets one out of turn.
 * A session that has tried some servers waits for the others; the next in the queue may take what
 * it has no use for. */
#include "balance.h"
#include "pool_private.h"

static struct balance_args args_of(struct pool_core *core, const struct pool_waiter *waiter)
{
    return (struct balance_args){&waiter->key, waiter->tried, waiter->tried_count, &core->random};
}

static void enter(struct pool_core *core, struct pool_waiter *waiter)
{
    waiter->server = NULL;
    list_append(&core->queue, &waiter->link);
    atomic_fetch_add(&core->waiting, 1);
}

static void leave(struct pool_core *core, struct pool_waiter *waiter)
{
    list_remove(&waiter->link);
    atomic_fetch_sub(&core->waiting, 1);
}

static bool grant(struct pool_core *core, struct pool_waiter *waiter)
{
    struct balance_args args = args_of(core, waiter);
    struct server *server = balance_pick(core->view, &args);
    if (server == NULL)
        return false;
    server_take(server);
    leave(core, waiter);
    waiter->server = server;
    return true;
}

/* The lock is held. `joining` is about to wait, and hears of it otherwise; NULL: nobody is. */
static void serve(struct pool_core *core, const struct pool_waiter *joining)
{
    LIST_EACH(&core->queue, node)
    {
        struct pool_waiter *waiter = LIST_ENTRY(node, struct pool_waiter, link);
        if (grant(core, waiter)) {
            if (waiter != joining)
                waiter->granted(waiter);
        } else if (waiter->tried_count == 0) {
            return; /* where he finds nobody, nobody does */
        }
    }
}

void core_serve(struct pool_core *core)
{
    if (atomic_load(&core->waiting) != 0)
        core_serve_after_change(core);
}

void core_serve_after_change(struct pool_core *core)
{
    pthread_mutex_lock(&core->mutex);
    serve(core, NULL);
    pthread_mutex_unlock(&core->mutex);
}

enum pool_wait pool_wait(struct pool *pool, struct pool_waiter *waiter)
{
    struct pool_core *core = pool->core;
    struct balance_args args = args_of(core, waiter);
    enum pool_wait answer = POOL_WAIT_QUEUED;
    pthread_mutex_lock(&core->mutex);
    enter(core, waiter);
    serve(core, waiter); /* a slot may have become free since the caller looked */
    if (waiter->server != NULL) {
        answer = POOL_WAIT_GRANTED;
    } else if (atomic_load(&core->waiting) > pool->model->queue_max ||
               !balance_could(core->view, &args)) {
        leave(core, waiter);
        answer = POOL_WAIT_REFUSED;
    }
    pthread_mutex_unlock(&core->mutex);
    return answer;
}

bool pool_leave(struct pool *pool, struct pool_waiter *waiter)
{
    pthread_mutex_lock(&pool->core->mutex);
    bool waited = waiter->server == NULL;
    if (waited)
        leave(pool->core, waiter);
    pthread_mutex_unlock(&pool->core->mutex);
    return waited;
}

unsigned pool_waiting(const struct pool *pool)
{
    return atomic_load_explicit(&pool->core->waiting, memory_order_relaxed);
}
