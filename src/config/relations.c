#include "relations.h"

#include "build.h"
#include "host.h"

#include <stdio.h>
#include <stdlib.h>

/* Notes `key` → the path at hand; where it is there already, `*ret_first` is the earlier path. */
static bool seen_before(json_t *seen, const char *key, const struct form *f, const char **ret_first)
{
    const json_t *first = json_object_get(seen, key);
    if (first != NULL) {
        *ret_first = json_string_value(first);
        return true;
    }
    (void)json_object_set_new(seen, key, json_string(f->path.data));
    return false;
}

static void check_bind_text(struct form *f, json_t *seen, const char *text)
{
    struct model_address a;
    char name[256], key[ADDRESS_TEXT_MAX + 256];
    const char *first;
    if (text == NULL || !host_parse(&a, name, text, f->folder, NULL))
        return;
    if (a.port == 0 && strncmp(text, "unix:", 5) != 0)
        return;
    for (size_t i = 0; i < (a.kind == HOST_ANY ? 2u : 1u); i++) {
        if (a.kind == HOST_NAME)
            snprintf(key, sizeof key, "%s:%u", name, a.port);
        else if (a.kind == HOST_ANY)
            snprintf(key, sizeof key, i == 0 ? "0.0.0.0:%u" : "[::]:%u", a.port);
        else
            address_format(&a.address, key);
        if (seen_before(seen, key, f, &first)) {
            form_conflict(f, "the same address as %s", first);
            return;
        }
    }
}

static void check_binds(struct form *f, json_t *seen, const json_t *bind)
{
    size_t back = form_enter_key(f, "bind");
    if (json_is_string(bind))
        check_bind_text(f, seen, json_string_value(bind));
    for (size_t i = 0; i < json_array_size(bind); i++) {
        size_t list = form_enter_index(f, i);
        check_bind_text(f, seen, json_string_value(json_array_get(bind, i)));
        form_leave(f, list);
    }
    form_leave(f, back);
}

void relations_check_versions(struct relations *r, const json_t *tls)
{
    const char *low = json_string_value(json_object_get(tls, "min_version"));
    const char *high = json_string_value(json_object_get(tls, "max_version"));
    const char *fallback = key_at(KEY_tls_min_version)->fallback;
    if (high == NULL || draft_is_unknown(tls, "min_version") ||
        strcmp(high, low == NULL ? fallback : low) >= 0)
        return;
    size_t back = form_enter_key(r->form, "max_version");
    form_error(r->form, "below min_version (\"%s\")", low == NULL ? fallback : low);
    form_leave(r->form, back);
}

/* Its address is one more that must be free; without any there is nothing to reach it by. */
static void check_admin(struct relations *r, json_t *seen)
{
    struct form *f = r->form;
    const json_t *admin = json_object_get(r->merged, "admin"),
                 *http = json_object_get(admin, "http");
    size_t back = form_enter_key(f, "admin");
    if (json_is_object(admin) && http == NULL && json_object_get(admin, "socket") == NULL)
        form_conflict(f, "needs \"socket\" or \"http\"");
    size_t inner = form_enter_key(f, "http");
    check_bind_text(f, seen, json_string_value(http));
    form_leave(f, inner);
    form_leave(f, back);
}

/* JSON has a form of its own. */
static void check_log(struct form *f, const json_t *log)
{
    const char *format = json_string_value(json_object_get(log, "format"));
    size_t back = form_enter_key(f, "log"), inner = form_enter_key(f, "template");
    if (json_object_get(log, "template") != NULL && !draft_is_unknown(log, "format") &&
        (format == NULL || strcmp(format, "text") != 0))
        form_conflict(f, "goes with \"format\": \"text\" only");
    form_leave(f, inner);
    form_leave(f, back);
}

/* What stands behind slashes and "." parts that say nothing. */
static const char *skip_idle(const char *path)
{
    const char *at = path;
    while (at[0] == '/' && (at[1] == '/' || (at[1] == '.' && (at[2] == '/' || at[2] == '\0'))))
        at += at[1] == '/' ? 1 : 2;
    return at;
}

static bool is_same_path(const char *a, const char *b)
{
    for (a = skip_idle(a), b = skip_idle(b); *a == *b; a = skip_idle(a + 1), b = skip_idle(b + 1))
        if (*a == '\0')
            return true;
    return false;
}

/* Each would replace what the other has written. */
static bool check_ledger(struct form *f, const json_t *merged)
{
    const json_t *log = json_object_get(merged, "log");
    const char *access = build_get_text(log, KEY_log_access),
               *ledger = build_get_text(json_object_get(merged, "ledger"), KEY_ledger_file);
    if (access == NULL || ledger == NULL || build_get_choice(log, KEY_log_access) >= 0)
        return true;
    char *first = host_resolve_file(f->folder, access),
         *second = host_resolve_file(f->folder, ledger);
    bool done = first != NULL && second != NULL;
    size_t back = form_enter_key(f, "ledger"), inner = form_enter_key(f, "file");
    if (done && is_same_path(first, second))
        form_conflict(f, "the same file as log.access");
    form_leave(f, inner);
    form_leave(f, back);
    free(first);
    free(second);
    return done;
}

static bool check_listeners(struct relations *r)
{
    struct form *f = r->form;
    json_t *seen = json_object(), *listener;
    const char *name;
    size_t map = form_enter_key(f, "listeners");
    json_object_foreach(json_object_get(r->merged, "listeners"), name, listener)
    {
        size_t back = form_enter_key(f, name);
        check_binds(f, seen, json_object_get(listener, "bind"));
        size_t tls = form_enter_key(f, "tls");
        const json_t *policy = json_object_get(listener, "tls");
        relations_check_versions(r, policy);
        relations_check_client_auth(r, policy, policy);
        relations_check_tickets(r, policy, policy);
        form_leave(f, tls);
        relations_check_rules(r, listener);
        relations_check_double_tls(r, listener);
        form_leave(f, back);
    }
    form_leave(f, map);
    check_admin(r, seen);
    json_decref(seen);
    return seen != NULL;
}

static void check_server_name(struct form *f, json_t *seen, const json_t *server)
{
    const char *key = "", *first;
    const json_t *name = server;
    if (json_is_object(server)) {
        key = json_object_get(server, "name") != NULL ? "name" : "address";
        name = json_object_get(server, key);
    }
    if (!json_is_string(name))
        return;
    size_t length = f->path.length;
    bool again = seen_before(seen, json_string_value(name), f, &first);
    if (again && key[0] != '\0')
        length = form_enter_key(f, key);
    if (again)
        form_error(f, "the same name as %s (give it another \"name\")", first);
    form_leave(f, length);
}

static bool check_pool(struct form *f, const json_t *pool)
{
    json_t *seen = json_object();
    const json_t *servers = json_object_get(pool, "servers");
    size_t back = form_enter_key(f, "servers");
    for (size_t i = 0; i < json_array_size(servers); i++) {
        size_t list = form_enter_index(f, i);
        check_server_name(f, seen, json_array_get(servers, i));
        form_leave(f, list);
    }
    form_leave(f, back);
    json_decref(seen);
    return seen != NULL;
}

static bool check_pools(struct relations *r)
{
    struct form *f = r->form;
    json_t *pool;
    const char *name;
    bool done = true;
    size_t map = form_enter_key(f, "pools");
    json_object_foreach(json_object_get(r->merged, "pools"), name, pool)
    {
        size_t back = form_enter_key(f, name);
        done = check_pool(f, pool) && done;
        relations_check_origin(f, pool);
        relations_check_health(f, pool);
        relations_check_pool_tls(f, pool);
        form_leave(f, back);
    }
    form_leave(f, map);
    return done;
}

/* Only of a file without errors: a slip in a rule's pool should not be told twice. */
static void warn_of_pools(struct relations *r)
{
    struct form *f = r->form;
    json_t *pool;
    const char *name;
    size_t map = form_enter_key(f, "pools");
    json_object_foreach(json_object_get(r->merged, "pools"), name, pool)
    {
        size_t back = form_enter_key(f, name);
        if (json_object_get(r->used_pools, name) == NULL)
            problems_warning(f->problems, f->path.data, "no rule uses this pool");
        relations_warn_of_balance(r, pool);
        form_leave(f, back);
    }
    form_leave(f, map);
}

bool relations_check(struct form *f, const json_t *merged, struct locations *locations)
{
    struct relations r = {f, merged, json_object(), locations};
    bool done = r.used_pools != NULL && check_listeners(&r);
    done = check_pools(&r) && done;
    check_log(f, json_object_get(merged, "log"));
    done = check_ledger(f, merged) && done;
    if (done && problems_errors(f->problems) == 0)
        warn_of_pools(&r);
    json_decref(r.used_pools);
    return done;
}
