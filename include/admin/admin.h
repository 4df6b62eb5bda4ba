/* admin: the administration interface (SPEC §5): a thread of its own that speaks HTTP on a UNIX
 * socket and on TCP, and asks the other threads for what only they know.
 *
 * Threads    every call below is the control thread's. The admin thread reads the workers' tallies
 *            whenever it likes; everything else it asks for by mail: the control thread for pools,
 *            certificates, changes and reloads, a worker for its sessions, a few per turn of its
 *            loop. Nobody waits for the admin thread, and it waits for nobody: a request whose
 *            answer is late is answered without it.
 * Lifetime   admin_stop() ends the thread, while answers may still be on their way to it;
 *            admin_free(), once workers are gone and the control thread's mail is delivered, takes
 *            those. */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "admin/endpoints.h"
#include "io/line_writer.h"
#include "io/mailbox.h"
#include "ledger/ledger.h"
#include "session/snapshot.h"
#include "session/tour.h"

struct admin;

/* What the app tells about the process; written by the control thread. */
struct admin_process {
    _Atomic bool draining;
    _Atomic uint64_t reloads_done, reloads_failed, reloads_reverted;
    /* While a configuration waits to be confirmed: until when, in milliseconds since 1970 (else 0),
     * and the generation that comes back otherwise. */
    _Atomic uint64_t confirm_by_ms, confirm_or;
};

enum admin_reload {
    ADMIN_RELOAD_DONE,
    ADMIN_RELOAD_REFUSED, /* the configuration is not good, or the process about to end */
    ADMIN_RELOAD_CONFLICT /* another one waits to be confirmed */
};

/* What the control thread is asked for, with the owner of its mailbox. */
struct admin_control {
    const struct snapshot *(*current)(void *owner);
    /* Like HUP. Each line that was printed is told (of a conflict, why); of one that is taken they
     * are warnings, and when it is done, members
     * of a JSON object ("summary", "changes") are added to `changes`. The configuration before
     * comes back after `confirm_ms`, unless confirm() is called; 0: never. */
    enum admin_reload (*reload)(void *owner, uint64_t confirm_ms,
                                void (*tell)(void *context, const char *line), void *context,
                                struct text *changes);
    bool (*confirm)(void *owner); /* false: nothing waits for it */
    /* What a reload would take, with one reference: to look at, and never to be put in force. Tells
     * and adds likewise, and prints nothing; NULL: it would be refused. */
    struct snapshot *(*check)(void *owner, void (*tell)(void *context, const char *line),
                              void *context, struct text *changes);
};

struct admin_args {
    const char *version;
    struct mailbox *mailbox; /* the control thread's */
    struct admin_control control;
    unsigned worker_count;
    /* Sends an errand to a worker; any thread. */
    void (*send_errand)(void *context, unsigned worker, struct errand *errand);
    const struct tally *(*tally)(void *context, unsigned worker);
    void *context;
    const struct admin_process *process;
    const struct gauge *gauge;
    const struct line_writer *log;
    struct ledger *ledger;
    struct unknowns *unknowns;
    void (*on_left)(void *owner); /* see admin_leave(); control thread */
};

bool admin_start(struct admin **ret, const struct admin_args *args, struct error *error) MUST_CHECK;

/* From now on this configuration, on these endpoints. Takes over one reference to each. On false
 * (memory) things stay as they are. */
bool admin_adopt(struct admin *admin, struct snapshot *snapshot,
                 struct endpoints *endpoints) MUST_CHECK;

/* After endpoints without any were adopted, as another process has them: on_left() follows, once,
 * as soon as everybody who is connected has got what he has asked for, or will not ask. */
void admin_leave(struct admin *admin);

void admin_stop(struct admin *admin); /* accepts NULL */
void admin_free(struct admin *admin); /* accepts NULL; after admin_stop() */

/* The version of the library that it is built with; NULL: it is not built in. */
const char *admin_library(void);

#endif
