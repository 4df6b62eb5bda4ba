/* pool: servers, and who gets the next session. Knows servers, not clients.
 *
 * Threads    pool_pick(), server_release() and server_note_connect_failure() may be called by any
 *            worker, and so may everything that only looks at a server. A short lock per pool is
 *            taken once when a session is admitted and once per retry, never per message, so that
 *            rotation and least_conn are exact over the whole process. Release is one atomic.
 *            Everything else: control thread.
 * Lifetime   a pool belongs to a set; a set is one configuration's pools and borrows its model. A
 *            server's live state (up, sessions, place in the rotation, health history) is counted
 *            and carried from set to set by pool and server name, as long as its address stays the
 *            same; two sets in use at once rotate as one. Weight and backup are the set's own. */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "base/address.h"
#include "config/model.h"
#include "config/problems.h"

struct pool_set;
struct pool;
struct server;

/* Resolves names (blocking, control thread): one address gives a server of the configured name,
 * several give one server each, NAME/ADDRESS ("db:5432/10.0.0.5:5432"). Reports names that do not
 * resolve and servers that end up with one name. `previous` may be NULL; it is not changed. On
 * false there is at least one error in `problems`. */
bool pool_set_compile(struct pool_set **ret, const struct model *model,
                      const struct pool_set *previous, struct problems *problems) MUST_CHECK;
void pool_set_free(struct pool_set *set); /* accepts NULL; when no session picks from it any more */

struct pool *pool_set_find(const struct pool_set *set, const char *name); /* NULL: no such pool */
unsigned pool_set_count(const struct pool_set *set);
struct pool *pool_set_at(const struct pool_set *set, unsigned at);

const struct model_pool *pool_model(const struct pool *pool);
const char *pool_name(const struct pool *pool);
unsigned pool_server_count(const struct pool *pool);
struct server *pool_server_at(const struct pool *pool, unsigned at); /* no slot taken */
unsigned pool_server_weight(const struct pool *pool, unsigned at);
bool pool_server_is_backup(const struct pool *pool, unsigned at);

/* Picks an eligible server (up, weight > 0; backups only when no other is) that is not among
 * `tried`, and takes a session slot on it. NULL: none. Give the slot back with server_release().
 *
 * round_robin  smooth: weights 5, 1, 1 give a a b a c a a
 * least_conn   fewest sessions per weight; of equals the one whose turn it is */
struct server *pool_pick(struct pool *pool, struct server *const *tried, unsigned tried_count);

/* A server handle is counted: one reference per slot; it outlives its set. */
void server_release(struct server *server);
const char *server_name(const struct server *server);
const char *server_pool_name(const struct server *server);
const struct address *server_address(const struct server *server);
unsigned server_sessions(const struct server *server); /* now, over all workers */
bool server_is_up(const struct server *server);

/* The last thing that went wrong with it, a check or a session's connect; "" for nothing yet. Stays
 * when the server comes back. */
#define SERVER_ERROR_MAX 128
void server_last_error(struct server *server, char text[SERVER_ERROR_MAX]);

/* A session could not connect: only noted, for people; the checks decide who is up. */
void server_note_connect_failure(struct server *server, int number);

/* --- health (control thread's loop) ---------------------------------------------------------- */

struct ev_loop;
struct health;

/* A server has just gone down, or come back. `reason` is a short text, valid during the call.
 * Called from the loop, and by health_start() for a server that was down and is no longer checked.
 * Must not call health_stop(). */
typedef void health_changed(void *context, const struct server *server, bool up,
                            const char *reason);

/* Starts the checks of all servers of the set that have them. Checks of the same server go on from
 * where a previous set's were: stop those in the same turn of the loop. The set must outlive it. */
bool health_start(struct health **ret, struct ev_loop *loop, struct pool_set *set,
                  health_changed *on_change, void *context, struct error *error) MUST_CHECK;
void health_stop(struct health *health); /* accepts NULL */

#endif
