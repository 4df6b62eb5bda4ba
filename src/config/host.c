#include "host.h"

#include "base/name.h"

#include <stdio.h>
#include <stdlib.h>

char *host_resolve_file(const char *folder, const char *file)
{
    if (file[0] == '/')
        return strdup(file);
    size_t size = strlen(folder) + strlen(file) + 2;
    char *path = malloc(size);
    if (path != NULL)
        snprintf(path, size, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, file);
    return path;
}

static bool parse_local(struct model_address *ret, const char *text, const char *folder,
                        struct error *error)
{
    const char *path = text + strlen("unix:");
    ret->kind = HOST_ADDRESS;
    ret->port = 0;
    if (path[0] == '@' || path[0] == '/' || path[0] == '\0')
        return address_parse(&ret->address, span_text(text), error);
    char *whole = host_resolve_file(folder, path);
    size_t size = whole == NULL ? 0 : strlen(whole) + sizeof "unix:";
    char *absolute = whole == NULL ? NULL : malloc(size);
    bool done = false;
    if (absolute == NULL) {
        done = error_memory(error);
    } else {
        snprintf(absolute, size, "unix:%s", whole);
        done = address_parse(&ret->address, span_text(absolute), error);
    }
    free(absolute);
    free(whole);
    return done;
}

static bool parse_port(uint16_t *ret, const char *text)
{
    char *end;
    size_t length = strlen(text);
    if (length == 0 || length > 5 || strspn(text, "0123456789") != length)
        return false;
    unsigned long port = strtoul(text, &end, 10);
    *ret = (uint16_t)port;
    return port <= 65535;
}

static void set_any(struct model_address *ret)
{
    ret->kind = HOST_ANY;
    ret->address = (struct address){.length = sizeof(struct sockaddr_in6)};
    ret->address.v6.sin6_family = AF_INET6;
    ret->address.v6.sin6_addr = in6addr_any;
    address_set_port(&ret->address, ret->port);
}

static bool consists_of(struct span text, const char *characters)
{
    for (size_t i = 0; i < text.length; i++)
        if (strchr(characters, text.data[i]) == NULL)
            return false;
    return true;
}

static bool parse_host(struct model_address *ret, char name[256], struct span host,
                       struct error *error)
{
    int shown = (int)(host.length > 80 ? 80 : host.length);
    if (span_is(host, "*")) {
        set_any(ret);
        return true;
    }
    if (host.length == 0)
        return error_input(error, "the address is missing (write \"*:%u\" for any)", ret->port);
    bool bracketed = host.data[0] == '[';
    if (memchr(host.data, ':', host.length) != NULL &&
        consists_of(host, "0123456789abcdefABCDEF:."))
        return error_input(error, "an IPv6 address goes in brackets (such as \"[::1]:80\")");
    ret->kind = HOST_ADDRESS;
    if (address_parse_ip(&ret->address, host)) {
        address_set_port(&ret->address, ret->port);
        return true;
    }
    if (bracketed)
        return error_input(error, "\"%.*s\" is no IPv6 address", shown, (const char *)host.data);
    if (consists_of(host, "0123456789."))
        return error_input(error, "\"%.*s\" is no IPv4 address", shown, (const char *)host.data);
    ret->kind = HOST_NAME;
    if (!name_normalise(name, host))
        return error_input(error, "\"%.*s\" is no host name", shown, (const char *)host.data);
    return true;
}

bool host_parse(struct model_address *ret, char name[256], const char *text, const char *folder,
                struct error *error)
{
    struct span whole = span_text(text);
    const char *colon = strrchr(text, ':');
    *ret = (struct model_address){.kind = HOST_ADDRESS};
    name[0] = '\0';
    if (span_begins(whole, span_text("unix:")))
        return parse_local(ret, text, folder, error);
    if (whole.length > 0 && consists_of(whole, "0123456789"))
        return error_input(error, "only a port (write \"*:%.20s\" or \"HOST:%.20s\")", text, text);
    if (colon == NULL || strchr(colon, ']') != NULL)
        return error_input(error, "a port is missing (write \"%.200s:PORT\")", text);
    if (!parse_port(&ret->port, colon + 1))
        return error_input(error, "\"%.40s\" is no port (a number from 0 to 65535)", colon + 1);
    return parse_host(ret, name, span_first(whole, (size_t)(colon - text)), error);
}

bool host_parse_srv(struct model_address *ret, char name[256], const char *text,
                    struct error *error)
{
    const char *service = text + strlen(SRV_PREFIX);
    *ret = (struct model_address){.kind = HOST_SRV};
    if (service[0] == '_' && name_normalise(name, span_text(service)))
        return true;
    name[0] = '\0';
    return error_input(error,
                       "\"%.200s\" is no service's name (such as "
                       "\"srv:_fix._tcp.example.com\")",
                       text);
}

bool host_parse_resolver(struct address *ret, const char *text, struct error *error)
{
    struct span whole = span_text(text);
    if (address_parse_ip(ret, whole))
        address_set_port(ret, 53);
    else if (!address_parse(ret, whole, error))
        return false;
    return address_is_ip(ret)
               ? address_port(ret) != 0 || error_input(error, "the port must not be 0")
               : error_input(error, "a name server has an IP address");
}
