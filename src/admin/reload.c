/* POST /v1/reload and what belongs to it. */
#include "base/clock.h"
#include "base/confirm.h"
#include "desk.h"
#include "handlers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- the answer ------------------------------------------------------------------------------- */

/* What the control thread says of a reload. */
struct reload_job {
    uint64_t confirm_ms;
    size_t begun;   /* of the body: the lines that are told stand behind that */
    char last[512]; /* of them */
};

static void tell_line(void *context, const char *line)
{
    struct control_job *job = context;
    struct reload_job *reload = job->extra;
    struct text *t = &job->body;
    text_add(t, t->data[t->length - 1] == '[' ? "\n  " : ",\n  ");
    text_add_json(t, span_text(line));
    (void)snprintf(reload->last, sizeof reload->last, "%s", line);
}

void reload_add_confirm(struct text *t, const struct admin_process *process)
{
    char until[CLOCK_TEXT_MAX];
    uint64_t until_ms = atomic_load(&process->confirm_by_ms), now_ms = clock_wall_ms();
    if (until_ms == 0)
        return;
    clock_format(until_ms, until);
    text_format(t,
                ", \"confirm\": {\"until\": \"%s\", \"left_s\": %" PRIu64
                ", \"otherwise\": %" PRIu64 "}",
                until, until_ms > now_ms ? (until_ms - now_ms + 999) / 1000 : 0,
                atomic_load(&process->confirm_or));
}

/* What was told of a configuration that was taken, are warnings. */
static void tell_done(struct control_job *job, void *owner, const struct text *changes)
{
    const struct admin_args *args = &job->job.admin->args;
    const struct reload_job *reload = job->extra;
    struct text t = {.failed = job->body.failed};
    bool warned = !t.failed && job->body.length > reload->begun;
    text_format(&t, "{\"generation\": %" PRIu64, args->control.current(owner)->generation);
    reload_add_confirm(&t, args->process);
    text_format(&t, ", \"warnings\": [%s%s]%s%s}\n", warned ? job->body.data + reload->begun : "",
                warned ? "\n" : "", changes->length > 0 ? ", " : "",
                changes->length > 0 ? changes->data : "");
    text_release(&job->body);
    job->body = t;
}

static void tell_error(struct control_job *job, const char *why)
{
    text_clear(&job->body);
    text_add(&job->body, "{\"error\": ");
    text_add_json(&job->body, span_text(why));
    text_add(&job->body, "}\n");
}

static void work_reload(struct control_job *job, const struct snapshot *snapshot, void *owner)
{
    (void)snapshot;
    const struct admin_control *control = &job->job.admin->args.control;
    struct reload_job *reload = job->extra;
    struct text changes = {0};
    text_add(&job->body,
             "{\"error\": \"the configuration was refused; the old one runs on\", \"errors\": [");
    if (job->body.failed) {
        job->status = 500;
        return;
    }
    reload->begun = job->body.length;
    enum admin_reload result = control->reload(owner, reload->confirm_ms, tell_line, job, &changes);
    job->status = result == ADMIN_RELOAD_DONE ? 200 : result == ADMIN_RELOAD_REFUSED ? 422 : 409;
    if (result == ADMIN_RELOAD_DONE)
        tell_done(job, owner, &changes);
    else if (result == ADMIN_RELOAD_REFUSED)
        text_add(&job->body, "\n]}\n");
    else
        tell_error(job, reload->last);
    text_release(&changes);
}

/* --- requests --------------------------------------------------------------------------------- */

/* Whoever asks for a dry run, or a trial, and errs in a word, must not get a reload for good. */
static bool is_understood(struct http_request *request)
{
    static const char *const names[] = {"confirm", "dry_run", "limit", NULL};
    const char *stray = http_stray_argument(request, names);
    const char *dry_run = http_argument(request, "dry_run");
    if (stray != NULL)
        answer_error(request, 400,
                     "there are dry_run=true, limit=N and confirm=TIME, not \"%.80s\"", stray);
    else if (dry_run != NULL && strcmp(dry_run, "true") != 0)
        answer_error(request, 400, "dry_run is true");
    else if (dry_run != NULL && http_argument(request, "confirm") != NULL)
        answer_error(request, 400, "dry_run and confirm do not go together");
    else if (dry_run == NULL && http_argument(request, "limit") != NULL)
        answer_error(request, 400, "limit goes with dry_run=true");
    else if (request->body.length > 0)
        answer_error(request, 400,
                     "a reload takes no body (confirm and the like are arguments of "
                     "its path: /v1/reload?confirm=60s)");
    else
        return true;
    return false;
}

static bool read_confirm(struct http_request *request, uint64_t *ret_ms)
{
    const char *text = http_argument(request, "confirm");
    if (text == NULL)
        return true;
    if (duration_parse(ret_ms, span_text(text)) && confirm_may_last(*ret_ms))
        return true;
    answer_error(request, 400, "confirm is a duration from 1s to 1d");
    return false;
}

void answer_reload(struct admin *admin, struct http_request *request,
                   const struct route_parts *parts)
{
    (void)parts;
    uint64_t confirm_ms = 0;
    if (!is_understood(request) || !read_confirm(request, &confirm_ms))
        return;
    if (http_argument(request, "dry_run") != NULL) {
        preview_begin(admin, request);
        return;
    }
    struct reload_job *reload = calloc(1, sizeof *reload);
    if (reload == NULL) {
        answer_error(request, 500, "out of memory");
        return;
    }
    reload->confirm_ms = confirm_ms;
    struct control_job *job = control_job_create(admin, request, work_reload);
    if (job == NULL) {
        free(reload);
        return;
    }
    job->extra = reload;
    job_set_deadline(&job->job, RELOAD_SECONDS);
    control_job_send(job);
}

static void work_confirm(struct control_job *job, const struct snapshot *snapshot, void *owner)
{
    if (job->job.admin->args.control.confirm(owner)) {
        text_format(&job->body, "{\"generation\": %" PRIu64 "}\n", snapshot->generation);
        return;
    }
    job->status = 409;
    tell_error(job, "nothing waits to be confirmed");
}

void answer_confirm(struct admin *admin, struct http_request *request,
                    const struct route_parts *parts)
{
    (void)parts;
    struct control_job *job = control_job_create(admin, request, work_confirm);
    if (job != NULL)
        control_job_send(job);
}
