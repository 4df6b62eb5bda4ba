/* balance: of a view's members the one that gets the next session. The caller holds the pool's
 * lock, which guards the members' scratch fields and the servers' turns. */
#ifndef POOL_BALANCE_H
#define POOL_BALANCE_H

#include "view.h"

/* NULL: nobody is eligible. Takes no slot. */
struct server *balance_pick(struct view *view, struct server *const *tried, unsigned tried_count);

#endif
