#include "base/origin.h"

#include <stdio.h>

/* 1 to 65535, digits only. */
static bool parse_port(uint16_t *ret, struct span text)
{
    unsigned value = 0;
    if (text.length == 0 || text.length > 5)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    *ret = (uint16_t)value;
    return value >= 1 && value <= 65535;
}

static bool parse_range(struct origin *ret, struct span text, struct error *error)
{
    const unsigned char *dash = text.length == 0 ? NULL : memchr(text.data, '-', text.length);
    size_t at = dash == NULL ? text.length : (size_t)(dash - text.data);
    int shown = (int)(text.length > 40 ? 40 : text.length);
    if (dash == NULL || !parse_port(&ret->low, span_first(text, at)) ||
        !parse_port(&ret->high, span_skip(text, at + 1)))
        return error_input(error, "\"%.*s\" is no range of ports (write LOW-HIGH)", shown,
                           (const char *)text.data);
    return ret->low <= ret->high ||
           error_input(error, "the ports %u-%u are the wrong way round", ret->low, ret->high);
}

bool origin_parse(struct origin *ret, struct span text, struct error *error)
{
    int shown = (int)(text.length > 80 ? 80 : text.length);
    *ret = (struct origin){0};
    if (address_parse_ip(&ret->address, text))
        return true;
    const unsigned char *colon = text.length == 0 ? NULL : memrchr(text.data, ':', text.length);
    size_t at = colon == NULL ? text.length : (size_t)(colon - text.data);
    struct span host = span_first(text, at);
    bool bare = host.length > 0 && host.data[0] != '[' && memchr(host.data, ':', host.length);
    if (bare || colon == NULL || !address_parse_ip(&ret->address, host))
        return error_input(error, "\"%.*s\" is no IP address, with or without a range of ports",
                           shown, (const char *)text.data);
    return parse_range(ret, span_skip(text, at + 1), error);
}

void origin_format(const struct origin *origin, char text[ORIGIN_TEXT_MAX])
{
    char ip[ADDRESS_TEXT_MAX];
    address_format_ip(&origin->address, ip);
    if (origin->low == 0)
        (void)snprintf(text, ORIGIN_TEXT_MAX, "%s", ip);
    else if (origin->address.any.sa_family == AF_INET6)
        (void)snprintf(text, ORIGIN_TEXT_MAX, "[%s]:%u-%u", ip, origin->low, origin->high);
    else
        (void)snprintf(text, ORIGIN_TEXT_MAX, "%s:%u-%u", ip, origin->low, origin->high);
}
