#include "admin/admin.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "desk.h"
#include "endpoints.h"
#include "guard.h"
#include "router.h"

#include <stdlib.h>

/* How long an endpoint that is given up lets its connections finish. */
#define RETIRE_SECONDS 5

/* --- requests --------------------------------------------------------------------------------- */

static bool may_change(const struct service *service, struct http_request *request)
{
    const char *token = service->admin->endpoints->token;
    if (!guard_is_same_origin(request->origin, request->host)) {
        answer_error(request, 403, "the request comes from a page of another origin");
        return false;
    }
    if (service->local)
        return true;
    if (token == NULL) {
        answer_error(request, 403,
                     "nothing is changed over HTTP without admin.token_file; use the socket");
        return false;
    }
    if (guard_has_token(request->authorization, token))
        return true;
    answer_error(request, 401, "changing something needs Authorization: Bearer and the token");
    return false;
}

static bool may_ask(const struct service *service, const struct route *route,
                    struct http_request *request)
{
    const struct endpoints *endpoints = service->admin->endpoints;
    if (route->any_host || guard_knows_host(request->host, endpoints->hosts, endpoints->host_count))
        return true;
    answer_error(request, 403, "not under this Host; name it in admin.hosts to allow it");
    return false;
}

static void refuse_method(struct http_request *request, const char *allow)
{
    static const char text[] = "{\"error\": \"not with this method\"}\n";
    http_answer(request,
                &(struct http_answer){
                    .status = 405, .type = TYPE_JSON, .allow = allow, .constant = span_text(text)});
}

static void handle(struct http_request *request)
{
    struct service *service = request->context;
    const struct route *route;
    struct route_parts parts;
    char allow[64];
    enum route_verdict verdict = router_find(request->method, request->path, &route, &parts, allow);
    if (verdict == ROUTE_UNKNOWN)
        answer_error(request, 404, "there is nothing at this path");
    else if (!may_ask(service, route, request))
        return;
    else if (verdict == ROUTE_WRONG_METHOD)
        refuse_method(request, allow);
    else if (!router_is_change(route) || may_change(service, request))
        route->handle(service->admin, request, &parts);
}

/* --- services --------------------------------------------------------------------------------- */

static void service_free(struct service *service)
{
    list_remove(&service->link);
    http_close(service->http);
    endpoint_unref(service->endpoint);
    free(service);
}

static void service_open(struct admin *admin, struct endpoint *endpoint)
{
    struct error error = {0};
    struct service *service = calloc(1, sizeof *service);
    struct http_args args = {
        .loop = admin->loop, .fd = endpoint->fd, .handle = handle, .context = service};
    if (service == NULL || !http_open(&service->http, &args, &error)) {
        free(service);
        log_event(LOG_LEVEL_ERROR, "admin.failed", "listen=%s reason=\"%s\"", endpoint->text,
                  error.kind == ERROR_NONE ? "out of memory" : error.text);
        return;
    }
    service->admin = admin;
    service->local = endpoint->local;
    service->endpoint = endpoint_ref(endpoint);
    list_append(&admin->services, &service->link);
}

/* Who is connected may finish: among them whoever asked for the reload that leads here. */
static void service_retire(struct service *service)
{
    struct admin *admin = service->admin;
    http_retire(service->http);
    endpoint_unref(service->endpoint);
    service->endpoint = NULL;
    service->until = ev_now(admin->loop) + RETIRE_SECONDS;
    list_remove(&service->link);
    list_append(&admin->retired, &service->link);
    ev_timer_again(admin->loop, &admin->sweep);
}

static bool has_job(const struct admin *admin, const struct service *service)
{
    LIST_EACH(&admin->jobs, node)
    if (LIST_ENTRY(node, struct job, link)->request->context == service)
        return true;
    return false;
}

static bool may_close(const struct admin *admin, const struct service *service)
{
    if (has_job(admin, service))
        return false;
    return ev_now(admin->loop) >= service->until || http_is_idle(service->http) ||
           (admin->leaving && http_owes_nothing(service->http));
}

static void deliver_left(struct mail *mail, void *owner)
{
    CONTAINER_OF(mail, struct admin, left)->args.on_left(owner);
}

static void tell_left(struct admin *admin)
{
    if (!admin->leaving || admin->left.deliver != NULL)
        return;
    admin->left.deliver = deliver_left;
    mailbox_send(admin->args.mailbox, &admin->left);
}

static void sweep(struct admin *admin)
{
    LIST_EACH(&admin->retired, node)
    if (may_close(admin, LIST_ENTRY(node, struct service, link)))
        service_free(LIST_ENTRY(node, struct service, link));
    if (!list_empty(&admin->retired))
        return;
    ev_timer_stop(admin->loop, &admin->sweep);
    tell_left(admin);
}

static void on_sweep(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    sweep(watcher->data);
}

static bool is_served(const struct admin *admin, const struct endpoint *endpoint)
{
    LIST_EACH(&admin->services, node)
    if (LIST_ENTRY(node, struct service, link)->endpoint == endpoint)
        return true;
    return false;
}

static void follow_endpoints(struct admin *admin)
{
    struct endpoint *wanted[] = {admin->endpoints->local, admin->endpoints->http};
    LIST_EACH(&admin->services, node)
    {
        struct service *service = LIST_ENTRY(node, struct service, link);
        if (service->endpoint != wanted[0] && service->endpoint != wanted[1])
            service_retire(service);
    }
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        if (wanted[i] != NULL && !is_served(admin, wanted[i]))
            service_open(admin, wanted[i]);
}

/* --- mail ------------------------------------------------------------------------------------- */

struct adopt_mail {
    struct mail mail;
    struct snapshot *snapshot;
    struct endpoints *endpoints;
};

static void deliver_adopt(struct mail *mail, void *owner)
{
    struct adopt_mail *adopt = CONTAINER_OF(mail, struct adopt_mail, mail);
    struct admin *admin = owner;
    snapshot_unref(admin->snapshot);
    endpoints_unref(admin->endpoints);
    admin->snapshot = adopt->snapshot;
    admin->endpoints = adopt->endpoints;
    if (admin->running)
        follow_endpoints(admin);
    free(adopt);
}

bool admin_adopt(struct admin *admin, struct snapshot *snapshot, struct endpoints *endpoints)
{
    struct adopt_mail *adopt = calloc(1, sizeof *adopt);
    if (adopt == NULL) {
        snapshot_unref(snapshot);
        endpoints_unref(endpoints);
        return false;
    }
    *adopt = (struct adopt_mail){{.deliver = deliver_adopt}, snapshot, endpoints};
    mailbox_send(&admin->mailbox, &adopt->mail);
    return true;
}

static void deliver_leave(struct mail *mail, void *owner)
{
    (void)mail;
    struct admin *admin = owner;
    admin->leaving = true;
    sweep(admin);
}

void admin_leave(struct admin *admin)
{
    admin->leave.deliver = deliver_leave;
    mailbox_send(&admin->mailbox, &admin->leave);
}

/* The library cannot be stopped while requests wait. */
static void deliver_stop(struct mail *mail, void *owner)
{
    (void)mail;
    struct admin *admin = owner;
    LIST_EACH(&admin->jobs, node)
    answer_error(job_take(LIST_ENTRY(node, struct job, link)), 503, "the gateway stops");
    LIST_EACH(&admin->services, service)
    service_free(LIST_ENTRY(service, struct service, link));
    LIST_EACH(&admin->retired, service)
    service_free(LIST_ENTRY(service, struct service, link));
    ev_timer_stop(admin->loop, &admin->sweep);
    ev_break(admin->loop, EVBREAK_ALL);
}

/* --- life ------------------------------------------------------------------------------------- */

static void *run(void *context)
{
    struct admin *admin = context;
    ev_run(admin->loop, 0);
    return NULL;
}

static bool start_thread(struct admin *admin, struct error *error)
{
    admin->running = true; /* before anyone can look */
    int failure = thread_create(&admin->thread, run, admin);
    if (failure == 0)
        return true;
    admin->running = false;
    return error_system(error, failure, "cannot start the admin thread");
}

bool admin_start(struct admin **ret, const struct admin_args *args, struct error *error)
{
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL)
        return error_memory(error);
    admin->args = *args;
    admin->started_ms = clock_wall_ms();
    list_init(&admin->services);
    list_init(&admin->retired);
    list_init(&admin->jobs);
    admin->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (admin->loop == NULL) {
        free(admin);
        return error_input(error, "cannot make an epoll loop");
    }
    mailbox_start(&admin->mailbox, admin->loop, admin);
    ev_timer_init(&admin->sweep, on_sweep, 0, 0.1);
    admin->sweep.data = admin;
    if (!start_thread(admin, error)) {
        admin_free(admin);
        return false;
    }
    *ret = admin;
    return true;
}

void admin_stop(struct admin *admin)
{
    if (admin == NULL || !admin->running)
        return;
    admin->stop.deliver = deliver_stop;
    mailbox_send(&admin->mailbox, &admin->stop);
    (void)pthread_join(admin->thread, NULL);
    admin->running = false;
}

void admin_free(struct admin *admin)
{
    if (admin == NULL)
        return;
    mailbox_stop(&admin->mailbox);
    snapshot_unref(admin->snapshot);
    endpoints_unref(admin->endpoints);
    ev_loop_destroy(admin->loop);
    free(admin);
}

const char *admin_library(void)
{
    return http_library();
}
