/* worker: one thread with its own loop, mailbox and engine.
 *
 * Everything is asked of it by mail from the control thread; it never waits for anyone. */
#ifndef APP_WORKER_H
#define APP_WORKER_H

#include "base/error.h"
#include "io/mailbox.h"
#include "session/acceptor.h"
#include "session/engine.h"
#include "session/tour.h"

struct worker;

struct worker_args {
    unsigned index;
    struct gauge *gauge;
    struct crew *crew; /* borrowed; NULL: it is the only one */
    struct line_writer *log;
    struct ledger *ledger;
    struct unknowns *unknowns;
    uint64_t epoch;
    unsigned most_pipes;
    struct mailbox *control;         /* is told when a draining worker is empty ... */
    void (*on_empty)(void *owner);   /* ... by this call there, with the mailbox's owner */
    void (*on_trouble)(void *owner); /* likewise: a checked server failed a session; may be NULL */
};

/* Makes the loop and the engine; worker_start() begins the thread. */
bool worker_create(struct worker **ret, const struct worker_args *args,
                   struct error *error) MUST_CHECK;
bool worker_start(struct worker *worker, struct error *error) MUST_CHECK;

/* Mail. Each takes over one reference to what is given. */
bool worker_adopt(struct worker *worker, struct snapshot *snapshot,
                  struct bindings *bindings) MUST_CHECK;
bool worker_set_store(struct worker *worker, struct tls_policy *policy,
                      struct tls_store *store) MUST_CHECK;
bool worker_set_staples(struct worker *worker, struct tls_policy *policy,
                        struct tls_staples *staples) MUST_CHECK;
bool worker_set_trust(struct worker *worker, struct tls_policy *policy,
                      struct tls_trust *trust) MUST_CHECK;
void worker_send_errand(struct worker *worker, struct errand *errand); /* any thread */
bool worker_end_drained(struct worker *worker, struct server *server) MUST_CHECK;
void worker_drain(struct worker *worker);

/* Asks it for a sign of life; false: it has not yet answered the time before. */
bool worker_ask(struct worker *worker) MUST_CHECK;

/* What it has counted; to be read until it is stopped. */
const struct tally *worker_tally(const struct worker *worker);

/* Ends all sessions and the thread, waits for it, frees. Accepts NULL. false: after so long it has
 * not ended yet, and everything that it uses has to stay; to be called again. */
bool worker_stop(struct worker *worker, unsigned patience_ms) MUST_CHECK;

#endif
