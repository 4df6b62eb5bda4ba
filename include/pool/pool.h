/* pool: servers, and who gets the next session. Knows servers, not clients.
 *
 * Threads    pool_pick(), server_release() and server_note_connect_failure() may be called by any
 *            worker, and so may everything that only looks at a server. A short lock per pool is
 *            taken once when a session is admitted and once per retry, never per message, so that
 *            rotation and least_conn are exact over the whole process. Release is one atomic, while
 *            nobody waits.
 *            Everything else: control thread.
 * Lifetime   a pool belongs to a set; a set is one configuration's pools and borrows its model.
 *            What a pool's name keeps from set to set is shared by all sets that have it: the lock,
 *            the rotation, and the *view*, the servers that sessions are given now. A view never
 *            changes; the control thread builds another and puts it in its place whenever a set is
 *            published, an item's addresses change or a weight is set. So sessions of an older
 *            configuration get the servers of the newest one.
 * Servers    are the same as long as pool, item and address are: then up, sessions, health history,
 *            place in the rotation and what an operator has set go on. The name may change: an
 *            item's only server has no suffix. One that leaves the view
 *            gets no new sessions; those it has live on and stay counted, also if it comes back.
 * Queue      where every server that could serve a session is at its max_sessions, the session may
 *            wait: first come, first served, over all workers and all sets that have the pool.
 * Operators  a state or weight set at run time holds over reloads until the configuration of that
 *            very state or weight is changed; then the configuration counts again. */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "base/address.h"
#include "base/list.h"
#include "config/model.h"
#include "config/problems.h"

struct pool_set;
struct tls_client;
struct pool;
struct server;

/* Resolves names (blocking, control thread): one address gives a server of the configured name,
 * several give one server each, NAME/ADDRESS ("db:5432/10.0.0.5:5432"). Reports names that do not
 * resolve and servers that end up with one name. `previous`, the published set, may be NULL; it is
 * not changed, nor is anything that its sessions see. On false there is at least one error in
 * `problems`. */
bool pool_set_compile(struct pool_set **ret, const struct model *model,
                      const struct pool_set *previous, struct problems *problems) MUST_CHECK;

/* From now on this set's servers get the sessions, those of earlier sets too. Pools that it does
 * not have lose nobody but new sessions. Once per set (see below); cannot fail. */
void pool_set_publish(struct pool_set *set);

/* For a published set that may have to come back after another has been in its place:
 * pool_set_remember() before that one is published, then pool_set_prepare_again() (which may fail,
 * and be tried again) and pool_set_publish(), or pool_set_forget(). It comes back with the servers,
 * addresses, states and weights that it had; what an operator has set meanwhile holds as over a
 * reload. */
bool pool_set_remember(struct pool_set *set, struct error *error) MUST_CHECK;
bool pool_set_prepare_again(struct pool_set *set, struct error *error) MUST_CHECK;
void pool_set_forget(struct pool_set *set);

void pool_set_free(struct pool_set *set); /* accepts NULL; when no session picks from it any more */

struct pool *pool_set_find(const struct pool_set *set, const char *name); /* NULL: no such pool */
unsigned pool_set_count(const struct pool_set *set);
struct pool *pool_set_at(const struct pool_set *set, unsigned at);

/* Called at the end of every later change of this published set's servers: addresses, weights,
 * states. One observer; NULL takes it away. Not called by pool_set_publish(). */
typedef void pool_changed(void *context, struct pool *pool);
void pool_set_observe(struct pool_set *set, pool_changed *on_change, void *context);

const struct model_pool *pool_model(const struct pool *pool);
const char *pool_name(const struct pool *pool);
struct tls_client *pool_tls(const struct pool *pool); /* NULL: servers are spoken to in plain */

/* The view: a published set's as it is now, else what it will be. Control thread. */
unsigned pool_server_count(const struct pool *pool);
struct server *pool_server_at(const struct pool *pool, unsigned at); /* no slot taken */
unsigned pool_server_item(const struct pool *pool, unsigned at);     /* of model->servers */
unsigned pool_server_weight(const struct pool *pool, unsigned at);   /* the effective one */
bool pool_server_is_backup(const struct pool *pool, unsigned at);
unsigned pool_server_max_sessions(const struct pool *pool, unsigned at);    /* 0: no limit */
struct server *pool_find_server(const struct pool *pool, const char *name); /* NULL: none */

/* --- changes at run time (control thread) ----------------------------------------------------- */

/* One server of an item of the configuration. */
struct pool_address {
    struct address address;
    const char *suffix; /* its name is ITEM/SUFFIX; NULL: ITEM */
    const char *host;   /* its host name in normal form; NULL: the item's */
    unsigned weight;    /* 0 to 256; what an operator set goes first */
    bool backup;
};

/* The item (its place in model->servers) consists of these servers from now on. Those that stay
 * keep their state. `count` may be 0. On false (memory, two servers of one name) nothing changed;
 * the text names no place. */
bool pool_update_addresses(struct pool *pool, unsigned item, const struct pool_address *found,
                           size_t count, struct error *error) MUST_CHECK;

void pool_set_server_state(struct pool *pool, struct server *server, enum server_state state);
/* 0 to 256. False: out of memory, nothing changed. */
bool pool_set_server_weight(struct pool *pool, struct server *server, unsigned weight,
                            struct error *error) MUST_CHECK;

/* --- picking ---------------------------------------------------------------------------------- */

/* What is known of a session. Spans are empty where it is not; `source` may be NULL. */
struct pool_key {
    const struct ip_address *source;
    struct span sni, fix_sender;
};

/* Picks an eligible server (up, ready, weight > 0, below its max_sessions; backups only when no
 * other is) that is not among `tried`, and takes a session slot on it. NULL: none, or others wait
 * for it. Give the slot back with server_release().
 *
 * round_robin  smooth: weights 5, 1, 1 give a a b a c a a
 * least_conn   fewest sessions per weight; of equals the one whose turn it is
 * random2      two at random, by weight; of them the one with fewer sessions per weight
 * hash         by the key's fact that the pool goes by, where it has none by its source (the whole
 *              address): see src/pool/maglev.h
 *
 * With slow_start the weight of a server that came up, was made ready or joined the pool grows to
 * its whole over that time; hash goes by whole weights. */
struct server *pool_pick(struct pool *pool, const struct pool_key *key, struct server *const *tried,
                         unsigned tried_count);

/* One session that waits for a slot: the first group is the caller's, the rest the pool's. It stays
 * where it is, with all that it points to, until it was granted a slot or has left. */
struct pool_waiter {
    struct pool_key key;
    struct server *const *tried;
    unsigned tried_count;
    /* Once, from any thread, under the pool's lock: may send mail, and nothing else. */
    void (*granted)(struct pool_waiter *waiter);

    struct list link;
    struct server *server; /* the slot, once granted */
};

enum pool_wait {
    POOL_WAIT_GRANTED, /* at once: the slot is there, granted() is not called */
    POOL_WAIT_QUEUED,
    POOL_WAIT_REFUSED, /* there is no queue, it is full, or nobody is eligible but for his limit */
};

/* For who was given no server by pool_pick(). */
enum pool_wait pool_wait(struct pool *pool, struct pool_waiter *waiter) MUST_CHECK;

/* Leaves the queue. False: the slot was granted before, and is the caller's to give back. */
bool pool_leave(struct pool *pool, struct pool_waiter *waiter) MUST_CHECK;

unsigned pool_waiting(const struct pool *pool); /* now; any thread */

/* A server handle is counted: one reference per slot; it outlives its set. */
void server_release(struct server *server);
void server_ref(struct server *server); /* without a slot; any thread */
void server_unref(struct server *server);
const char *server_name(const struct server *server);
const char *server_pool_name(const struct server *server);
const struct address *server_address(const struct server *server);
const char *server_host(const struct server *server);  /* in normal form; NULL: only an address */
unsigned server_sessions(const struct server *server); /* now, over all workers */
bool server_is_up(const struct server *server);
enum server_state server_state(const struct server *server);

/* The last thing that went wrong with it, a check or a session's connect; "" for nothing yet. Stays
 * when the server comes back. */
#define SERVER_ERROR_MAX 128
void server_last_error(struct server *server, char text[SERVER_ERROR_MAX]);

/* What sessions meet counts towards the health check's `fall` (and is shown by
 * server_last_error()). true: the server is checked, and the control thread should weigh it with
 * health_look(). Any worker.
 *
 *   failure  no connection, for this reason: of `what` ("connect", "tls") why
 *   reset    the server reset before its first byte; `provoked`: behind bytes of the client's
 *   connected, answer: take back what was noted of the one and the other */
bool server_note_failure(struct server *server, const char *what, const char *why);
bool server_note_connect_failure(struct server *server, int number);
bool server_note_reset(struct server *server, bool provoked);
void server_note_connected(struct server *server);
void server_note_answer(struct server *server);

/* --- draining (control thread's loop) --------------------------------------------------------- */

struct ev_loop;
struct drains;

/* The pool's drain_timeout has passed since this server was drained, put into maintenance or taken
 * out: what sessions it still has are to be ended. */
typedef void drain_due(void *context, struct server *server);

bool drains_create(struct drains **ret, struct ev_loop *loop, drain_due *on_due, void *context,
                   struct error *error) MUST_CHECK;
void drains_free(struct drains *drains); /* accepts NULL */

/* Looks who is leaving: after every change of the pool (pool_set_observe()), and after the
 * publication of a set, when servers of pools that it does not have any more leave, too. */
void drains_follow(struct drains *drains, const struct pool *pool);
void drains_follow_set(struct drains *drains, const struct pool_set *set,
                       const struct pool_set *previous);

/* --- health (control thread's loop) ---------------------------------------------------------- */

struct health;

/* A server has just gone down, or come back. `reason` is a short text, valid during the call.
 * Called from the loop, and by health_start() for a server that was down and is no longer checked.
 * Must not call health_stop(). */
typedef void health_changed(void *context, const struct server *server, bool up,
                            const char *reason);

/* Sessions have noted failures: takes down who has too many, and checks early who may. Accepts
 * NULL. */
void health_look(struct health *health);

/* Starts the checks of all servers of the published set that have them. Checks of the same server
 * go on from where a previous set's were: stop those in the same turn of the loop. The set must
 * outlive it. */
bool health_start(struct health **ret, struct ev_loop *loop, struct pool_set *set,
                  health_changed *on_change, void *context, struct error *error) MUST_CHECK;

/* The servers of this pool of the set have changed: follows them (see pool_set_observe()). A server
 * whose check cannot be started for want of memory is left unchecked. */
void health_follow(struct health *health, const struct pool *pool);
void health_stop(struct health *health); /* accepts NULL */

#endif
