#include "router.h"

#include "handlers.h"

#include <string.h>

#define ANY  true
#define OURS false

static const struct route routes[] = {
#define ROUTE(method, path, host, handler) {#method, path, host, handler},
#include "routes.def"
#undef ROUTE
};

size_t router_count(void)
{
    return COUNT_OF(routes);
}

const struct route *router_at(size_t i)
{
    return &routes[i];
}

bool router_is_change(const struct route *route)
{
    return strcmp(route->method, "GET") != 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool router_decode(char *ret, size_t size, const char *text, size_t length)
{
    size_t at = 0;
    for (size_t i = 0; i < length; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            if (length - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
                return false;
            c = hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]);
            i += 2;
        }
        if (c == 0 || at + 1 >= size)
            return false;
        ret[at++] = (char)c;
    }
    ret[at] = '\0';
    return at > 0;
}

static bool matches(const char *pattern, const char *path, struct route_parts *parts)
{
    for (unsigned count = 0; *pattern != '\0'; pattern++) {
        if (*pattern != '*') {
            if (*pattern != *path++)
                return false;
            continue;
        }
        size_t length = strcspn(path, "/");
        if (count == ROUTE_PARTS_MAX ||
            !router_decode(parts->text[count], sizeof parts->text[count], path, length))
            return false;
        count++;
        path += length;
    }
    return *path == '\0';
}

static void add_method(char ret_allow[64], const char *method)
{
    if (ret_allow[0] != '\0')
        (void)strncat(ret_allow, ", ", 63 - strlen(ret_allow));
    (void)strncat(ret_allow, method, 63 - strlen(ret_allow));
    if (strcmp(method, "GET") == 0)
        (void)strncat(ret_allow, ", HEAD", 63 - strlen(ret_allow));
}

enum route_verdict router_find(const char *method, const char *path, const struct route **ret,
                               struct route_parts *ret_parts, char ret_allow[64])
{
    bool known = false;
    ret_allow[0] = '\0';
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (!matches(routes[i].path, path, ret_parts))
            continue;
        known = true;
        *ret = &routes[i];
        if (strcmp(routes[i].method, method) == 0)
            return ROUTE_FOUND;
        add_method(ret_allow, routes[i].method);
    }
    return known ? ROUTE_WRONG_METHOD : ROUTE_UNKNOWN;
}
