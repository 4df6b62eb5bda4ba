/* router: from a request to the row of routes.def that answers it. */
#ifndef ADMIN_ROUTER_H
#define ADMIN_ROUTER_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

struct admin;
struct http_request;

#define ROUTE_PARTS_MAX 2u

/* What stood where the path has `*`, decoded. */
struct route_parts {
    char text[ROUTE_PARTS_MAX][512];
};

typedef void route_handler(struct admin *admin, struct http_request *request,
                           const struct route_parts *parts);

struct route {
    const char *method, *path;
    bool any_host;
    route_handler *handle;
};

enum route_verdict { ROUTE_FOUND, ROUTE_UNKNOWN, ROUTE_WRONG_METHOD };

/* *ret_allow (of a wrong method): what the path would answer to, "GET, HEAD". HEAD is answered like
 * GET; leaving the body out is the library's. */
enum route_verdict router_find(const char *method, const char *path, const struct route **ret,
                               struct route_parts *ret_parts, char ret_allow[64]);

/* What would change something. */
bool router_is_change(const struct route *route);

/* "%2F" → "/"; false where it is malformed, has a NUL in it, is empty or does not fit. */
bool router_decode(char *ret, size_t size, const char *text, size_t length) MUST_CHECK;

size_t router_count(void);
const struct route *router_at(size_t i);

#endif
