/* core: what a pool's name keeps over reloads, shared by every set that has the pool.
 *
 * Counted twice: `references` by whoever holds it (sets' pools and servers), `users` by sets' pools
 * alone. The last user lets go of the servers, the last reference frees. */
#ifndef POOL_CORE_H
#define POOL_CORE_H

#include "view.h"

#include <pthread.h>

struct pool_core {
    atomic_uint references, users;
    pthread_mutex_t mutex; /* guards the view's scratch, the servers' turns, and the view itself
                              against all but the control thread, which alone replaces it */
    uint64_t random;       /* likewise; and the queue */
    struct list queue;     /* waiters, first come first */
    atomic_uint waiting;   /* how many; changed under the mutex only */
    struct view *view;     /* owned; NULL before the first set is published */

    /* the control thread's alone */
    struct server **departed; /* one reference each: left the view with sessions on them */
    unsigned departed_count;
};

struct pool_core *core_create(void); /* one user; NULL: out of memory */
struct pool_core *core_use(struct pool_core *core);
void core_unuse(struct pool_core *core); /* accepts NULL */
void core_ref(struct pool_core *core);
void core_unref(struct pool_core *core);

/* This server of this item, wherever it is kept. NULL: none. */
struct server *core_find(const struct pool_core *core, const char *item,
                         const struct pool_address *found);

/* Gives free slots to those who wait, in their order. Any thread.
 *
 * core_serve() is for who has given a slot back, and costs nothing while nobody waits: `sessions`
 * and `waiting` are changed in one order, so that who begins to wait sees the slot or is seen. For
 * every other change that lock is taken: who begins to wait behind it sees the change. */
void core_serve(struct pool_core *core);
void core_serve_after_change(struct pool_core *core);

/* Takes the view over and puts it in the place of the one before. */
void core_publish(struct pool_core *core, struct view *view);

#endif
