#include "build.h"
#include "host.h"

#include "base/name.h"

#include <stdio.h>
#include <stdlib.h>

void build_keepalive(struct keepalive *ret, const json_t *value)
{
    ret->on = !json_is_false(value);
    ret->idle_ms = build_get_duration(value, KEY_keepalive_idle);
    ret->interval_ms = build_get_duration(value, KEY_keepalive_interval);
    ret->user_timeout_ms = build_get_duration(value, KEY_keepalive_user_timeout);
    ret->count = (unsigned)build_get_count(value, KEY_keepalive_count);
}

static void build_log(struct build *b, struct model_log *ret, const json_t *log)
{
    static const enum log_target targets[] = {LOG_TARGET_STDOUT, LOG_TARGET_STDERR, LOG_TARGET_OFF,
                                              LOG_TARGET_SYSLOG, LOG_TARGET_JOURNALD};
    static const enum log_format formats[] = {LOG_FORMAT_JSON, LOG_FORMAT_TEXT};
    static const enum log_level levels[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO,
                                            LOG_LEVEL_DEBUG};
    int access = build_get_choice(log, KEY_log_access);
    ret->access = access < 0 ? LOG_TARGET_FILE : targets[access];
    if (access < 0) {
        ret->file = host_resolve_file(b->folder, build_get_text(log, KEY_log_access));
        b->failed = b->failed || ret->file == NULL;
    }
    ret->format = formats[build_get_choice(log, KEY_log_format)];
    ret->template = build_text(b, build_get_text(log, KEY_log_template));
    ret->level = levels[build_get_choice(log, KEY_log_level)];
}

static char *build_file(struct build *b, const json_t *object, enum key_id id)
{
    const char *file = build_get_text(object, id);
    char *path = file == NULL ? NULL : host_resolve_file(b->folder, file);
    b->failed = b->failed || (file != NULL && path == NULL);
    return path;
}

static void build_hosts(struct build *b, struct string_list *ret, const json_t *hosts)
{
    size_t count = build_count_of(hosts);
    ret->item = build_array(b, count, sizeof *ret->item);
    for (size_t i = 0; ret->item != NULL && i < count; i++) {
        char name[NAME_MAX_LENGTH + 1];
        const char *text = json_string_value(build_item(hosts, i));
        if (text != NULL && name_normalise(name, span_text(text)))
            ret->item[ret->count++] = build_text(b, name);
    }
}

static void build_admin(struct build *b, struct model_admin *ret, const json_t *admin)
{
    const char *http = build_get_text(admin, KEY_admin_http);
    ret->socket = build_file(b, admin, KEY_admin_socket);
    ret->socket_mode = (unsigned)strtoul(build_get_text(admin, KEY_admin_socket_mode), NULL, 8);
    ret->token_file = build_file(b, admin, KEY_admin_token_file);
    ret->has_http = http != NULL;
    if (http != NULL)
        build_address(b, &ret->http, http, build_text(b, "admin.http"));
    build_hosts(b, &ret->hosts, json_object_get(admin, "hosts"));
}

static void build_ledger(struct build *b, struct model_ledger *ret, const json_t *ledger)
{
    ret->file = build_file(b, ledger, KEY_ledger_file);
    ret->max_entries = build_get_count(ledger, KEY_ledger_max_entries);
    ret->interval_ms = build_get_duration(ledger, KEY_ledger_interval);
}

static void build_listeners(struct build *b, struct model *model, json_t *listeners)
{
    const char *name;
    json_t *listener;
    model->listeners = build_array(b, json_object_size(listeners), sizeof *model->listeners);
    if (model->listeners == NULL)
        return;
    json_object_foreach(listeners, name, listener) if (json_is_object(listener))
        build_listener(b, &model->listeners[model->listener_count++], name, listener);
}

static void build_pools(struct build *b, struct model *model, json_t *pools)
{
    const char *name;
    json_t *pool;
    model->pools = build_array(b, json_object_size(pools), sizeof *model->pools);
    if (model->pools == NULL)
        return;
    json_object_foreach(pools, name, pool) if (json_is_object(pool))
        build_pool(b, &model->pools[model->pool_count++], name, pool);
}

struct model *build_model(const json_t *merged, const char *file, const char *folder)
{
    struct build b = {.folder = folder};
    struct model *model = calloc(1, sizeof *model);
    if (model == NULL)
        return NULL;
    model->file = build_text(&b, file);
    model->folder = build_text(&b, folder);
    build_listeners(&b, model, json_object_get(merged, "listeners"));
    build_pools(&b, model, json_object_get(merged, "pools"));
    build_log(&b, &model->log, json_object_get(merged, "log"));
    build_admin(&b, &model->admin, json_object_get(merged, "admin"));
    build_ledger(&b, &model->ledger, json_object_get(merged, "ledger"));
    const json_t *workers = json_object_get(merged, "workers");
    model->workers = (unsigned)json_integer_value(workers); /* "auto" is no integer: 0 */
    model->user = build_text(&b, build_get_text(merged, KEY_top_user));
    model->group = build_text(&b, build_get_text(merged, KEY_top_group));
    model->max_sessions =
        build_get_count(json_object_get(merged, "limits"), KEY_limits_max_sessions);
    model->drain_timeout_ms = build_get_duration(merged, KEY_top_drain_timeout);
    if (!b.failed)
        return model;
    model_free(model);
    return NULL;
}
