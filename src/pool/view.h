/* view: the servers of a pool at one moment, as sessions are given them.
 *
 * Never changed once it is published, but for the scratch of a pick, which the pool's lock guards.
 */
#ifndef POOL_VIEW_H
#define POOL_VIEW_H

#include "server.h"

struct member {
    struct server *server; /* one reference */
    const char *name;      /* the server's from the publication on; it owns it */
    unsigned item;         /* of the configuration's list */
    unsigned configured;   /* its weight there, or as its name was resolved */
    unsigned weight;       /* effective: what an operator set goes first */
    bool backup;
    enum server_state state; /* as configured */
    unsigned most;           /* sessions at once; 0: no limit */

    /* scratch of one pick */
    bool candidate;
    unsigned share;    /* its weight at this moment, × VIEW_SHARE */
    unsigned sessions; /* as seen once, because sessions end at any time */
};

struct maglev;

/* A share in the rotation for each weight, so that slow_start can give a part of one. */
#define VIEW_SHARE 1024u

struct view {
    enum balance balance;
    uint64_t slow_start_us; /* 0: none */
    enum hash_on hash_on;
    struct maglev *tables[2]; /* owned; with hash: [true] of the backups, [false] of the others */
    unsigned count;
    struct member *items; /* owned; in the order of the configuration */
};

void view_free(struct view *view); /* accepts NULL */

struct member *view_find(const struct view *view, const char *name); /* NULL: none; view too */

/* --- building --------------------------------------------------------------------------------- */

struct pool_core;

struct view_draft {
    struct pool_core *core; /* borrowed: where live servers are found */
    const struct model_pool *model;
    struct view *view;
    unsigned capacity;
};

bool view_begin(struct view_draft *draft, struct pool_core *core,
                const struct model_pool *model) MUST_CHECK;
bool view_add_item(struct view_draft *draft, unsigned item, const struct pool_address *found,
                   size_t count, struct error *error) MUST_CHECK;
/* A member of another view, as it is there. */
bool view_add_member(struct view_draft *draft, const struct member *member,
                     struct error *error) MUST_CHECK;

/* Hands the view out, complete: no server is added any more. NULL: out of memory. */
struct view *view_finish(struct view_draft *draft) MUST_CHECK;
void view_abandon(struct view_draft *draft); /* accepts a finished one */

#endif
