/* What the files of this floor know of a pool and a set. */
#ifndef POOL_PRIVATE_H
#define POOL_PRIVATE_H

#include "balance.h"

/* Guards the turns of a pool's servers. Carried from set to set by the pool's name like the servers
 * themselves, so that workers which still use the old set and workers which already use the new one
 * rotate as one. */
struct pool_lock {
    atomic_uint references;
    pthread_mutex_t mutex;
};

struct pool {
    const struct model_pool *model; /* borrowed */
    struct pool_lock *lock;         /* one reference */
    struct members members;
};

struct pool_set {
    struct pool *pools;
    unsigned count;
};

#endif
