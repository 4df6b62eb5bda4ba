#include "build.h"
#include "host.h"

#include <stdlib.h>

static char *build_file(struct build *b, const char *file)
{
    char *path = file == NULL ? NULL : host_resolve_file(b->folder, file);
    b->failed = b->failed || (file != NULL && path == NULL);
    return path;
}

/* One file for both, a folder, or a pair; in a draft any of them may be missing. */
static void build_certificate(struct build *b, struct model_certificate *ret, const json_t *object)
{
    const char *pem = build_get_text(object, KEY_certificate_pem);
    const char *directory = build_get_text(object, KEY_certificate_directory);
    const char *cert = build_get_text(object, KEY_certificate_cert);
    const char *key = build_get_text(object, KEY_certificate_key);
    ret->pem = pem != NULL;
    if (directory != NULL) {
        ret->directory = build_file(b, directory);
        return;
    }
    ret->cert = build_file(b, pem != NULL ? pem : cert);
    ret->key = build_file(b, pem != NULL ? pem : key);
}

static void build_certificates(struct build *b, struct model_tls *ret, const json_t *list)
{
    size_t count = json_array_size(list);
    ret->certificates = build_array(b, count, sizeof *ret->certificates);
    for (size_t i = 0; ret->certificates != NULL && i < count; i++) {
        struct model_certificate *c = &ret->certificates[ret->certificate_count];
        const json_t *object = json_array_get(list, i);
        if (!json_is_object(object))
            continue; /* of a draft */
        ret->certificate_count++;
        c->path = build_format(b, "%s.certificates[%zu]", ret->path, i);
        build_certificate(b, c, object);
    }
}

static void build_client_auth(struct build *b, struct model_client_auth *ret, const json_t *auth)
{
    int mode = build_get_choice(auth, KEY_client_auth_mode);
    ret->present = auth != NULL;
    ret->mode = mode < 0 ? CLIENT_AUTH_NONE : (enum client_auth)mode;
    if (json_is_null(json_object_get(auth, "mode")))
        ret->mode = CLIENT_AUTH_REQUEST; /* of a draft: the files are worth a look */
    ret->ca = build_file(b, build_get_text(auth, KEY_client_auth_ca));
    ret->crl = build_file(b, build_get_text(auth, KEY_client_auth_crl));
    ret->depth = (unsigned)build_get_count(auth, KEY_client_auth_depth);
}

static void build_tickets(struct build *b, struct model_tickets *ret, const json_t *tickets)
{
    ret->off = json_is_false(tickets);
    ret->keys = build_file(b, build_get_text(tickets, KEY_session_tickets_keys));
    ret->lifetime_ms = build_get_duration(tickets, KEY_session_tickets_lifetime);
    ret->rotate_ms = build_get_duration(tickets, KEY_session_tickets_rotate);
    ret->count = (unsigned)build_get_count(tickets, KEY_session_tickets_count);
}

void build_tls(struct build *b, struct model_tls *ret, const json_t *tls, const char *path)
{
    /* The numbers on the wire (RFC 8446 §4.2.1), which are OpenSSL's, too. */
    static const int versions[] = {0x0301, 0x0302, 0x0303, 0x0304};
    int newest = build_get_choice(tls, KEY_tls_max_version);
    ret->path = build_text(b, path);
    build_certificates(b, ret, json_object_get(tls, "certificates"));
    ret->strict_sni = build_get_boolean(tls, KEY_tls_strict_sni);
    ret->min_version = versions[build_get_choice(tls, KEY_tls_min_version)];
    ret->max_version = newest < 0 ? 0 : versions[newest];
    ret->ciphers = build_text(b, build_get_text(tls, KEY_tls_ciphers));
    ret->ciphersuites = build_text(b, build_get_text(tls, KEY_tls_ciphersuites));
    ret->groups = build_text(b, build_get_text(tls, KEY_tls_groups));
    ret->prefer_server_ciphers = build_get_boolean(tls, KEY_tls_prefer_server_ciphers);
    build_strings(b, &ret->alpn, json_object_get(tls, "alpn"));
    build_client_auth(b, &ret->client_auth, json_object_get(tls, "client_auth"));
    build_tickets(b, &ret->tickets, json_object_get(tls, "session_tickets"));
    const char *staple = json_string_value(json_object_get(tls, "ocsp_staple"));
    ret->ocsp_auto = staple != NULL && strcmp(staple, "auto") == 0;
    if (staple != NULL && !ret->ocsp_auto)
        ret->ocsp_file = build_file(b, staple);
    ret->watch = build_get_boolean(tls, KEY_tls_watch);
    ret->vague = json_is_null(tls) || json_is_null(json_object_get(tls, "ciphers")) ||
                 json_is_null(json_object_get(tls, "min_version"));
}

static void build_binds(struct build *b, struct model_listener *ret, const json_t *bind)
{
    size_t count = build_count_of(bind);
    ret->binds = build_array(b, count, sizeof *ret->binds);
    for (size_t i = 0; ret->binds != NULL && i < count; i++) {
        const char *text = json_string_value(build_item(bind, i));
        if (text == NULL)
            continue; /* of a draft */
        char *path = json_is_array(bind) ? build_format(b, "%s.bind[%zu]", ret->path, i)
                                         : build_format(b, "%s.bind", ret->path);
        build_address(b, &ret->binds[ret->bind_count++], text, path);
    }
}

static void build_limits(struct model_listener *ret, const json_t *listener)
{
    const json_t *limits = json_object_get(listener, "limits");
    const json_t *timeouts = json_object_get(listener, "timeouts");
    const json_t *inspect = json_object_get(listener, "inspect_limits");
    ret->max_sessions = build_get_count(limits, KEY_listener_limits_max_sessions);
    ret->max_sessions_per_source =
        build_get_count(limits, KEY_listener_limits_max_sessions_per_source);
    ret->accept_rate_per_source =
        build_get_rate(limits, KEY_listener_limits_accept_rate_per_source);
    ret->max_handshakes = build_get_count(limits, KEY_listener_limits_max_handshakes);
    ret->handshake_timeout_ms = build_get_duration(timeouts, KEY_timeouts_handshake);
    ret->idle_timeout_ms = build_get_duration(timeouts, KEY_timeouts_idle);
    ret->half_closed_timeout_ms = build_get_duration(timeouts, KEY_timeouts_half_closed);
    ret->max_undecided = build_get_count(inspect, KEY_inspect_limits_max_undecided);
    ret->max_undecided_per_source =
        build_get_count(inspect, KEY_inspect_limits_max_undecided_per_source);
    ret->max_inspect_bytes = build_get_size(inspect, KEY_inspect_limits_max_bytes);
}

void build_listener(struct build *b, struct model_listener *ret, const char *name,
                    const json_t *listener)
{
    const json_t *tls = json_object_get(listener, "tls");
    ret->name = build_text(b, name);
    ret->path = build_format(b, "listeners.%s", name);
    if (b->failed)
        return;
    build_binds(b, ret, json_object_get(listener, "bind"));
    ret->inspect_delay_ms = build_get_duration(listener, KEY_listener_inspect_delay);
    ret->has_accept_proxy = json_object_get(listener, "accept_proxy") != NULL;
    build_cidrs(b, &ret->accept_proxy, json_object_get(listener, "accept_proxy"));
    ret->has_allow = json_object_get(listener, "allow") != NULL;
    build_cidrs(b, &ret->allow, json_object_get(listener, "allow"));
    build_cidrs(b, &ret->deny, json_object_get(listener, "deny"));
    if (tls != NULL) {
        char *path = build_format(b, "%s.tls", ret->path);
        build_tls(b, &ret->tls, tls, path);
        free(path);
    }
    build_limits(ret, listener);
    build_keepalive(&ret->keepalive, json_object_get(listener, "keepalive"));
    ret->log = build_get_boolean(listener, KEY_listener_log);
    build_rules(b, ret, listener);
}
