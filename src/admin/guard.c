#include "guard.h"

#include "base/address.h"
#include "base/name.h"

#include <string.h>
#include <strings.h>

/* What is in front of the port. */
static struct span without_port(const char *host)
{
    const char *colon = strrchr(host, ':'), *bracket = strchr(host, ']');
    if (host[0] == '[')
        return span_of(host, bracket == NULL ? 0 : (size_t)(bracket - host) + 1);
    return span_of(host, colon == NULL ? strlen(host) : (size_t)(colon - host));
}

bool guard_knows_host(const char *host, char *const *hosts, size_t host_count)
{
    struct address address;
    char name[NAME_MAX_LENGTH + 1];
    if (host == NULL)
        return false;
    struct span bare = without_port(host);
    if (address_parse_ip(&address, bare))
        return true;
    if (!name_normalise(name, bare))
        return false;
    if (strcmp(name, "localhost") == 0)
        return true;
    for (size_t i = 0; i < host_count; i++)
        if (strcmp(name, hosts[i]) == 0)
            return true;
    return false;
}

bool guard_is_same_origin(const char *origin, const char *host)
{
    if (origin == NULL)
        return true;
    if (host == NULL)
        return false;
    if (strncasecmp(origin, "http://", 7) == 0)
        return strcasecmp(origin + 7, host) == 0;
    return strncasecmp(origin, "https://", 8) == 0 && strcasecmp(origin + 8, host) == 0;
}

bool guard_has_token(const char *authorization, const char *token)
{
    if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0)
        return false;
    const char *given = authorization + 7;
    size_t given_length = strlen(given), length = strlen(token);
    unsigned char difference = given_length == length ? 0 : 1;
    for (size_t i = 0; i < given_length; i++)
        difference |= (unsigned char)(given[i] ^ token[i % length]);
    return difference == 0;
}
