/* acceptor: takes connections from the listening sockets of one worker.
 *
 * A binding is one address of the configuration, with one SO_REUSEPORT socket per worker (of a UNIX
 * address: one socket, duplicated). It is opened by the control thread, counted, and kept across
 * reloads: a worker's acceptor follows it from snapshot to snapshot.
 *
 * Out of descriptors or memory: connections are shed (accepted and reset, with a descriptor kept in
 * reserve for it), accepting pauses and tries again; nothing spins. */
#ifndef SESSION_ACCEPTOR_H
#define SESSION_ACCEPTOR_H

#include "base/address.h"
#include "base/list.h"
#include "session/snapshot.h"

#include <stdatomic.h>
#include <sys/types.h>

struct engine;

struct binding {
    _Atomic unsigned references;
    char *text;            /* as configured: the key over reloads; owned */
    struct address actual; /* with the port that was chosen for port 0 */
    unsigned workers;
    dev_t device; /* of a UNIX path, once it is bound: what is unlinked must still be ours */
    ino_t inode;
    _Atomic int fds[]; /* one per worker; -1 once that worker's acceptor has taken it */
};

/* `among_ours`: sockets of this process hold (a part of) the address already, and may share it.
 * Then it is not asked whether it is free: nobody else can have it but by sharing it, too. */
bool binding_open(struct binding **ret, const char *text, const struct address *wanted,
                  unsigned workers, bool among_ours, struct error *error) MUST_CHECK;

/* For the sockets that no acceptor has taken yet: clients that come before it does get theirs from
 * here, later ones as the listener's snapshot says. */
void binding_set_keepalive(struct binding *binding, const struct keepalive *keepalive);

struct binding *binding_ref(struct binding *binding);
void binding_unref(struct binding *binding); /* accepts NULL; closes sockets nobody took */

/* The bindings of one snapshot: which address leads to which of its listeners. Counted. */
struct bound_listener {
    struct binding *binding; /* counted */
    size_t listener;         /* index in the snapshot */
};

struct bindings {
    _Atomic unsigned references;
    size_t count;
    struct bound_listener item[];
};

struct bindings *bindings_create(size_t count); /* NULL: out of memory; items are zeroed */
struct bindings *bindings_ref(struct bindings *bindings);
void bindings_unref(struct bindings *bindings); /* accepts NULL */

/* Closes the worker's acceptors that are not in `bindings`, taking what waits in them first. */
void acceptors_close_others(struct engine *engine, const struct bindings *bindings);

/* Points the acceptors of `bindings` to the listeners of the engine's current snapshot; adds new
 * ones. */
bool acceptors_update(struct engine *engine, const struct bindings *bindings) MUST_CHECK;

/* Takes what waits, then closes all listening sockets of the worker. */
void acceptors_close(struct engine *engine);

#endif
