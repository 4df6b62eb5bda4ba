#include "http.h"

#include "base/list.h"

#include <ev.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A client that is silent between two requests, or within one. */
#define IDLE_SECONDS 15u

struct http {
    struct http_args args;
    struct MHD_Daemon *daemon;
    struct list clients;
    ev_io io;
    ev_timer timer; /* what the library waits for */
    ev_timer sweep; /* what it does not: how long things take as a whole */
};

/* A connection. Libmicrohttpd's own timeout starts anew with every byte. */
struct client {
    struct list link;
    int fd;
    ev_tstamp deadline; /* 0: none, we are the ones who are slow */
    bool asking;        /* its request is not whole */
    bool owed;          /* an answer: to its first request, or to another one that has begun */
};

struct request {
    struct http_request shown; /* first: what `handle` gets */
    struct http *http;
    struct MHD_Connection *connection;
    struct client *client;
    struct text body;
    struct MHD_Response *response; /* owned; NULL: not answered yet */
    unsigned status;
    bool begun, too_big, handled, suspended;
};

/* --- the loop --------------------------------------------------------------------------------- */

static void arm(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG ms;
    ev_timer_stop(http->args.loop, &http->timer);
    if (MHD_get_timeout(http->daemon, &ms) != MHD_YES)
        return;
    ev_timer_set(&http->timer, (ev_tstamp)ms / 1000.0, 0);
    ev_timer_start(http->args.loop, &http->timer);
}

static void run(struct http *http)
{
    (void)MHD_run(http->daemon);
    arm(http);
}

static void on_ready(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    run(watcher->data);
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    run(watcher->data);
}

/* An end that comes together with the last bytes is an edge that the library does not look at. */
static bool has_left(const struct client *client)
{
    char byte;
    return client->asking && recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void on_sweep(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)events;
    struct http *http = watcher->data;
    LIST_EACH(&http->clients, node)
    {
        struct client *client = LIST_ENTRY(node, struct client, link);
        bool late = client->deadline != 0 && ev_now(loop) >= client->deadline;
        if (!late && !has_left(client))
            continue;
        (void)shutdown(client->fd, SHUT_RDWR); /* the library finds out, and closes */
        client->deadline = 0;
    }
    run(http);
}

static void set_deadline(const struct http *http, struct client *client, bool asking, int seconds)
{
    client->asking = asking;
    client->deadline = seconds == 0 ? 0 : ev_now(http->args.loop) + seconds;
}

/* --- connections ------------------------------------------------------------------------------ */

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = context;
    struct client *client = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (client != NULL)
            list_remove(&client->link);
        free(client);
        *socket_context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    client = calloc(1, sizeof *client);
    *socket_context = client;
    if (client == NULL || info == NULL) {
        free(client);
        *socket_context = NULL;
        return; /* refused with its first request */
    }
    client->fd = info->connect_fd;
    client->owed = true;
    list_append(&http->clients, &client->link);
    set_deadline(http, client, true, HTTP_REQUEST_SECONDS);
}

static struct client *client_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)MHD_add_response_header(response, name, value);
}

static struct MHD_Response *make_response(const struct http_answer *answer)
{
    struct text *body = answer->body;
    struct MHD_Response *response;
    if (body != NULL && body->failed)
        return NULL;
    if (body != NULL && body->length > 0) {
        response = MHD_create_response_from_buffer(body->length, body->data, MHD_RESPMEM_MUST_FREE);
        if (response != NULL)
            *body = (struct text){0};
    } else {
        response = MHD_create_response_from_buffer(answer->constant.length,
                                                   (void *)(uintptr_t)answer->constant.data,
                                                   MHD_RESPMEM_PERSISTENT);
    }
    if (response == NULL)
        return NULL;
    if (answer->type != NULL)
        add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    if (answer->allow != NULL)
        add_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
    if (answer->status == MHD_HTTP_UNAUTHORIZED)
        add_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "X-Frame-Options", "DENY");
    add_header(response, "Referrer-Policy", "no-referrer");
    add_header(response, "Content-Security-Policy",
               "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
               "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
               "require-trusted-types-for 'script'; trusted-types 'none'");
    return response;
}

void http_answer(struct http_request *shown, const struct http_answer *answer)
{
    struct request *r = (struct request *)shown;
    static const char lost[] = "{\"error\": \"out of memory\"}\n";
    struct http_answer excuse = {.status = MHD_HTTP_INTERNAL_SERVER_ERROR,
                                 .type = "application/json",
                                 .constant = span_text(lost)};
    r->response = make_response(answer);
    r->status = answer->status;
    if (r->response == NULL) {
        r->response = make_response(&excuse);
        r->status = excuse.status;
    }
    if (answer->body != NULL)
        text_release(answer->body);
    if (!r->suspended)
        return;
    r->suspended = false;
    MHD_resume_connection(r->connection);
    ev_feed_event(r->http->args.loop, &r->http->io, EV_READ);
}

static enum MHD_Result send_answer(struct request *r)
{
    if (r->response == NULL)
        return MHD_NO; /* no memory even for the excuse: the connection is closed */
    set_deadline(r->http, r->client, false, HTTP_ANSWER_SECONDS);
    return MHD_queue_response(r->connection, r->status, r->response);
}

/* --- requests --------------------------------------------------------------------------------- */

const char *http_argument(const struct http_request *shown, const char *name)
{
    const struct request *r = (const struct request *)shown;
    return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

struct strays {
    const char *const *names;
    const char *found;
};

static enum MHD_Result look_for_stray(void *context, enum MHD_ValueKind kind, const char *key,
                                      const char *value)
{
    struct strays *strays = context;
    const char *const *name = strays->names;
    (void)kind;
    while (*name != NULL && strcmp(*name, key) != 0)
        name++;
    if (*name != NULL && value != NULL)
        return MHD_YES;
    strays->found = key;
    return MHD_NO;
}

const char *http_stray_argument(const struct http_request *shown, const char *const *names)
{
    const struct request *r = (const struct request *)shown;
    struct strays strays = {.names = names};
    (void)MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, look_for_stray, &strays);
    return strays.found;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static struct request *begin(struct http *http, struct MHD_Connection *connection, const char *path,
                             const char *method)
{
    struct client *client = client_of(connection);
    struct request *r = client == NULL ? NULL : calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->http = http;
    r->connection = connection;
    r->client = client;
    client->owed = true;
    r->shown =
        (struct http_request){.method = method,
                              .path = path,
                              .host = header(connection, MHD_HTTP_HEADER_HOST),
                              .origin = header(connection, MHD_HTTP_HEADER_ORIGIN),
                              .authorization = header(connection, MHD_HTTP_HEADER_AUTHORIZATION),
                              .context = http->args.context};
    return r;
}

static void take_body(struct request *r, const char *bytes, size_t length)
{
    r->too_big = r->too_big || r->body.length + length > HTTP_BODY_BYTES;
    if (!r->too_big)
        text_add_span(&r->body, span_of(bytes, length));
}

static void refuse_size(struct request *r)
{
    static const char text[] = "{\"error\": \"the body is too big\"}\n";
    http_answer(&r->shown, &(struct http_answer){.status = 413,
                                                 .type = "application/json",
                                                 .constant = span_text(text)});
}

static enum MHD_Result handle(struct request *r)
{
    if (!r->handled) {
        r->handled = true;
        set_deadline(r->http, r->client, false, 0);
        r->shown.body = span_of(r->body.data, r->body.length);
        if (r->too_big)
            refuse_size(r);
        else
            r->http->args.handle(&r->shown);
    }
    if (r->response != NULL)
        return send_answer(r);
    r->suspended = true;
    MHD_suspend_connection(r->connection);
    return MHD_YES;
}

/* Called when the head is there, for every part of the body, when all is there, and when a
 * suspended request goes on. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *upload, size_t *upload_size, void **request_context)
{
    (void)version;
    struct request *r = *request_context;
    if (r == NULL) {
        r = *request_context = begin(context, connection, path, method);
        return r == NULL ? MHD_NO : MHD_YES;
    }
    if (*upload_size > 0) {
        take_body(r, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    return handle(r);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    (void)context;
    (void)connection;
    (void)code;
    struct request *r = *request_context;
    if (r == NULL)
        return;
    set_deadline(r->http, r->client, true, (int)IDLE_SECONDS); /* for the next one */
    r->client->owed = false;
    if (r->response != NULL)
        MHD_destroy_response(r->response);
    text_release(&r->body);
    free(r);
    *request_context = NULL;
}

/* Names may have a slash in them: paths are taken apart first, and each part is decoded then. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

/* --- life ------------------------------------------------------------------------------------- */

const char *http_library(void)
{
    return MHD_get_version();
}

bool http_is_there(struct error *error)
{
    (void)error;
    return true;
}

static bool start_daemon(struct http *http)
{
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, http,
        MHD_OPTION_LISTEN_SOCKET, http->args.fd, MHD_OPTION_CONNECTION_LIMIT, HTTP_CLIENTS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEAD_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
        IDLE_SECONDS, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
        NULL, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
    return http->daemon != NULL;
}

bool http_open(struct http **ret, const struct http_args *args, struct error *error)
{
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return error_memory(error);
    http->args = *args;
    list_init(&http->clients);
    if (!start_daemon(http)) {
        free(http);
        return error_input(error, "libmicrohttpd does not start");
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    ev_io_init(&http->io, on_ready, info->epoll_fd, EV_READ);
    ev_timer_init(&http->timer, on_timer, 0, 0);
    ev_timer_init(&http->sweep, on_sweep, 1, 1);
    http->io.data = http->timer.data = http->sweep.data = http;
    ev_io_start(args->loop, &http->io);
    ev_timer_start(args->loop, &http->sweep);
    arm(http);
    *ret = http;
    return true;
}

void http_retire(struct http *http)
{
    (void)MHD_quiesce_daemon(http->daemon);
}

bool http_is_idle(const struct http *http)
{
    return list_empty(&http->clients);
}

static bool is_owed(const struct client *client)
{
    char byte;
    return client->owed || recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool http_owes_nothing(const struct http *http)
{
    LIST_EACH(&http->clients, node)
    if (is_owed(LIST_ENTRY(node, struct client, link)))
        return false;
    return true;
}

void http_close(struct http *http)
{
    if (http == NULL)
        return;
    ev_io_stop(http->args.loop, &http->io);
    ev_timer_stop(http->args.loop, &http->timer);
    ev_timer_stop(http->args.loop, &http->sweep);
    http_retire(http); /* the socket is not ours to close */
    MHD_stop_daemon(http->daemon);
    free(http);
}
