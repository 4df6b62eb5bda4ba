#include "base/name.h"
#include "build.h"
#include "host.h"
#include "status.h"
#include "tlv.h"

static const char *where_is(const json_t *server)
{
    return json_is_object(server) ? build_get_text(server, KEY_server_address)
                                  : json_string_value(server);
}

static bool is_named(const struct build *b, const json_t *server)
{
    struct model_address address;
    char name[256];
    const char *text = where_is(server);
    return strncmp(text, SRV_PREFIX, strlen(SRV_PREFIX)) == 0 ||
           (host_parse(&address, name, text, b->folder, NULL) && address.kind == HOST_NAME);
}

static void build_server(struct build *b, struct model_server *ret, const json_t *server,
                         char *path)
{
    static const enum server_state states[] = {SERVER_READY, SERVER_DRAIN, SERVER_MAINT};
    const json_t *object = json_is_object(server) ? server : NULL;
    const char *text = where_is(server), *name = build_get_text(object, KEY_server_name);
    ret->path = path;
    build_address(b, &ret->address, text,
                  build_format(b, object == NULL ? "%s" : "%s.address", path));
    ret->name = build_text(b, name != NULL ? name : text);
    ret->weight = (unsigned)build_get_count(object, KEY_server_weight);
    ret->backup = build_get_boolean(object, KEY_server_backup);
    ret->max_sessions = (unsigned)build_get_count(object, KEY_server_max_sessions);
    ret->state = states[build_get_choice(object, KEY_server_state)];
}

/* `nobody_to_ask`: of a draft, which does not know where names are to be looked up. */
static void build_servers(struct build *b, struct model_pool *ret, const json_t *servers,
                          bool nobody_to_ask)
{
    size_t count = json_array_size(servers);
    ret->servers = build_array(b, count, sizeof *ret->servers);
    for (size_t i = 0; ret->servers != NULL && !b->failed && i < count; i++) {
        const json_t *server = json_array_get(servers, i);
        if (where_is(server) == NULL || (nobody_to_ask && is_named(b, server)))
            continue; /* of a draft */
        build_server(b, &ret->servers[ret->server_count++], server,
                     build_format(b, "%s.servers[%zu]", ret->path, i));
    }
}

static char *optional_file(struct build *b, const char *file)
{
    char *path = file == NULL ? NULL : host_resolve_file(b->folder, file);
    b->failed = b->failed || (file != NULL && path == NULL);
    return path;
}

/* Where a draft does not know, only what is there is looked at. */
static bool verifies(const json_t *tls)
{
    if (json_is_null(json_object_get(tls, "verify")) || json_is_null(json_object_get(tls, "ca")))
        return json_is_string(json_object_get(tls, "ca"));
    return build_get_boolean(tls, KEY_pool_tls_verify);
}

static void build_pool_tls(struct build *b, struct model_pool_tls *ret, const json_t *tls,
                           const char *pool_path)
{
    char name[NAME_MAX_LENGTH + 1];
    const char *sni = build_get_text(tls, KEY_pool_tls_sni);
    if (!json_is_object(tls))
        return;
    ret->path = build_format(b, "%s.tls", pool_path);
    ret->verify = verifies(tls);
    ret->ca = optional_file(b, build_get_text(tls, KEY_pool_tls_ca));
    ret->cert = optional_file(b, build_get_text(tls, KEY_pool_tls_cert));
    ret->key = optional_file(b, build_get_text(tls, KEY_pool_tls_key));
    if (sni != NULL && name_normalise(name, span_text(sni)))
        ret->sni = build_text(b, name);
    build_strings(b, &ret->alpn, json_object_get(tls, "alpn"));
}

static void build_talk(struct build *b, struct model_health *ret, const json_t *check)
{
    ret->send = build_text(b, build_get_text(check, KEY_health_check_send));
    ret->expect = build_text(b, build_get_text(check, KEY_health_check_expect));
    ret->send_hex = build_text(b, build_get_text(check, KEY_health_check_send_hex));
    ret->expect_hex = build_text(b, build_get_text(check, KEY_health_check_expect_hex));
    ret->http_path = build_text(b, build_get_text(check, KEY_health_check_path));
    ret->http_host = build_text(b, build_get_text(check, KEY_health_check_host));
    ret->status = build_text(b, build_get_text(check, KEY_health_check_status));
    if (!status_parse(&ret->statuses, span_text(ret->status)))
        b->failed = true; /* of memory: the form was checked */
}

static void build_health(struct build *b, struct model_health *ret, const json_t *check,
                         const char *pool_path)
{
    static const enum health_type types[] = {HEALTH_TCP, HEALTH_TLS, HEALTH_SCRIPT, HEALTH_HTTP};
    ret->on = json_is_object(check);
    ret->path = build_format(b, "%s.health_check", pool_path);
    ret->type = types[build_get_choice(check, KEY_health_check_type)];
    ret->interval_ms = build_get_duration(check, KEY_health_check_interval);
    ret->timeout_ms = build_get_duration(check, KEY_health_check_timeout);
    ret->fall = (unsigned)build_get_count(check, KEY_health_check_fall);
    ret->rise = (unsigned)build_get_count(check, KEY_health_check_rise);
    ret->port = (uint16_t)build_get_count(check, KEY_health_check_port);
    build_talk(b, ret, check);
}

static void build_tlvs(struct build *b, struct model_pool *ret, const json_t *names)
{
    size_t count = json_array_size(names);
    ret->pass_tlvs = build_array(b, count, sizeof *ret->pass_tlvs);
    for (size_t i = 0; ret->pass_tlvs != NULL && i < count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name != NULL && tlv_parse(&ret->pass_tlvs[ret->pass_tlv_count], name))
            ret->pass_tlv_count++;
    }
}

static void build_queue(struct model_pool *ret, const json_t *queue)
{
    if (queue == NULL)
        return;
    ret->queue_max = (unsigned)build_get_count(queue, KEY_queue_max);
    ret->queue_timeout_ms = build_get_duration(queue, KEY_queue_timeout);
}

static void build_resolve(struct build *b, struct model_resolve *ret, const json_t *resolve)
{
    const json_t *servers = json_object_get(resolve, "servers");
    size_t count = json_array_size(servers);
    ret->interval_ms = build_get_duration(resolve, KEY_resolve_interval);
    ret->servers.item = build_array(b, count, sizeof *ret->servers.item);
    for (size_t i = 0; ret->servers.item != NULL && i < count; i++) {
        const char *text = json_string_value(json_array_get(servers, i));
        char shown[ADDRESS_TEXT_MAX];
        struct address address;
        if (text == NULL || !host_parse_resolver(&address, text, NULL))
            continue; /* of a draft */
        address_format(&address, shown);
        ret->servers.item[ret->servers.count++] = build_text(b, shown);
    }
}

/* In a draft it may not be known who is to be asked. */
static bool lacks_resolver(const json_t *pool)
{
    const json_t *resolve = json_object_get(pool, "resolve");
    const json_t *servers = json_object_get(resolve, "servers");
    bool lacks = json_is_null(resolve) || json_is_null(servers);
    for (size_t i = 0; i < json_array_size(servers); i++)
        lacks = lacks || json_is_null(json_array_get(servers, i));
    return lacks;
}

void build_pool(struct build *b, struct model_pool *ret, const char *name, const json_t *pool)
{
    static const enum balance balances[] = {BALANCE_ROUND_ROBIN, BALANCE_LEAST_CONN,
                                            BALANCE_RANDOM2, BALANCE_HASH};
    static const enum hash_on facts[] = {HASH_ON_SOURCE, HASH_ON_SNI, HASH_ON_FIX_SENDER};
    static const enum proxy_protocol protocols[] = {PROXY_OFF, PROXY_V1, PROXY_V2, PROXY_V2_TLS};
    ret->name = build_text(b, name);
    ret->path = build_format(b, "pools.%s", name);
    if (b->failed)
        return;
    ret->balance = balances[build_get_choice(pool, KEY_pool_balance)];
    ret->hash_on = facts[build_get_choice(pool, KEY_pool_hash_on)];
    build_servers(b, ret, json_object_get(pool, "servers"), lacks_resolver(pool));
    build_pool_tls(b, &ret->tls, json_object_get(pool, "tls"), ret->path);
    build_health(b, &ret->health, json_object_get(pool, "health_check"), ret->path);
    build_queue(ret, json_object_get(pool, "queue"));
    ret->slow_start_ms = build_get_duration(pool, KEY_pool_slow_start);
    ret->drain_timeout_ms = build_get_duration(pool, KEY_pool_drain_timeout);
    ret->connect_timeout_ms = build_get_duration(pool, KEY_pool_connect_timeout);
    ret->connect_retries = (unsigned)build_get_count(pool, KEY_pool_connect_retries);
    ret->tcp_fast_open = build_get_boolean(pool, KEY_pool_tcp_fast_open);
    ret->proxy_protocol = protocols[build_get_choice(pool, KEY_pool_proxy_protocol)];
    build_tlvs(b, ret, json_object_get(pool, "pass_tlvs"));
    ret->transparent = build_get_boolean(pool, KEY_pool_transparent);
    const char *source = build_get_text(pool, KEY_pool_source);
    if (source != NULL && !origin_parse(&ret->source, span_text(source), NULL))
        b->failed = true;
    build_resolve(b, &ret->resolve, json_object_get(pool, "resolve"));
    build_keepalive(&ret->keepalive, json_object_get(pool, "keepalive"));
}
