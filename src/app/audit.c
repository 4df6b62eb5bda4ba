#include "app/audit.h"

#include "base/log.h"

#include <inttypes.h>

static bool add_pool(struct text *text, const struct pool *pool)
{
    bool any = pool_waiting(pool) != 0;
    if (any)
        text_format(text, " pool=%s waiting=%u", pool_name(pool), pool_waiting(pool));
    for (unsigned i = 0; i < pool_server_count(pool); i++) {
        const struct server *server = pool_server_at(pool, i);
        if (server_sessions(server) == 0)
            continue;
        text_format(text, " server=%s/%s sessions=%u", pool_name(pool), server_name(server),
                    server_sessions(server));
        any = true;
    }
    return any;
}

bool audit_imbalance(struct text *text, struct gauge *gauge, const struct pool_set *pools)
{
    uint64_t sessions = atomic_load(&gauge->sessions);
    bool any = sessions != 0;
    if (any)
        text_format(text, " process=%" PRIu64, sessions);
    for (unsigned i = 0; pools != NULL && i < pool_set_count(pools); i++)
        any = add_pool(text, pool_set_at(pools, i)) || any;
    return any;
}

void audit_report(struct gauge *gauge, const struct snapshot *snapshot)
{
    struct text text = {0};
    if (audit_imbalance(&text, gauge, snapshot == NULL ? NULL : snapshot->pools))
        log_event(LOG_LEVEL_ERROR, "muxgate.books", "unbalanced%s",
                  text.data == NULL ? "" : text.data);
    text_release(&text);
}
