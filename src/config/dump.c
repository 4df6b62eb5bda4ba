/* The effective configuration as a file of its own: every key that has a value, files absolute,
 * names spelled out. What is off by being absent stays absent. */
#include "config/config.h"

#include "dump.h"
#include "keys.h"
#include "tlv.h"

#include "base/units.h"

#include <stdio.h>

void dump_duration(struct json_writer *w, enum key_id id, uint64_t ms)
{
    char text[24];
    duration_format(ms, text);
    if (ms != 0)
        json_put_text(w, key_at(id)->name, text);
}

void dump_size(struct json_writer *w, enum key_id id, uint64_t bytes)
{
    char text[24];
    size_format(bytes, text);
    json_put_text(w, key_at(id)->name, text);
}

void dump_limit(struct json_writer *w, enum key_id id, uint64_t limit)
{
    if (limit != 0)
        json_put_number(w, key_at(id)->name, limit);
}

void dump_rate(struct json_writer *w, enum key_id id, const struct rate *rate)
{
    char text[24];
    rate_format(rate, text);
    dump_text(w, id, rate->count == 0 ? NULL : text);
}

void dump_text(struct json_writer *w, enum key_id id, const char *text)
{
    if (text != NULL)
        json_put_text(w, key_at(id)->name, text);
}

static void name_choice(enum key_id id, unsigned index, char ret[CONFIG_CHOICE_MAX])
{
    const char *cursor = key_at(id)->values;
    struct key_value v;
    memset(ret, 0, CONFIG_CHOICE_MAX);
    for (unsigned i = 0; key_next_value(&cursor, &v); i++)
        if (i == index && v.length < CONFIG_CHOICE_MAX)
            memcpy(ret, v.text, v.length);
}

void config_name_balance(enum balance balance, char ret[CONFIG_CHOICE_MAX])
{
    name_choice(KEY_pool_balance, balance, ret);
}

void dump_choice(struct json_writer *w, enum key_id id, unsigned index)
{
    char name[CONFIG_CHOICE_MAX];
    name_choice(id, index, name);
    json_put_text(w, key_at(id)->name, name);
}

void dump_boolean(struct json_writer *w, enum key_id id, bool value)
{
    json_put_boolean(w, key_at(id)->name, value);
}

void dump_strings(struct json_writer *w, enum key_id id, const struct string_list *list)
{
    if (list->count == 0)
        return;
    json_open(w, key_at(id)->name, '[');
    for (size_t i = 0; i < list->count; i++)
        json_put_text(w, NULL, list->item[i]);
    json_close(w, ']');
}

void dump_cidrs(struct json_writer *w, enum key_id id, const struct cidr_list *list)
{
    json_open(w, key_at(id)->name, '[');
    for (size_t i = 0; i < list->count; i++) {
        const struct cidr *c = &list->item[i];
        char host[ADDRESS_TEXT_MAX], text[ADDRESS_TEXT_MAX + 8];
        struct address a = {0};
        if (c->family_bits == 32) {
            a.length = sizeof a.v4;
            a.v4.sin_family = AF_INET;
            memcpy(&a.v4.sin_addr, c->network, 4);
        } else {
            a.length = sizeof a.v6;
            a.v6.sin6_family = AF_INET6;
            memcpy(&a.v6.sin6_addr, c->network, 16);
        }
        address_format_ip(&a, host);
        (void)snprintf(text, sizeof text, "%s/%u", host, c->prefix_bits);
        json_put_text(w, NULL, text);
    }
    json_close(w, ']');
}

/* As written, but for a relative UNIX path, which only holds in this folder. */
void dump_address(struct json_writer *w, const char *key, const struct model_address *address)
{
    char text[ADDRESS_TEXT_MAX];
    bool local = strncmp(address->text, "unix:", 5) == 0;
    if (local)
        address_format(&address->address, text);
    json_put_text(w, key, local ? text : address->text);
}

void dump_keepalive(struct json_writer *w, const struct keepalive *k)
{
    if (!k->on) {
        json_put_boolean(w, "keepalive", false);
        return;
    }
    json_open(w, "keepalive", '{');
    dump_duration(w, KEY_keepalive_idle, k->idle_ms);
    dump_duration(w, KEY_keepalive_interval, k->interval_ms);
    dump_limit(w, KEY_keepalive_count, k->count);
    dump_duration(w, KEY_keepalive_user_timeout, k->user_timeout_ms);
    json_close(w, '}');
}

static void dump_server(struct json_writer *w, const struct model_server *server)
{
    json_open(w, NULL, '{');
    dump_address(w, "address", &server->address);
    dump_text(w, KEY_server_name, server->name);
    json_put_number(w, "weight", server->weight);
    dump_limit(w, KEY_server_max_sessions, server->max_sessions);
    dump_boolean(w, KEY_server_backup, server->backup);
    dump_choice(w, KEY_server_state, server->state);
    json_close(w, '}');
}

static void dump_pool_tls(struct json_writer *w, const struct model_pool_tls *tls)
{
    if (tls->path == NULL)
        return;
    json_open(w, "tls", '{');
    dump_boolean(w, KEY_pool_tls_verify, tls->verify);
    dump_text(w, KEY_pool_tls_ca, tls->ca);
    dump_text(w, KEY_pool_tls_sni, tls->sni);
    dump_text(w, KEY_pool_tls_cert, tls->cert);
    dump_text(w, KEY_pool_tls_key, tls->key);
    dump_strings(w, KEY_pool_tls_alpn, &tls->alpn);
    json_close(w, '}');
}

static void dump_talk(struct json_writer *w, const struct model_health *health)
{
    if (health->type == HEALTH_SCRIPT) {
        dump_text(w, KEY_health_check_send, health->send);
        dump_text(w, KEY_health_check_expect, health->expect);
        dump_text(w, KEY_health_check_send_hex, health->send_hex);
        dump_text(w, KEY_health_check_expect_hex, health->expect_hex);
    } else if (health->type == HEALTH_HTTP) {
        dump_text(w, KEY_health_check_path, health->http_path);
        dump_text(w, KEY_health_check_host, health->http_host);
        dump_text(w, KEY_health_check_status, health->status);
    }
}

static void dump_health(struct json_writer *w, const struct model_health *health)
{
    if (!health->on)
        return;
    json_open(w, "health_check", '{');
    dump_choice(w, KEY_health_check_type, health->type);
    dump_duration(w, KEY_health_check_interval, health->interval_ms);
    dump_duration(w, KEY_health_check_timeout, health->timeout_ms);
    dump_limit(w, KEY_health_check_fall, health->fall);
    dump_limit(w, KEY_health_check_rise, health->rise);
    dump_limit(w, KEY_health_check_port, health->port);
    dump_talk(w, health);
    json_close(w, '}');
}

static void dump_source(struct json_writer *w, const struct origin *source)
{
    char text[ORIGIN_TEXT_MAX];
    if (source->address.length == 0)
        return;
    origin_format(source, text);
    dump_text(w, KEY_pool_source, text);
}

static void dump_tlvs(struct json_writer *w, const struct model_pool *pool)
{
    char text[TLV_TEXT_MAX];
    if (pool->pass_tlv_count == 0)
        return;
    json_open(w, "pass_tlvs", '[');
    for (size_t i = 0; i < pool->pass_tlv_count; i++) {
        tlv_format(pool->pass_tlvs[i], text);
        json_put_text(w, NULL, text);
    }
    json_close(w, ']');
}

static void dump_queue(struct json_writer *w, const struct model_pool *pool)
{
    if (pool->queue_max == 0)
        return;
    json_open(w, "queue", '{');
    dump_limit(w, KEY_queue_max, pool->queue_max);
    dump_duration(w, KEY_queue_timeout, pool->queue_timeout_ms);
    json_close(w, '}');
}

static void dump_resolve(struct json_writer *w, const struct model_resolve *resolve)
{
    if (resolve->interval_ms == 0 && resolve->servers.count == 0)
        return;
    json_open(w, "resolve", '{');
    dump_duration(w, KEY_resolve_interval, resolve->interval_ms);
    dump_strings(w, KEY_resolve_servers, &resolve->servers);
    json_close(w, '}');
}

static void dump_pool(struct json_writer *w, const struct model_pool *pool)
{
    json_open(w, pool->name, '{');
    json_open(w, "servers", '[');
    for (size_t i = 0; i < pool->server_count; i++)
        dump_server(w, &pool->servers[i]);
    json_close(w, ']');
    dump_choice(w, KEY_pool_balance, pool->balance);
    if (pool->balance == BALANCE_HASH)
        dump_choice(w, KEY_pool_hash_on, pool->hash_on);
    dump_pool_tls(w, &pool->tls);
    dump_health(w, &pool->health);
    dump_duration(w, KEY_pool_connect_timeout, pool->connect_timeout_ms);
    json_put_number(w, "connect_retries", pool->connect_retries);
    dump_boolean(w, KEY_pool_tcp_fast_open, pool->tcp_fast_open);
    dump_choice(w, KEY_pool_proxy_protocol, pool->proxy_protocol);
    dump_tlvs(w, pool);
    dump_boolean(w, KEY_pool_transparent, pool->transparent);
    dump_source(w, &pool->source);
    dump_keepalive(w, &pool->keepalive);
    dump_queue(w, pool);
    dump_duration(w, KEY_pool_slow_start, pool->slow_start_ms);
    dump_duration(w, KEY_pool_drain_timeout, pool->drain_timeout_ms);
    dump_resolve(w, &pool->resolve);
    json_close(w, '}');
}

/* A file's name that reads like something else ("off") cannot come up: the path is absolute. */
static void dump_log(struct json_writer *w, const struct model_log *log)
{
    json_open(w, "log", '{');
    if (log->access == LOG_TARGET_FILE)
        dump_text(w, KEY_log_access, log->file);
    else
        dump_choice(w, KEY_log_access, log->access);
    dump_choice(w, KEY_log_format, log->format);
    dump_text(w, KEY_log_template, log->template);
    dump_choice(w, KEY_log_level, log->level);
    json_close(w, '}');
}

static void dump_admin(struct json_writer *w, const struct model_admin *admin)
{
    char mode[8];
    if (admin->socket == NULL && !admin->has_http)
        return;
    json_open(w, "admin", '{');
    dump_text(w, KEY_admin_socket, admin->socket);
    (void)snprintf(mode, sizeof mode, "%04o", admin->socket_mode);
    json_put_text(w, "socket_mode", mode);
    if (admin->has_http)
        dump_address(w, "http", &admin->http);
    dump_text(w, KEY_admin_token_file, admin->token_file);
    dump_strings(w, KEY_admin_hosts, &admin->hosts);
    json_close(w, '}');
}

static void dump_ledger(struct json_writer *w, const struct model_ledger *ledger)
{
    if (ledger->file == NULL)
        return;
    json_open(w, "ledger", '{');
    dump_text(w, KEY_ledger_file, ledger->file);
    json_put_number(w, "max_entries", ledger->max_entries);
    dump_duration(w, KEY_ledger_interval, ledger->interval_ms);
    json_close(w, '}');
}

static void dump_process(struct json_writer *w, const struct model *model)
{
    if (model->workers == 0)
        json_put_text(w, "workers", "auto");
    dump_limit(w, KEY_top_workers, model->workers);
    dump_text(w, KEY_top_user, model->user);
    dump_text(w, KEY_top_group, model->group);
    if (model->max_sessions != 0) {
        json_open(w, "limits", '{');
        dump_limit(w, KEY_limits_max_sessions, model->max_sessions);
        json_close(w, '}');
    }
    dump_duration(w, KEY_top_drain_timeout, model->drain_timeout_ms);
}

bool config_dump(const struct model *model, struct text *ret)
{
    struct json_writer w = {.text = ret};
    json_open(&w, NULL, '{');
    json_open(&w, "listeners", '{');
    for (size_t i = 0; i < model->listener_count; i++)
        dump_listener(&w, &model->listeners[i]);
    json_close(&w, '}');
    json_open(&w, "pools", '{');
    for (size_t i = 0; i < model->pool_count; i++)
        dump_pool(&w, &model->pools[i]);
    json_close(&w, '}');
    dump_admin(&w, &model->admin);
    dump_log(&w, &model->log);
    dump_ledger(&w, &model->ledger);
    dump_process(&w, model);
    json_close(&w, '}');
    text_add_char(ret, '\n');
    return !ret->failed;
}
