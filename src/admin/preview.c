/* POST /v1/reload?dry_run=true: what a reload would find and change, and which live sessions would
 * go elsewhere if they came then. The control thread compiles the file; then each worker holds its
 * sessions against that, a few per turn of its loop. Nothing is put in force. */
#include "desk.h"
#include "handlers.h"
#include "session/outlook.h"

#include <inttypes.h>
#include <stdlib.h>

/* A turn's share: to ask rules takes longer than to write a session down. */
#define SESSIONS_PER_TURN 4u

/* Sessions of each kind that are named, where nobody says how many. */
#define NAMED_DEFAULT 100u
#define NAMED_MOST    10000u

struct preview;

/* What one worker finds. It is the worker's until `end` was sent. */
struct part {
    struct errand errand;
    struct tour tour;
    struct mail end;
    struct preview *preview;
    uint64_t counts[OUTLOOK_KINDS];
    struct text named[OUTLOOK_KINDS];
};

struct preview {
    struct job job;
    struct mail mail;          /* to the control thread, and back */
    struct snapshot *snapshot; /* counted; NULL: the file was refused */
    struct text lines, changes;
    uint64_t most, counts[OUTLOOK_KINDS];
    struct text named[OUTLOOK_KINDS];
    unsigned waiting; /* workers that have not come to their end */
    struct part parts[];
};

static void preview_free(struct preview *preview)
{
    for (unsigned i = 0; i < OUTLOOK_KINDS; i++)
        text_release(&preview->named[i]);
    text_release(&preview->lines);
    text_release(&preview->changes);
    snapshot_unref(preview->snapshot);
    preview->job.admin->listings--;
    free(preview);
}

/* --- in a worker ------------------------------------------------------------------------------ */

static void add_member(struct text *t, const char *before, const char *key, const char *value)
{
    text_format(t, "%s\"%s\": ", before, key);
    text_add_json(t, span_text(value));
}

static void add_target(struct text *t, const struct rule *rule, enum tls_action tls)
{
    add_member(t, "{", "rule", rule->model->name);
    if (tls != TLS_ACTION_PLAIN)
        add_member(t, ", ", "tls", tls == TLS_ACTION_TERMINATE ? "terminate" : "passthrough");
    if (rule->model->pool != NULL)
        add_member(t, ", ", "pool", rule->model->pool);
    if (rule->model->reject)
        text_add(t, ", \"reject\": true");
    if (rule->model->redirect)
        text_add(t, ", \"redirect\": \"https\"");
    text_add(t, "}");
}

static void add_session(struct text *t, const struct session *s)
{
    char id[SESSION_ID_MAX], client[ADDRESS_TEXT_MAX] = "unix:";
    struct address address = address_from_ip(&s->client_ip);
    session_format_id(s, id);
    if (address.length != 0)
        address_format(&address, client);
    add_member(t, "{", "id", id);
    add_member(t, ", ", "client", client);
    add_member(t, ", ", "listener", session_model(s)->name);
    if (s->rule == NULL)
        return;
    text_add(t, ", \"now\": ");
    add_target(t, s->rule, outlook_tls(s));
}

static void add_outlook(struct text *t, const struct session *s, const struct outlook *outlook)
{
    add_session(t, s);
    if (outlook->kind == OUTLOOK_UNKNOWN) {
        add_member(t, ", ", "reason", outlook->reason);
        if (outlook->unclear != NULL)
            add_member(t, ", ", "rule", outlook->unclear);
        if (outlook->key != NULL)
            add_member(t, ", ", "key", outlook->key);
    } else if (outlook->rule != NULL) {
        text_add(t, ", \"then\": ");
        add_target(t, outlook->rule, outlook->tls);
    } else {
        add_member(t, ", \"then\": {", "end", outlook->end);
        text_add(t, "}");
    }
    text_add(t, "}");
}

static bool judge(struct tour *tour, struct session *s)
{
    struct part *part = CONTAINER_OF(tour, struct part, tour);
    struct outlook outlook;
    outlook_find(s, part->preview->snapshot, &outlook);
    struct text *named = &part->named[outlook.kind];
    if (part->counts[outlook.kind]++ >= part->preview->most || outlook.kind == OUTLOOK_SAME)
        return true;
    text_add(named, named->length == 0 ? "\n  " : ",\n  ");
    add_outlook(named, s, &outlook);
    return true;
}

static void finish(struct tour *tour)
{
    struct part *part = CONTAINER_OF(tour, struct part, tour);
    mailbox_send(&part->preview->job.admin->mailbox, &part->end);
}

static void begin(struct errand *errand, struct engine *engine)
{
    struct part *part = CONTAINER_OF(errand, struct part, errand);
    part->tour = (struct tour){.per_turn = SESSIONS_PER_TURN, .visit = judge, .done = finish};
    tour_start(engine, &part->tour);
}

/* --- in the control thread -------------------------------------------------------------------- */

static void tell_line(void *context, const char *line)
{
    struct text *t = context;
    text_add(t, t->length == 0 ? "\n  " : ",\n  ");
    text_add_json(t, span_text(line));
}

static void deliver_checked(struct mail *mail, void *owner);

static void deliver_check(struct mail *mail, void *owner)
{
    struct preview *preview = CONTAINER_OF(mail, struct preview, mail);
    struct admin *admin = preview->job.admin;
    preview->snapshot =
        admin->args.control.check(owner, tell_line, &preview->lines, &preview->changes);
    mail->deliver = deliver_checked;
    mailbox_send(&admin->mailbox, mail);
}

/* --- in the admin thread ---------------------------------------------------------------------- */

static void add_list(struct text *t, const char *key, const struct text *items)
{
    text_format(t, ",\n\"%s\": [%s%s]", key, items->length > 0 ? items->data : "",
                items->length > 0 ? "\n" : "");
    t->failed = t->failed || items->failed;
}

static void answer_refused(struct http_request *request, const struct preview *preview)
{
    struct text t = {0};
    text_add(&t, "{\"error\": \"the configuration would be refused\"");
    add_list(&t, "errors", &preview->lines);
    text_add(&t, "}\n");
    answer_json(request, 422, &t);
}

static void answer_found(struct http_request *request, const struct preview *preview)
{
    const uint64_t *counts = preview->counts;
    struct text t = {0};
    text_format(&t, "{\"dry_run\": true, \"generation\": %" PRIu64,
                preview->job.admin->snapshot->generation);
    add_list(&t, "warnings", &preview->lines);
    if (preview->changes.length > 0)
        text_format(&t, ",\n%s", preview->changes.data);
    text_format(&t,
                ",\n\"sessions\": {\"live\": %" PRIu64 ", \"same\": %" PRIu64
                ", \"other\": %" PRIu64 ", \"unknown\": %" PRIu64 "}",
                counts[OUTLOOK_SAME] + counts[OUTLOOK_OTHER] + counts[OUTLOOK_UNKNOWN],
                counts[OUTLOOK_SAME], counts[OUTLOOK_OTHER], counts[OUTLOOK_UNKNOWN]);
    add_list(&t, "other", &preview->named[OUTLOOK_OTHER]);
    add_list(&t, "unknown", &preview->named[OUTLOOK_UNKNOWN]);
    text_add(&t, "}\n");
    answer_json(request, 200, &t);
}

/* The first `most` items of a list, each of which begins with the only line break in it. */
static struct span cut(const struct text *list, uint64_t most)
{
    size_t length = 0;
    for (; length < list->length; length++)
        if (list->data[length] == '\n' && most-- == 0)
            return span_of(list->data, length > 0 ? length - 1 : 0); /* without the comma */
    return span_of(list->data, length);
}

/* Each worker has named as many as may be named in all. */
static void take_named(struct preview *preview, struct part *part, unsigned kind)
{
    struct text *all = &preview->named[kind], *named = &part->named[kind];
    uint64_t most = preview->most, before = preview->counts[kind];
    if (named->length > 0 && !named->failed && before < most) {
        text_add(all, all->length == 0 ? "" : ",");
        text_add_span(all, cut(named, most - before));
    }
    all->failed = all->failed || named->failed;
    preview->counts[kind] += part->counts[kind];
    text_release(named);
}

static void deliver_end(struct mail *mail, void *owner)
{
    (void)owner;
    struct part *part = CONTAINER_OF(mail, struct part, end);
    struct preview *preview = part->preview;
    for (unsigned i = 0; i < OUTLOOK_KINDS; i++)
        take_named(preview, part, i);
    if (--preview->waiting > 0)
        return;
    struct http_request *request = job_take(&preview->job);
    if (request != NULL)
        answer_found(request, preview);
    preview_free(preview);
}

static void ask_workers(struct preview *preview)
{
    const struct admin_args *args = &preview->job.admin->args;
    preview->waiting = args->worker_count;
    for (unsigned i = 0; i < args->worker_count; i++) {
        struct part *part = &preview->parts[i];
        part->preview = preview;
        part->errand.run = begin;
        part->end.deliver = deliver_end;
        args->send_errand(args->context, i, &part->errand);
    }
}

static void deliver_checked(struct mail *mail, void *owner)
{
    (void)owner;
    struct preview *preview = CONTAINER_OF(mail, struct preview, mail);
    if (preview->snapshot != NULL && preview->job.request != NULL) {
        ask_workers(preview);
        return;
    }
    struct http_request *request = job_take(&preview->job);
    if (request != NULL)
        answer_refused(request, preview);
    preview_free(preview);
}

void preview_begin(struct admin *admin, struct http_request *request)
{
    uint64_t most = NAMED_DEFAULT;
    if (!request_number(request, "limit", &most))
        return;
    if (admin->listings >= LISTINGS_MAX) {
        answer_error(request, 503, "enough lists of sessions are being made; ask again");
        return;
    }
    struct preview *preview =
        calloc(1, sizeof *preview + admin->args.worker_count * sizeof preview->parts[0]);
    if (preview == NULL) {
        answer_error(request, 500, "out of memory");
        return;
    }
    preview->most = most < NAMED_MOST ? most : NAMED_MOST;
    preview->mail.deliver = deliver_check;
    admin->listings++;
    job_begin(&preview->job, admin, request, RELOAD_SECONDS);
    mailbox_send(admin->args.mailbox, &preview->mail);
}
