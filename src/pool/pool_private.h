/* What the files of this floor know of a pool and a set. */
#ifndef POOL_PRIVATE_H
#define POOL_PRIVATE_H

#include "core.h"

/* A server of a set that may come back. */
struct kept_server {
    struct member member; /* one reference to its server */
    struct server_wishes wishes;
    enum server_state state;
};

struct pool {
    const struct model_pool *model; /* borrowed */
    struct pool_core *core;         /* one use */
    struct view *draft;             /* owned; NULL once it is published */
    struct pool_set *set;           /* the one it is in */
    struct tls_client *tls;         /* one reference; NULL: plain */
    struct kept_server *kept;       /* owned; NULL unless the set may come back */
    unsigned kept_count;
};

struct pool_set {
    struct pool *pools;
    unsigned count;
    pool_changed *on_change;
    void *context;
};

/* again.c: published once more. Harmless the first time. */
void pool_end_return(struct pool *pool);

static inline const struct view *pool_view(const struct pool *pool)
{
    return pool->draft != NULL ? pool->draft : pool->core->view;
}

#endif
