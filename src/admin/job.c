#include "desk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- answers ---------------------------------------------------------------------------------- */

void answer_json(struct http_request *request, unsigned status, struct text *body)
{
    http_answer(request, &(struct http_answer){.status = status, .type = TYPE_JSON, .body = body});
}

void answer_constant(struct http_request *request, unsigned status, const char *type,
                     const char *text)
{
    http_answer(request,
                &(struct http_answer){.status = status, .type = type, .constant = span_text(text)});
}

void answer_error(struct http_request *request, unsigned status, const char *format, ...)
{
    char text[480];
    struct text body = {0};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_add(&body, "{\"error\": ");
    text_add_json(&body, span_text(text));
    text_add(&body, "}\n");
    answer_json(request, status, &body);
}

/* --- arguments -------------------------------------------------------------------------------- */

bool request_number(struct http_request *request, const char *name, uint64_t *ret)
{
    const char *text = http_argument(request, name);
    if (text == NULL)
        return true;
    size_t length = strlen(text);
    if (length == 0 || length > 18 || strspn(text, "0123456789") != length) {
        answer_error(request, 400, "%s is a number", name);
        return false;
    }
    *ret = strtoull(text, NULL, 10);
    return true;
}

/* --- jobs ------------------------------------------------------------------------------------- */

static void on_deadline(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    struct http_request *request = job_take(watcher->data);
    if (request != NULL)
        answer_error(request, 503, "the gateway is busy; it may still do what was asked");
}

void job_begin(struct job *job, struct admin *admin, struct http_request *request, double seconds)
{
    job->admin = admin;
    job->request = request;
    list_append(&admin->jobs, &job->link);
    ev_timer_init(&job->deadline, on_deadline, seconds, 0);
    job->deadline.data = job;
    ev_timer_start(admin->loop, &job->deadline);
}

void job_set_deadline(struct job *job, double seconds)
{
    ev_timer_stop(job->admin->loop, &job->deadline);
    ev_timer_set(&job->deadline, seconds, 0);
    ev_timer_start(job->admin->loop, &job->deadline);
}

struct http_request *job_take(struct job *job)
{
    struct http_request *request = job->request;
    job->request = NULL;
    list_remove(&job->link);
    ev_timer_stop(job->admin->loop, &job->deadline);
    return request;
}

/* --- a job for the control thread ------------------------------------------------------------- */

static void deliver_back(struct mail *mail, void *owner)
{
    (void)owner;
    struct control_job *job = CONTAINER_OF(mail, struct control_job, mail);
    struct http_request *request = job_take(&job->job);
    if (request != NULL && job->complete != NULL)
        job->complete(job);
    if (request != NULL)
        http_answer(request, &(struct http_answer){
                                 .status = job->status, .type = job->type, .body = &job->body});
    text_release(&job->body);
    free(job->extra);
    free(job);
}

static void deliver_work(struct mail *mail, void *owner)
{
    struct control_job *job = CONTAINER_OF(mail, struct control_job, mail);
    struct admin *admin = job->job.admin;
    job->work(job, admin->args.control.current(owner), owner);
    mail->deliver = deliver_back;
    mailbox_send(&admin->mailbox, mail);
}

struct control_job *control_job_create(struct admin *admin, struct http_request *request,
                                       void (*work)(struct control_job *job,
                                                    const struct snapshot *snapshot, void *owner))
{
    struct control_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        answer_error(request, 500, "out of memory");
        return NULL;
    }
    job->status = 200;
    job->type = TYPE_JSON;
    job->work = work;
    job->mail.deliver = deliver_work;
    job_begin(&job->job, admin, request, JOB_SECONDS);
    return job;
}

void control_job_send(struct control_job *job)
{
    mailbox_send(job->job.admin->args.mailbox, &job->mail);
}
