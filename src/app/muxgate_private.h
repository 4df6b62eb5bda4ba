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

/* A configuration that may come back. */
struct previous {
    struct snapshot *snapshot;   /* counted; NULL: there is none */
    struct bindings *spare;      /* counted; binder_spare() of its bindings */
    struct endpoints *endpoints; /* counted; without sockets: they have its token */
    ev_timer timer;              /* until it comes back */
};

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
    struct unknowns *unknowns; /* owned */
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
    struct previous previous; /* while the current configuration waits to be confirmed */
    uint64_t generations;     /* numbers given so far */
    bool draining, ending;
    bool reload_due;   /* a HUP came while an heir was starting */
    bool admin_leaves; /* an heir answers its clients, but for those who have asked here already */
    bool told_to_stop; /* by a signal, not by an heir */
    /* After the crash of an heir that served: another is being started, with these. */
    bool rescuing;
    unsigned rescues;    /* tried in a row */
    uint64_t rescued_us; /* when the last one served; 0: none did */
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
void muxgate_on_admin_left(void *owner);
void muxgate_watch_predecessors(struct muxgate *m);

/* A reload leaves those bindings of `before` that are not in `now`. */
void muxgate_tell_predecessors(const struct muxgate *m, const struct bindings *before,
                               const struct bindings *now);

/* --- reload.c --------------------------------------------------------------------------------- */

/* What is asked of a reload; {0}: what HUP asks. */
struct reload {
    uint64_t confirm_ms; /* it is to be confirmed within that time; 0: it holds at once */
    /* Gets each line that speaks against it. NULL: nobody. */
    void (*tell)(void *context, const char *line);
    void *context;
    struct text
        *changes; /* what changed, as members of a JSON object, is added. NULL: to nothing */
};

/* Takes the file's configuration, or keeps the running one and says why. */
enum admin_reload muxgate_reload(struct muxgate *m, const struct reload *reload);

/* The same for an admin_process; owner: the muxgate. */
enum admin_reload muxgate_reload_for_admin(void *owner, uint64_t confirm_ms,
                                           void (*tell)(void *context, const char *line),
                                           void *context, struct text *changes);

/* Likewise, for a dry run. */
struct snapshot *muxgate_check_for_admin(void *owner, void (*tell)(void *context, const char *line),
                                         void *context, struct text *changes);

/* What a reload is made of. */
struct change {
    struct snapshot *snapshot;
    struct bindings *bindings;
    struct endpoints *endpoints;
};

/* Takes it as a whole, and all of its references. What changed is added to `summary`, and as
 * members of a JSON object to `changes` (NULL: to nothing). false: memory is out for some workers.
 */
bool muxgate_commit(struct muxgate *m, const struct change *change, struct text *summary,
                    struct text *changes) MUST_CHECK;
#define INCOMPLETE " incomplete=\"out of memory\"" /* what the log has to say then */

/* --- confirm.c -------------------------------------------------------------------------------- */

void muxgate_init_confirm(struct muxgate *m);

/* Before a change takes the place of the running configuration: keeps what that one would need to
 * come back. false: it could not. */
bool muxgate_keep_previous(struct muxgate *m, struct previous *ret, const struct change *change,
                           struct error *error) MUST_CHECK;
void previous_release(struct previous *previous); /* accepts {0} */

/* The other one has taken its place: it comes back after that time. Takes `previous` over. */
void muxgate_await_confirm(struct muxgate *m, const struct previous *previous, uint64_t ms);
bool muxgate_awaits_confirm(const struct muxgate *m);
bool muxgate_confirm(void *owner); /* the muxgate. false: nothing waits */

/* What waits is neither confirmed nor taken back; harmless where nothing waits. */
void muxgate_drop_previous(struct muxgate *m, const char *reason);

#endif
