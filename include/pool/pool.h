/* pool: servers, and who gets the next session. Knows servers, not clients.
 *
 * Threads    pool_pick() and pool_release() may be called by any worker; a short lock per pool is
 *            taken once when a session is admitted and once per retry, never per message, so that
 *            rotation and least_conn are exact over the whole process. Release is one atomic.
 *            Everything else: control thread.
 * Lifetime   a pool belongs to a set; a set is one configuration's pools. Servers' live state (up,
 *            sessions, health history) is counted and carried from set to set by pool and server name.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "base/address.h"
#include "config/model.h"
#include "config/problems.h"

struct pool_set;
struct pool;
struct server;

/* Resolves names (blocking, control thread). `previous` may be NULL. */
bool pool_set_compile(struct pool_set **ret, const struct model *model, const struct pool_set *previous,
                      struct problems *problems) MUST_CHECK;
void pool_set_free(struct pool_set *set); /* accepts NULL; when no session picks from it any more */

struct pool *pool_set_find(const struct pool_set *set, const char *name); /* NULL: no such pool */
const struct model_pool *pool_model(const struct pool *pool);
const char *pool_name(const struct pool *pool);
unsigned pool_server_count(const struct pool *pool);

/* Picks an eligible server (up, weight > 0; backups only when no other is) that is not among
 * `tried`, and takes a session slot on it. NULL: none. Give the slot back with server_release(). */
struct server *pool_pick(struct pool *pool, struct server *const *tried, unsigned tried_count);

/* A server handle is counted: one reference per slot; it outlives its set. */
void server_release(struct server *server);
const char *server_name(const struct server *server);
const char *server_pool_name(const struct server *server);
const struct address *server_address(const struct server *server);
unsigned server_sessions(const struct server *server); /* now, over all workers */
bool server_is_up(const struct server *server);

/* --- health (control thread's loop) ---------------------------------------------------------- */

struct ev_loop;
struct health;

/* Starts the checks of all servers of the set that have them, and logs each change of state as
 * server.up / server.down. Checks of the same server go on from where the previous set's were. */
bool health_start(struct health **ret, struct ev_loop *loop, struct pool_set *set, struct error *error) MUST_CHECK;
void health_stop(struct health *health); /* accepts NULL */

#endif
