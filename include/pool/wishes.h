/* wishes: what operators have set of a pool's servers at run time, as bytes for another process
 * that goes on with the pool.
 *
 * One server at a time: strings "KEY=VALUE", each with a NUL behind it. A reader passes over keys
 * and values that it does not know, so that the two may be of different versions.
 *
 *   server, host, address   the item of the configuration, the host name (where it has one) and the
 *                           address: with the pool's name, what makes it the same server
 *   state, state_was        "ready", "drain" or "maint"; with what the configuration said then
 *   weight, weight_was      0 to 256; likewise. Not there: nobody has set one
 *
 * As over a reload, what was set holds as long as the configuration of that very state or weight is
 * the one that it was set against. Control thread. */
#ifndef POOL_WISHES_H
#define POOL_WISHES_H

#include "base/span.h"
#include "pool/pool.h"

struct text;

/* Has the server at this place of the view a state or weight that was set? */
bool pool_has_wishes(const struct pool *pool, unsigned at);

void pool_write_wishes(const struct pool *pool, unsigned at, struct text *ret);

/* The pool is of a published set. A server that it does not have, and what its configuration says
 * otherwise now, changes nothing. false: out of memory. */
bool pool_take_wishes(struct pool *pool, struct span bytes, struct error *error) MUST_CHECK;

#endif
