/* The ledger, as its own thread tells it. */
#include "desk.h"
#include "handlers.h"

#include <stdlib.h>

struct question {
    struct job job;
    struct mail mail;
    bool plain; /* only who still comes in plain */
    bool kept;
    struct text body;
};

static void deliver_answer(struct mail *mail, void *owner)
{
    struct admin *admin = owner;
    struct question *question = CONTAINER_OF(mail, struct question, mail);
    struct http_request *request = job_take(&question->job);
    if (request != NULL && question->kept)
        answer_json(request, 200, &question->body);
    else if (request != NULL)
        answer_error(request, 404, "no ledger is kept; the key \"ledger\" says where");
    text_release(&question->body);
    admin->listings--;
    free(question);
}

/* In the ledger's thread. */
static void deliver_question(struct mail *mail, void *owner)
{
    struct question *question = CONTAINER_OF(mail, struct question, mail);
    struct admin *admin = question->job.admin;
    question->kept = ledger_describe(owner, question->plain, &question->body);
    mail->deliver = deliver_answer;
    mailbox_send(&admin->mailbox, mail);
}

/* *ret_plain: `comes=plain` */
static bool read_filter(const struct http_request *request, bool *ret_plain)
{
    const char *comes = http_argument(request, "comes");
    *ret_plain = comes != NULL && strcmp(comes, "plain") == 0;
    return comes == NULL || *ret_plain;
}

void answer_ledger(struct admin *admin, struct http_request *request,
                   const struct route_parts *parts)
{
    (void)parts;
    bool plain;
    if (!read_filter(request, &plain)) {
        answer_error(request, 400, "comes is \"plain\", or left out");
        return;
    }
    if (admin->listings >= LISTINGS_MAX) {
        answer_error(request, 503, "too many lists are being made; ask again later");
        return;
    }
    struct question *question = calloc(1, sizeof *question);
    if (question == NULL) {
        answer_error(request, 500, "out of memory");
        return;
    }
    question->plain = plain;
    question->mail.deliver = deliver_question;
    admin->listings++;
    job_begin(&question->job, admin, request, JOB_SECONDS);
    ledger_send(admin->args.ledger, &question->mail);
}
