/* http without libmicrohttpd: there is none, and the key in the file is refused. */
#include "http.h"

const char *http_library(void)
{
    return NULL;
}

bool http_is_there(struct error *error)
{
    return error_input(error, "this muxgate was built without it (configure --with-admin)");
}

bool http_open(struct http **ret, const struct http_args *args, struct error *error)
{
    (void)ret;
    (void)args;
    return http_is_there(error);
}

const char *http_argument(const struct http_request *request, const char *name)
{
    (void)request;
    (void)name;
    return NULL;
}

const char *http_stray_argument(const struct http_request *request, const char *const *names)
{
    (void)request;
    (void)names;
    return NULL;
}

void http_answer(struct http_request *request, const struct http_answer *answer)
{
    (void)request;
    text_release(answer->body);
}

void http_retire(struct http *http)
{
    (void)http;
}

bool http_is_idle(const struct http *http)
{
    (void)http;
    return true;
}

bool http_owes_nothing(const struct http *http)
{
    (void)http;
    return true;
}

void http_close(struct http *http)
{
    (void)http;
}
