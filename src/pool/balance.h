/* balance: of a pool's members the one that gets the next session. The caller holds the pool's
 * lock, which guards the members' scratch fields and the servers' turns. */
#ifndef POOL_BALANCE_H
#define POOL_BALANCE_H

#include "server.h"

struct member {
    struct server *server; /* one reference */
    unsigned weight;
    bool backup;
    bool candidate;    /* scratch of one pick */
    unsigned sessions; /* likewise: as seen once, because sessions end at any time */
};

struct members {
    struct member *items;
    unsigned count;
};

/* NULL: nobody is eligible. Takes no slot. */
struct server *balance_pick(enum balance balance, const struct members *members,
                            struct server *const *tried, unsigned tried_count);

#endif
