/* What a pool's keys about balancing say about each other. Legal, all of it: warnings. */
#include "relations.h"

/* What came from "defaults" was meant for the pools that it fits. */
static void warn_at(struct form *f, const char *key, const char *text)
{
    if (json_object_get(json_object_get(f->defaults, "pool"), key) != NULL)
        return;
    size_t back = form_enter_key(f, key);
    problems_warning(f->problems, f->path.data, "%s", text);
    form_leave(f, back);
}

static bool is_text(const json_t *pool, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(pool, key));
    return value != NULL && strcmp(value, text) == 0;
}

/* Then what goes to the server first is not the client's. */
static void warn_of_fast_open(struct relations *r, const json_t *pool)
{
    if (!json_is_true(json_object_get(pool, "tcp_fast_open")))
        return;
    if (json_is_object(json_object_get(pool, "tls")))
        warn_at(r->form, "tcp_fast_open", "has no effect with \"tls\"");
    else if (json_is_string(json_object_get(pool, "proxy_protocol")) &&
             !is_text(pool, "proxy_protocol", "off"))
        warn_at(r->form, "tcp_fast_open", "has no effect with \"proxy_protocol\"");
}

static bool any_is_limited(const json_t *servers)
{
    for (size_t i = 0; i < json_array_size(servers); i++)
        if (json_object_get(json_array_get(servers, i), "max_sessions") != NULL)
            return true;
    return false;
}

void relations_warn_of_balance(struct relations *r, const json_t *pool)
{
    bool hash = is_text(pool, "balance", "hash");
    if (json_object_get(pool, "hash_on") != NULL && !hash)
        warn_at(r->form, "hash_on", "has no effect without \"balance\": \"hash\"");
    if (json_object_get(pool, "slow_start") != NULL && hash)
        warn_at(r->form, "slow_start", "has no effect with \"balance\": \"hash\"");
    warn_of_fast_open(r, pool);
    if (json_object_get(pool, "queue") != NULL && !any_is_limited(json_object_get(pool, "servers")))
        warn_at(r->form, "queue", "no server has max_sessions, so nobody will ever wait");
}
