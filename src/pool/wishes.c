#include "pool/wishes.h"

#include "base/text.h"
#include "pool_private.h"

static const char *const state_names[] = {
    [SERVER_READY] = "ready", [SERVER_DRAIN] = "drain", [SERVER_MAINT] = "maint"};

#define WEIGHT_MOST 256u

bool pool_has_wishes(const struct pool *pool, unsigned at)
{
    const struct server *server = pool_server_at(pool, at);
    return server->wishes.has_weight || server_state(server) != server->wishes.configured_state;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_string(struct text *ret, const char *key, const char *value)
{
    text_format(ret, "%s=%s", key, value);
    text_add_char(ret, '\0');
}

static void write_number(struct text *ret, const char *key, unsigned value)
{
    text_format(ret, "%s=%u", key, value);
    text_add_char(ret, '\0');
}

void pool_write_wishes(const struct pool *pool, unsigned at, struct text *ret)
{
    const struct server *server = pool_server_at(pool, at);
    const struct server_wishes *wishes = &server->wishes;
    char address[ADDRESS_TEXT_MAX];
    address_format(&server->address, address);
    write_string(ret, "server", server->item);
    if (server->host != NULL)
        write_string(ret, "host", server->host);
    write_string(ret, "address", address);
    write_string(ret, "state", state_names[server_state(server)]);
    write_string(ret, "state_was", state_names[wishes->configured_state]);
    if (!wishes->has_weight)
        return;
    write_number(ret, "weight", wishes->weight);
    write_number(ret, "weight_was", wishes->configured_weight);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What was read; NULL: not there. */
struct wishes {
    const char *server, *host, *address, *state, *state_was, *weight, *weight_was;
};

static void read_string(struct wishes *ret, const char *string)
{
    const struct {
        const char *key;
        const char **value;
    } keys[] = {{"server=", &ret->server},        {"host=", &ret->host},
                {"address=", &ret->address},      {"state=", &ret->state},
                {"state_was=", &ret->state_was},  {"weight=", &ret->weight},
                {"weight_was=", &ret->weight_was}};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strncmp(string, keys[i].key, strlen(keys[i].key)) == 0)
            *keys[i].value = string + strlen(keys[i].key);
}

static void read_all(struct wishes *ret, struct span bytes)
{
    *ret = (struct wishes){0};
    while (bytes.length > 0) {
        const unsigned char *end = memchr(bytes.data, '\0', bytes.length);
        if (end == NULL)
            return;
        read_string(ret, (const char *)bytes.data);
        bytes = span_skip(bytes, (size_t)(end - bytes.data) + 1);
    }
}

static bool read_state(enum server_state *ret, const char *text)
{
    for (unsigned i = 0; text != NULL && i < COUNT_OF(state_names); i++) {
        if (strcmp(text, state_names[i]) != 0)
            continue;
        *ret = (enum server_state)i;
        return true;
    }
    return false;
}

static bool read_weight(unsigned *ret, const char *text)
{
    unsigned value = 0, digits = 0;
    for (; text != NULL && *text >= '0' && *text <= '9' && digits < 3; text++, digits++)
        value = value * 10 + (unsigned)(*text - '0');
    *ret = value;
    return digits > 0 && *text == '\0' && value <= WEIGHT_MOST;
}

/* --- taking ----------------------------------------------------------------------------------- */

static bool is_meant(const struct server *server, const struct wishes *wishes)
{
    char address[ADDRESS_TEXT_MAX];
    bool same_host = server->host == NULL || wishes->host == NULL
                         ? server->host == wishes->host
                         : strcmp(server->host, wishes->host) == 0;
    address_format(&server->address, address);
    return same_host && strcmp(server->item, wishes->server) == 0 &&
           strcmp(address, wishes->address) == 0;
}

static void take_state(struct pool *pool, struct server *server, const struct wishes *wishes)
{
    enum server_state state, was;
    if (read_state(&state, wishes->state) && read_state(&was, wishes->state_was) &&
        was == server->wishes.configured_state && state != server_state(server))
        pool_set_server_state(pool, server, state);
}

static bool take_weight(struct pool *pool, struct server *server, const struct wishes *wishes,
                        struct error *error)
{
    unsigned weight, was;
    bool known = read_weight(&weight, wishes->weight) && read_weight(&was, wishes->weight_was) &&
                 was == server->wishes.configured_weight;
    return !known || pool_set_server_weight(pool, server, weight, error);
}

bool pool_take_wishes(struct pool *pool, struct span bytes, struct error *error)
{
    struct wishes wishes;
    read_all(&wishes, bytes);
    if (wishes.server == NULL || wishes.address == NULL)
        return true;
    for (unsigned i = 0; i < pool_server_count(pool); i++) {
        struct server *server = pool_server_at(pool, i);
        if (!is_meant(server, &wishes))
            continue;
        take_state(pool, server, &wishes);
        return take_weight(pool, server, &wishes, error);
    }
    return true;
}
