#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct address address_of(const struct sockaddr *any, socklen_t length)
{
    struct address a = {0};
    if (length > sizeof a.storage)
        length = sizeof a.storage;
    memcpy(&a.storage, any, length);
    a.length = length;
    address_normalise(&a);
    return a;
}

static struct address from_v4(struct in_addr ip, uint16_t port)
{
    struct address a = {.length = sizeof a.v4};
    a.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = ip, .sin_port = htons(port)};
    return a;
}

static struct address from_v6(struct in6_addr ip, uint16_t port)
{
    struct address a = {.length = sizeof a.v6};
    a.v6 =
        (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = ip, .sin6_port = htons(port)};
    return a;
}

void address_normalise(struct address *a)
{
    if (a->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
        return;
    struct in_addr ip;
    memcpy(&ip, a->v6.sin6_addr.s6_addr + 12, sizeof ip);
    *a = from_v4(ip, ntohs(a->v6.sin6_port));
}

bool address_is_loopback(const struct address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohl(a->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return a->any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

bool address_is_ip(const struct address *a)
{
    return a->length > 0 && (a->any.sa_family == AF_INET || a->any.sa_family == AF_INET6);
}

/* inet_pton() wants a NUL; false where the bytes do not fit an address's text. */
static bool parse_ip(int family, struct span text, void *ret)
{
    char copy[INET6_ADDRSTRLEN];
    if (text.length == 0 || text.length >= sizeof copy ||
        memchr(text.data, '\0', text.length) != NULL)
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return inet_pton(family, copy, ret) == 1;
}

bool address_parse_ip(struct address *ret, struct span text)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (parse_ip(AF_INET, text, &v4)) {
        *ret = from_v4(v4, 0);
        return true;
    }
    if (text.length > 2 && text.data[0] == '[' && text.data[text.length - 1] == ']')
        text = span_of(text.data + 1, text.length - 2);
    if (!parse_ip(AF_INET6, text, &v6))
        return false;
    *ret = from_v6(v6, 0);
    address_normalise(ret);
    return true;
}

static bool parse_port(uint16_t *ret, struct span text)
{
    uint32_t port = 0;
    if (text.length == 0 || text.length > 5)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(text.data[i] - '0');
    }
    *ret = (uint16_t)port;
    return port <= 65535;
}

static bool parse_local(struct address *ret, struct span path, struct error *error)
{
    bool abstract = path.length > 0 && path.data[0] == '@';
    if (path.length < (abstract ? 2u : 1u))
        return error_input(error, "a UNIX address needs a path (write \"unix:/run/app.sock\")");
    if (path.length >= sizeof ret->local.sun_path)
        return error_input(error, "the UNIX path is longer than %zu bytes",
                           sizeof ret->local.sun_path - 1);
    *ret = (struct address){0};
    ret->local.sun_family = AF_UNIX;
    memcpy(ret->local.sun_path, path.data, path.length);
    if (abstract)
        ret->local.sun_path[0] = '\0';
    /* An abstract name is as long as the length says; a path carries its NUL. */
    ret->length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.length + (abstract ? 0 : 1));
    return true;
}

bool address_parse(struct address *ret, struct span text, struct error *error)
{
    if (span_begins(text, span_text("unix:")))
        return parse_local(ret, span_skip(text, 5), error);
    size_t colon = text.length;
    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    uint16_t port;
    if (colon == 0 || !parse_port(&port, span_skip(text, colon)))
        return error_input(error, "expected ADDRESS:PORT with a port from 0 to 65535");
    struct span host = span_first(text, colon - 1);
    bool bracketed = host.length > 0 && host.data[0] == '[';
    struct address parsed;
    if (!address_parse_ip(&parsed, host))
        return error_input(error, "\"%.*s\" is no IP address",
                           (int)(host.length > 100 ? 100 : host.length), (const char *)host.data);
    if (!bracketed && memchr(host.data, ':', host.length) != NULL)
        return error_input(error, "an IPv6 address is written in brackets (\"[::1]:80\")");
    address_set_port(&parsed, port);
    *ret = parsed;
    return true;
}

static void format_local(const struct address *a, char text[ADDRESS_TEXT_MAX])
{
    size_t length = a->length - offsetof(struct sockaddr_un, sun_path);
    const char *path = a->local.sun_path;
    if (a->length <= offsetof(struct sockaddr_un, sun_path))
        (void)snprintf(text, ADDRESS_TEXT_MAX, "unix:");
    else if (path[0] == '\0')
        (void)snprintf(text, ADDRESS_TEXT_MAX, "unix:@%.*s", (int)length - 1, path + 1);
    else
        (void)snprintf(text, ADDRESS_TEXT_MAX, "unix:%.*s", (int)strnlen(path, length), path);
}

void address_format_ip(const struct address *a, char text[ADDRESS_TEXT_MAX])
{
    text[0] = '\0';
    if (a->length == 0)
        return;
    if (a->any.sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &a->v4.sin_addr, text, ADDRESS_TEXT_MAX);
    else if (a->any.sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &a->v6.sin6_addr, text, ADDRESS_TEXT_MAX);
    else if (a->any.sa_family == AF_UNIX)
        format_local(a, text);
}

void address_format(const struct address *a, char text[ADDRESS_TEXT_MAX])
{
    char ip[ADDRESS_TEXT_MAX];
    if (!address_is_ip(a)) {
        address_format_ip(a, text);
        return;
    }
    address_format_ip(a, ip);
    if (a->any.sa_family == AF_INET6)
        (void)snprintf(text, ADDRESS_TEXT_MAX, "[%.60s]:%u", ip, address_port(a));
    else
        (void)snprintf(text, ADDRESS_TEXT_MAX, "%.60s:%u", ip, address_port(a));
}

uint16_t address_port(const struct address *a)
{
    if (a->length == 0)
        return 0;
    if (a->any.sa_family == AF_INET)
        return ntohs(a->v4.sin_port);
    return a->any.sa_family == AF_INET6 ? ntohs(a->v6.sin6_port) : 0;
}

void address_set_port(struct address *a, uint16_t port)
{
    if (a->any.sa_family == AF_INET)
        a->v4.sin_port = htons(port);
    else if (a->any.sa_family == AF_INET6)
        a->v6.sin6_port = htons(port);
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (a->length != b->length || a->length == 0)
        return a->length == b->length;
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr && a->v4.sin_port == b->v4.sin_port;
    if (a->any.sa_family == AF_INET6)
        return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0 &&
               a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id;
    return memcmp(&a->storage, &b->storage, a->length) == 0;
}

struct ip_address address_to_ip(const struct address *a)
{
    struct ip_address ip = {0};
    if (a->length > 0 && a->any.sa_family == AF_INET)
        ip = (struct ip_address){.v4 = a->v4.sin_addr, .port = a->v4.sin_port, .family = AF_INET};
    else if (a->length > 0 && a->any.sa_family == AF_INET6)
        ip = (struct ip_address){.v6 = a->v6.sin6_addr,
                                 .scope = a->v6.sin6_scope_id,
                                 .port = a->v6.sin6_port,
                                 .family = AF_INET6};
    return ip;
}

struct address address_from_ip(const struct ip_address *ip)
{
    struct address a = {0};
    if (ip->family == AF_INET) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_addr = ip->v4;
        a.v4.sin_port = ip->port;
        a.length = sizeof a.v4;
    } else if (ip->family == AF_INET6) {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_addr = ip->v6;
        a.v6.sin6_port = ip->port;
        a.v6.sin6_scope_id = ip->scope;
        a.length = sizeof a.v6;
    }
    return a;
}
