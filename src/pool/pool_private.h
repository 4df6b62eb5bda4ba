/* What the files of this floor know of a pool and a set. */
#ifndef POOL_PRIVATE_H
#define POOL_PRIVATE_H

#include "core.h"

struct pool {
    const struct model_pool *model; /* borrowed */
    struct pool_core *core;         /* one use */
    struct view *draft;             /* owned; NULL once it is published */
    struct pool_set *set;           /* the one it is in */
    struct tls_client *tls;         /* one reference; NULL: plain */
};

struct pool_set {
    struct pool *pools;
    unsigned count;
    pool_changed *on_change;
    void *context;
};

static inline const struct view *pool_view(const struct pool *pool)
{
    return pool->draft != NULL ? pool->draft : pool->core->view;
}

#endif
