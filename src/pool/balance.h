/* balance: of a view's members the one that gets the next session. The caller holds the pool's
 * lock, which guards the members' scratch fields, the servers' turns and the random numbers. */
#ifndef POOL_BALANCE_H
#define POOL_BALANCE_H

#include "view.h"

struct balance_args {
    const struct pool_key *key;
    struct server *const *tried; /* not to be picked */
    unsigned tried_count;
    uint64_t *random; /* SplitMix64's state; any number to begin with */
};

/* NULL: nobody is eligible. Takes no slot. */
struct server *balance_pick(struct view *view, const struct balance_args *args);

/* Somebody would be, were it not for his max_sessions. */
bool balance_could(const struct view *view, const struct balance_args *args);

#endif
