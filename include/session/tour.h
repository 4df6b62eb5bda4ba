/* tour: a look at every session of one worker, a few of them per turn of its loop, so that many
 * sessions do not keep those waiting that have something to move.
 *
 * An errand is how another thread asks for it: mail to the worker, run there with its engine. Both
 * lie inside something of the asker's, which owns it again once `done` was called. */
#ifndef SESSION_TOUR_H
#define SESSION_TOUR_H

#include "base/list.h"
#include "io/mailbox.h"

#include <stdint.h>

struct engine;
struct session;

struct errand {
    struct mail mail; /* the worker's to send with */
    void (*run)(struct errand *errand, struct engine *engine);
};

struct tour {
    struct list link; /* the engine's, like the two below */
    struct list *at;
    uint64_t before;
    unsigned per_turn;
    /* May end the session. false: enough was seen. */
    bool (*visit)(struct tour *tour, struct session *session);
    void (*rest)(struct tour *tour); /* a turn's share is done, more follow; may be NULL */
    void (*done)(struct tour *tour);
};

/* Sessions that are there now, in the order in which they came. Tours take place one after another,
 * from the next turn of the loop on. A worker that stops ends them early. */
void tour_start(struct engine *engine, struct tour *tour);

/* For the engine: one turn's share of the first tour; a session leaves the list; the end. */
void tour_take_turn(struct engine *engine);
void tour_forget(struct engine *engine, const struct list *session);
void tour_end_all(struct engine *engine);

#endif
