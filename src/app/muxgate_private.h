/* muxgate, inside: what the parts of the control thread share. */
#ifndef APP_MUXGATE_PRIVATE_H
#define APP_MUXGATE_PRIVATE_H

#include "app/muxgate.h"

#include "admin/admin.h"
#include "app/demo.h"
#include "app/notify.h"
#include "app/predecessors.h"
#include "app/renewal.h"
#include "app/upgrade.h"
#include "app/watchdog.h"
#include "app/worker.h"

struct muxgate {
    const struct options *options; /* borrowed */
    struct ev_loop *loop;          /* owned; the control thread's */
    struct mailbox mailbox;
    ev_signal signals[5];
    ev_timer drain_timer, rescue_timer;
    uint64_t descriptors;
    struct demo *demo;         /* owned; NULL without --demo */
    struct snapshot *snapshot; /* counted; the current one */
    struct bindings *bindings; /* counted; the current ones */
    struct line_writer *log;   /* owned */
    struct ledger *ledger;     /* owned */
    struct gauge gauge;
    struct crew *crew;       /* owned */
    struct worker **workers; /* owned */
    unsigned worker_count, empty_workers;
    struct health *health;       /* owned; of the current snapshot */
    struct renewal *renewal;     /* likewise */
    struct names *names;         /* likewise */
    struct drains *drains;       /* owned */
    struct endpoints *endpoints; /* counted; the current ones */
    struct admin *admin;         /* owned; NULL as long as no configuration asked for it */
    struct admin_process process;
    struct notifier notifier;
    struct notifier left; /* once an heir is the main process: that of this one, which is silent */
    struct watchdog watchdog;
    struct heir heir;
    struct upgrade *upgrade; /* owned; NULL: none is under way, and none was done */
    struct predecessors predecessors;
    bool draining, ending;
    bool reload_due;   /* a HUP came while an heir was starting */
    bool told_to_stop; /* by a signal, not by an heir */
    /* After the crash of an heir that served: another is being started, with these. */
    bool rescuing;
    unsigned rescues; /* tried so far */
    struct bindings *rescued;
    struct endpoints *rescued_admin; /* counted; NULL: none */
};

const struct model *muxgate_model(const struct muxgate *m); /* of the current snapshot */

/* --- what a new snapshot sets in motion ------------------------------------------------------- */

void muxgate_set_limits(struct muxgate *m);
void muxgate_start_attendants(struct muxgate *m); /* in place of those of the snapshot before */
bool muxgate_hand_out(struct muxgate *m); /* to all workers; false: memory is out for some */
bool muxgate_follow_admin(struct muxgate *m, struct error *error) MUST_CHECK;
void muxgate_reopen_log(struct muxgate *m);

/* --- succession.c -------------------------------------------------------------------------------
 */

void muxgate_stop(struct muxgate *m);    /* TERM: drains; a second time: ends */
void muxgate_upgrade(struct muxgate *m); /* USR2 */
void muxgate_on_worker_empty(void *owner);
void muxgate_watch_predecessors(struct muxgate *m);

/* A reload leaves those bindings of `before` that are not in `now`. */
void muxgate_tell_predecessors(const struct muxgate *m, const struct bindings *before,
                               const struct bindings *now);

/* --- reload.c --------------------------------------------------------------------------------- */

/* Takes the file's configuration, or keeps the running one and says why. `tell` gets each line that
 * speaks against it; `changes` what changed, as members of a JSON object. Both may be NULL. */
bool muxgate_reload(struct muxgate *m, void (*tell)(void *context, const char *line), void *context,
                    struct text *changes);

/* The same for an admin_process; owner: the muxgate. */
bool muxgate_reload_for_admin(void *owner, void (*tell)(void *context, const char *line),
                              void *context, struct text *changes);

#endif
