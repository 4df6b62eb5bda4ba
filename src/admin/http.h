/* http: requests in, answers out, on one listening socket. The only place that knows libmicrohttpd.
 *
 * Everything happens in the thread of the loop: nothing of it can hold up a session, and a client
 * that dawdles holds up nobody: requests are read and answers written as far as they go.
 * Bounds (connections within what is kept of descriptors beside the sessions'): HTTP_CLIENTS_MAX
 * connections, HTTP_HEAD_BYTES for the head of a request, HTTP_BODY_BYTES for its body,
 * HTTP_REQUEST_SECONDS until it is whole and HTTP_ANSWER_SECONDS until its answer is taken, however
 * slowly bytes drip. */
#ifndef ADMIN_HTTP_H
#define ADMIN_HTTP_H

#include "base/error.h"
#include "base/text.h"

#include <stdint.h>

#define HTTP_CLIENTS_MAX     24u
#define HTTP_HEAD_BYTES      (16u * 1024u)
#define HTTP_BODY_BYTES      (16u * 1024u)
#define HTTP_REQUEST_SECONDS 5
#define HTTP_ANSWER_SECONDS  60

struct ev_loop;
struct http;

/* One request; valid from `handle` until it is answered. Strings are as the client sent them, NULL
 * where it did not. */
struct http_request {
    const char *method, *path;
    const char *host, *origin, *authorization;
    struct span body;
    void *context; /* http_args.context */
};

/* The value of an argument in the query, NULL: not there. */
const char *http_argument(const struct http_request *request, const char *name);

/* The first argument that is none of these (ended by NULL), or has no value; NULL: there is none.
 */
const char *http_stray_argument(const struct http_request *request, const char *const *names);

struct http_answer {
    unsigned status;
    const char *type;
    const char *allow;    /* of a 405; NULL otherwise */
    struct text *body;    /* its memory is taken over, and the text left empty; NULL: none */
    struct span constant; /* instead of `body`: never freed */
};

struct http_args {
    struct ev_loop *loop;
    int fd; /* stays the caller's */
    /* Called once per request, with all of it. Ends with http_answer() on the request: at once, or
     * later from the same thread. */
    void (*handle)(struct http_request *request);
    void *context;
};

/* Built with libmicrohttpd? */
bool http_is_there(struct error *error) MUST_CHECK;
const char *http_library(void); /* its version; NULL: no */

bool http_open(struct http **ret, const struct http_args *args, struct error *error) MUST_CHECK;
void http_answer(struct http_request *request, const struct http_answer *answer);

/* Takes no new connections. The socket may be closed. */
void http_retire(struct http *http);
bool http_is_idle(const struct http *http); /* no connection is left */

/* Nobody who is connected waits for an answer: each has had one, and has asked nothing since. */
bool http_owes_nothing(const struct http *http);

/* Every request must have been answered. Accepts NULL. */
void http_close(struct http *http);

#endif
