/* engine: what the sessions of one worker share: its loop, scratch memory, pipes, lists, log ring.
 *
 * One per worker thread, touched by no other thread; other threads send mail to the worker, which
 * calls in here. A generation is the worker's own hold on a snapshot: it counts the sessions that
 * began with it without touching memory that other workers touch. */
#ifndef SESSION_ENGINE_H
#define SESSION_ENGINE_H

#include "base/list.h"
#include "base/text.h"
#include "inspect/facts.h"
#include "io/line_writer.h"
#include "io/pipes.h"
#include "ledger/ledger.h"
#include "session/crew.h"
#include "session/departures.h"
#include "session/limits.h"
#include "session/log_line.h"
#include "session/relay.h"
#include "session/snapshot.h"
#include "session/tally.h"
#include "session/turns.h"
#include "tls/client.h"

#include <ev.h>

/* One read at most, except in bulk; also the most that inspection ever looks at. */
#define SCRATCH_BYTES (64u * 1024u)

/* ... and in bulk. As records it fits into twice what the kernel sends as one (64 KB and the
 * heads): a little more would be a third send, of that little. */
#define BULK_BYTES (126u * 1024u)

struct mailbox;
struct refusals;

struct generation {
    struct list link;
    struct snapshot *snapshot;      /* counted */
    size_t holders;                 /* its sessions, and acceptors that still take some */
    struct tally_traffic **traffic; /* owned; rows of the tally, by the place of the listener */
};

struct engine_args {
    unsigned index; /* of the worker */
    struct ev_loop *loop;
    struct mailbox *mailbox;   /* borrowed; the worker's */
    struct gauge *gauge;       /* borrowed; the process's */
    struct crew *crew;         /* borrowed; NULL: it is alone */
    struct line_writer *log;   /* borrowed */
    struct ledger *ledger;     /* borrowed; NULL: there is none */
    struct unknowns *unknowns; /* likewise */
    uint64_t epoch;            /* makes session ids differ from those of other processes */
    unsigned most_pipes;
    void (*on_empty)(void *context);   /* draining, and the last session has ended */
    void (*on_trouble)(void *context); /* a checked server failed a session; NULL: nobody asks */
    void *context;
};

struct engine {
    struct engine_args args;
    struct ev_loop *loop;
    struct generation *current; /* NULL before the first snapshot and after stopping */
    struct list generations, acceptors, sessions, doomed;
    struct list handshakes;        /* sessions whose handshake waits for its turn */
    struct turns turns;            /* ... and when that is */
    struct gather *gather;         /* owned; sessions that are read from at the end of the turn */
    struct departures *departures; /* owned; ... or connected to their server */
    bool departing;                /* ... which happens now */
    struct list again;             /* sessions with input inside that nobody will announce */
    ev_async bell;                 /* a limit that others share has changed */
    struct list tours;             /* looks at all sessions, asked for by others */
    struct tally *tally;           /* owned */
    ev_prepare turn;               /* before the loop sleeps: queues, then reaping */
    ev_idle restless;              /* active while a queue is not empty: the loop does not sleep */
    unsigned char *scratch;        /* BULK_BYTES; one read lives here until it is written */
    unsigned char *work;           /* STREAM_WORK_BYTES */
    unsigned char *hello_scratch;  /* CLIENT_HELLO_MAX */
    struct facts *facts;
    struct span heard; /* what a look found in the kernel, while it is carried out; in `scratch` */
    const struct relay_moved *moved; /* for the session at work, beforehand; NULL: nothing was */
    struct pipes *pipes;
    struct tls_sessions *tls_sessions; /* owned; to resume with servers */
    struct refusals *refusals;         /* owned */
    struct log_values values;          /* of the log line being written, */
    struct text line;                  /* and the line itself, */
    enum line_form line_form;          /* in this form */
    uint64_t next_id;
    size_t session_count;
    bool draining;
};

bool engine_create(struct engine **ret, const struct engine_args *args) MUST_CHECK;
void engine_free(struct engine *engine); /* accepts NULL; no session is left */

struct bindings;

/* New sessions begin with this snapshot from now on (takes over one reference), on these sockets.
 */
bool engine_adopt(struct engine *engine, struct snapshot *snapshot,
                  struct bindings *bindings) MUST_CHECK;

/* No new sessions: what waits in the listening sockets is still taken, then they are closed. */
void engine_drain(struct engine *engine);

/* Ends every session now. */
void engine_end_all(struct engine *engine, enum end_reason reason);

/* Ends the sessions that this server has, because its drain is over. */
struct server;
void engine_end_drained(struct engine *engine, const struct server *server);

/* A handshake costs as much as fifty small messages, so that they take turns, first come first
 * served: see session/turns.h. */
void engine_queue_handshake(struct engine *engine, struct list *session);

/* What a relay needs of this worker. */
static inline struct relay_tools engine_relay_tools(const struct engine *engine)
{
    return (struct relay_tools){.scratch = engine->scratch,
                                .scratch_size = SCRATCH_BYTES,
                                .bulk_size = BULK_BYTES,
                                .work = engine->work,
                                .pipes = engine->pipes};
}

/* In the next turn, whatever else is ready then. */
void engine_queue_again(struct engine *engine, struct list *session);

/* Something waits for the end of this turn, or of the next one: that comes without an event. */
void engine_stay_awake(struct engine *engine);

/* For sessions and acceptors: counts one in and out of a generation. */
void engine_enter_generation(struct generation *generation);
void engine_leave_generation(struct engine *engine, struct generation *generation);

#endif
