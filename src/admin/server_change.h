/* server_change: the body of PATCH /v1/pools/P/servers/S. */
#ifndef ADMIN_SERVER_CHANGE_H
#define ADMIN_SERVER_CHANGE_H

#include "base/error.h"
#include "base/span.h"
#include "config/model.h"

struct server_change {
    char pool[512], server[512];
    bool has_state, has_weight;
    enum server_state state;
    unsigned weight;
};

/* {"state": "ready|drain|maint", "weight": N}, at least one of them and nothing else. Fills what it
 * has found; the names are the caller's. */
bool server_change_parse(struct server_change *ret, struct span body,
                         struct error *error) MUST_CHECK;

const char *server_change_state_name(enum server_state state);

#endif
