/* desk: the admin thread's state, for the files of this floor, and the jobs on it.
 *
 * A job is a request whose answer comes from another thread. It lives until the last of its mail
 * has come back, however long that takes; the client waits for a bounded time only. */
#ifndef ADMIN_DESK_H
#define ADMIN_DESK_H

#include "admin/admin.h"
#include "http.h"

#include <ev.h>
#include <pthread.h>

/* An endpoint that is served. */
struct service {
    struct list link;
    struct admin *admin;
    struct endpoint *endpoint; /* counted; NULL once retired */
    struct http *http;         /* owned */
    bool local;
    ev_tstamp until; /* retired: closed then at the latest */
};

struct admin {
    struct admin_args args;
    struct ev_loop *loop; /* owned */
    struct mailbox mailbox;
    pthread_t thread;
    bool running;
    struct snapshot *snapshot;   /* counted; the current one */
    struct endpoints *endpoints; /* counted; the current ones */
    struct list services, retired, jobs;
    ev_timer sweep;
    struct mail stop, leave, left;
    bool leaving; /* for good: another process answers from now on */
    uint64_t started_ms;
    unsigned listings; /* lists of sessions, and ledgers, being made */
};

struct job {
    struct list link;
    struct admin *admin;
    struct http_request *request; /* NULL: nobody waits any more */
    ev_timer deadline;
};

/* Nobody waits for longer than this many seconds. */
#define JOB_SECONDS    5
#define RELOAD_SECONDS 120

/* Lists that are being made at a time; whoever asks beyond that is told to come back. */
#define LISTINGS_MAX 4u

void job_begin(struct job *job, struct admin *admin, struct http_request *request, double seconds);

/* From now on. */
void job_set_deadline(struct job *job, double seconds);

/* Ends the waiting: the request to answer, or NULL where it has been answered. */
struct http_request *job_take(struct job *job);

/* --- a job for the control thread ------------------------------------------------------------- */

struct control_job {
    struct job job;
    struct mail mail;
    unsigned status;  /* of the answer */
    struct text body; /* what `work` writes */
    const char *type;
    /* In the control thread. */
    void (*work)(struct control_job *job, const struct snapshot *snapshot, void *owner);
    /* Back in the admin thread, before the answer; may be NULL. */
    void (*complete)(struct control_job *job);
    void *extra; /* owned, freed with free() */
};

/* NULL: no memory, and the request is answered. The rest of the job is the caller's to fill, before
 * control_job_send(). */
struct control_job *control_job_create(struct admin *admin, struct http_request *request,
                                       void (*work)(struct control_job *job,
                                                    const struct snapshot *snapshot, void *owner));
void control_job_send(struct control_job *job);

/* --- arguments -------------------------------------------------------------------------------- */

/* A number of the query; *ret stays where it is not there. false: it is there and is none, and the
 * request is answered. */
bool request_number(struct http_request *request, const char *name, uint64_t *ret) MUST_CHECK;

/* --- answers ---------------------------------------------------------------------------------- */

#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"

/* While a configuration waits to be confirmed a member of a JSON object, with a comma before it:
 * "confirm": {"until": …, "left_s": …, "otherwise": GENERATION}. */
void reload_add_confirm(struct text *t, const struct admin_process *process);

/* POST /v1/reload?dry_run=true */
void preview_begin(struct admin *admin, struct http_request *request);

/* {"error": …} */
void answer_error(struct http_request *request, unsigned status, const char *format, ...)
    PRINTF(3, 4);
void answer_json(struct http_request *request, unsigned status, struct text *body);
void answer_constant(struct http_request *request, unsigned status, const char *type,
                     const char *text);

#endif
