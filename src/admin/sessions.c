/* The sessions: each worker tells of its own, a few per turn of its loop, and ends the one it is
 * asked to end. */
#include "base/log.h"
#include "desk.h"
#include "handlers.h"
#include "session/record.h"
#include "session/session.h"

#include <inttypes.h>
#include <stdlib.h>

/* A turn's share: about a quarter of a millisecond. */
#define SESSIONS_PER_TURN 64u

/* To compare a number is much cheaper. */
#define IDS_PER_TURN 4096u

/* --- the list --------------------------------------------------------------------------------- */

struct listing;

/* What one worker does for it, and the mail with which it says that it has done so. */
struct part {
    struct errand errand;
    struct tour tour;
    struct mail end;
    struct listing *listing;
    struct chunk *chunk; /* being filled; owned */
    uint64_t given;
};

/* Some sessions on their way to the admin thread. */
struct chunk {
    struct mail mail;
    struct listing *listing;
    struct text text;
    unsigned count;
    size_t ends[SESSIONS_PER_TURN];
};

struct listing {
    struct job job;
    unsigned waiting;    /* workers that have not come to their end */
    uint64_t generation; /* 0: all */
    uint64_t most, count;
    char contains[256]; /* "": all */
    struct text body;
    struct part parts[]; /* one per worker */
};

static void deliver_chunk(struct mail *mail, void *owner)
{
    (void)owner;
    struct chunk *chunk = CONTAINER_OF(mail, struct chunk, mail);
    struct listing *listing = chunk->listing;
    size_t from = 0;
    for (unsigned i = 0; i < chunk->count && listing->count < listing->most; i++) {
        text_add(&listing->body, listing->count++ == 0 ? "[\n" : ",\n");
        text_add_span(&listing->body, span_of(chunk->text.data + from, chunk->ends[i] - from));
        from = chunk->ends[i];
    }
    listing->body.failed = listing->body.failed || chunk->text.failed;
    text_release(&chunk->text);
    free(chunk);
}

static void deliver_end(struct mail *mail, void *owner)
{
    struct admin *admin = owner;
    struct listing *listing = CONTAINER_OF(mail, struct part, end)->listing;
    if (--listing->waiting > 0)
        return;
    struct http_request *request = job_take(&listing->job);
    text_add(&listing->body, listing->count == 0 ? "[]\n" : "\n]\n");
    if (request != NULL)
        answer_json(request, 200, &listing->body);
    text_release(&listing->body);
    admin->listings--;
    free(listing);
}

/* In the worker's thread, up to the end. */
static void send_chunk(struct part *part)
{
    struct chunk *chunk = part->chunk;
    part->chunk = NULL;
    if (chunk != NULL)
        mailbox_send(&part->listing->job.admin->mailbox, &chunk->mail);
}

static bool start_chunk(struct part *part)
{
    if (part->chunk == NULL)
        part->chunk = calloc(1, sizeof *part->chunk);
    if (part->chunk == NULL)
        return false;
    part->chunk->mail.deliver = deliver_chunk;
    part->chunk->listing = part->listing;
    return true;
}

static bool is_wanted(const struct listing *listing, const struct text *text, size_t from)
{
    size_t length = strlen(listing->contains);
    return !text->failed && (length == 0 || memmem(text->data + from, text->length - from,
                                                   listing->contains, length) != NULL);
}

static bool tell_session(struct tour *tour, struct session *s)
{
    struct part *part = CONTAINER_OF(tour, struct part, tour);
    const struct listing *listing = part->listing;
    if (listing->generation != 0 && s->generation->snapshot->generation != listing->generation)
        return true;
    if (!start_chunk(part))
        return false;
    struct chunk *chunk = part->chunk;
    size_t from = chunk->text.length;
    record_describe(s, &chunk->text);
    if (!is_wanted(listing, &chunk->text, from)) {
        chunk->text.length = from;
        return true;
    }
    chunk->ends[chunk->count++] = chunk->text.length;
    return ++part->given < listing->most;
}

static void rest(struct tour *tour)
{
    send_chunk(CONTAINER_OF(tour, struct part, tour));
}

static void finish(struct tour *tour)
{
    struct part *part = CONTAINER_OF(tour, struct part, tour);
    send_chunk(part);
    mailbox_send(&part->listing->job.admin->mailbox, &part->end);
}

static void begin(struct errand *errand, struct engine *engine)
{
    struct part *part = CONTAINER_OF(errand, struct part, errand);
    part->tour = (struct tour){
        .per_turn = SESSIONS_PER_TURN, .visit = tell_session, .rest = rest, .done = finish};
    tour_start(engine, &part->tour);
}

static bool read_contains(struct http_request *request, char ret[256])
{
    const char *text = http_argument(request, "contains");
    if (text == NULL || text[0] == '\0' || router_decode(ret, 256, text, strlen(text)))
        return true;
    answer_error(request, 400, "contains is a text of at most 255 bytes");
    return false;
}

void answer_sessions(struct admin *admin, struct http_request *request,
                     const struct route_parts *parts)
{
    (void)parts;
    struct listing asked = {.most = UINT64_MAX};
    if (!request_number(request, "generation", &asked.generation) ||
        !request_number(request, "limit", &asked.most) || !read_contains(request, asked.contains))
        return;
    if (admin->listings >= LISTINGS_MAX) {
        answer_error(request, 503, "enough lists of sessions are being made; ask again");
        return;
    }
    unsigned workers = admin->args.worker_count;
    struct listing *listing = calloc(1, sizeof *listing + workers * sizeof listing->parts[0]);
    if (listing == NULL) {
        answer_error(request, 500, "out of memory");
        return;
    }
    *listing = asked;
    listing->waiting = workers;
    admin->listings++;
    job_begin(&listing->job, admin, request, JOB_SECONDS);
    for (unsigned i = 0; i < workers; i++) {
        struct part *part = &listing->parts[i];
        part->listing = listing;
        part->errand.run = begin;
        part->end.deliver = deliver_end;
        admin->args.send_errand(admin->args.context, i, &part->errand);
    }
}

/* --- ending one ------------------------------------------------------------------------------- */

struct kill {
    struct job job;
    struct errand errand;
    struct tour tour;
    struct mail back;
    uint64_t epoch, number;
    char id[SESSION_ID_MAX];
    bool found;
};

static bool look_for_it(struct tour *tour, struct session *s)
{
    struct kill *kill = CONTAINER_OF(tour, struct kill, tour);
    if (s->id == kill->number && s->engine->args.epoch == kill->epoch) {
        kill->found = true;
        session_end(s, END_killed);
    }
    return s->id < kill->number;
}

static void kill_is_done(struct tour *tour)
{
    struct kill *kill = CONTAINER_OF(tour, struct kill, tour);
    mailbox_send(&kill->job.admin->mailbox, &kill->back);
}

static void begin_kill(struct errand *errand, struct engine *engine)
{
    struct kill *kill = CONTAINER_OF(errand, struct kill, errand);
    kill->tour =
        (struct tour){.per_turn = IDS_PER_TURN, .visit = look_for_it, .done = kill_is_done};
    tour_start(engine, &kill->tour);
}

static void deliver_killed(struct mail *mail, void *owner)
{
    (void)owner;
    struct kill *kill = CONTAINER_OF(mail, struct kill, back);
    struct http_request *request = job_take(&kill->job);
    if (kill->found)
        log_event(LOG_LEVEL_INFO, "session.kill", "id=%s", kill->id);
    if (request != NULL && kill->found)
        http_answer(request, &(struct http_answer){.status = 204});
    else if (request != NULL)
        answer_error(request, 404, "no session has this id");
    free(kill);
}

/* EPOCH-WORKER-NUMBER, each in hexadecimal. */
static bool parse_id(const char *id, uint64_t ret[3])
{
    for (int i = 0; i < 3; i++) {
        size_t length = strspn(id, "0123456789abcdef");
        if (length == 0 || length > 16 || id[length] != (i < 2 ? '-' : '\0'))
            return false;
        ret[i] = strtoull(id, NULL, 16);
        id += length + 1;
    }
    return true;
}

void answer_kill(struct admin *admin, struct http_request *request, const struct route_parts *parts)
{
    uint64_t id[3];
    if (!parse_id(parts->text[0], id) || id[1] >= admin->args.worker_count) {
        answer_error(request, 404, "no session has this id");
        return;
    }
    struct kill *kill = calloc(1, sizeof *kill);
    if (kill == NULL) {
        answer_error(request, 500, "out of memory");
        return;
    }
    kill->epoch = id[0];
    kill->number = id[2];
    (void)snprintf(kill->id, sizeof kill->id, "%.*s", (int)sizeof kill->id - 1, parts->text[0]);
    kill->errand.run = begin_kill;
    kill->back.deliver = deliver_killed;
    job_begin(&kill->job, admin, request, JOB_SECONDS);
    admin->args.send_errand(admin->args.context, (unsigned)id[1], &kill->errand);
}
