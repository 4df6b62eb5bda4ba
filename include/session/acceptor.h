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
    unsigned workers;      /* that share the sockets: each serves every so-many-th */
    bool managed;          /* the service manager's: never this process's alone */
    bool shared;  /* with another process, which goes on with it: not to be hidden or emptied */
    bool lingers; /* retired, and its sockets may stay open until handshakes have ended */
    dev_t device; /* of a UNIX path, once it is bound: what is unlinked must still be ours */
    ino_t inode;
    unsigned count;
    int fds[]; /* one per worker, if it was opened here; owned, and closed with the last reference
                */
};

/* `among_ours`: sockets of this process hold (a part of) the address already, and may share it.
 * Then it is not asked whether it is free: nobody else can have it but by sharing it, too. */
bool binding_open(struct binding **ret, const char *text, const struct address *wanted,
                  unsigned workers, bool among_ours, struct error *error) MUST_CHECK;

/* For clients that come before an acceptor watches the sockets; later ones get theirs as the
 * listener's snapshot says. */
void binding_set_keepalive(struct binding *binding, const struct keepalive *keepalive);

/* With listening sockets that another process has opened and has still (the descriptors are taken
 * over, on failure, too). A `text` of NULL: the address itself. */
bool binding_inherit(struct binding **ret, const char *text, const int *fds, unsigned count,
                     unsigned workers, bool managed, struct error *error) MUST_CHECK;

/* The other process has left its sockets to this one; those of the service manager stay its own.
 * Control thread. */
void binding_take_over(struct binding *binding);

struct binding *binding_ref(struct binding *binding);
void binding_unref(struct binding *binding); /* accepts NULL */

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
bool bindings_have(const struct bindings *bindings, const struct binding *binding); /* NULL: none */

/* Those that are not in `kept` (NULL: all) get no new clients from now on: before the workers are
 * told to leave them. A UNIX path is free. Control thread. */
void bindings_retire_others(struct bindings *bindings, const struct bindings *kept);

/* Another process has this one's sockets, too, and goes on with them: acceptors leave at once, and
 * what waits is the other's to take. Control thread, before the workers are told. */
void binding_hand_over(struct binding *binding);

/* The worker's acceptors that are not in `bindings` (NULL: all) leave: they take what waits in
 * their sockets, of retired ones also what is still on its way, for the snapshot they had; then
 * they close. */
void acceptors_leave_others(struct engine *engine, const struct bindings *bindings);

/* Points the acceptors of `bindings` to the listeners of the engine's current snapshot; adds new
 * ones. */
bool acceptors_update(struct engine *engine, const struct bindings *bindings) MUST_CHECK;

/* Takes what waits, then closes all listening sockets of the worker, at once. */
void acceptors_close(struct engine *engine);

#endif
