/* TLS towards servers: what "tls" of a pool needs, and what it means for rules that pass TLS on. */
#include "relations.h"

static bool has(const json_t *object, const char *key)
{
    return json_object_get(object, key) != NULL;
}

static void error_at_key(struct form *f, const char *key, const char *text)
{
    size_t back = form_enter_key(f, key);
    form_conflict(f, "%s", text);
    form_leave(f, back);
}

static bool is_of_kind(const json_t *server, const char *kind)
{
    const json_t *address = json_is_object(server) ? json_object_get(server, "address") : server;
    const char *text = json_string_value(address);
    return text != NULL && strncmp(text, kind, strlen(kind)) == 0;
}

static bool has_server_of_kind(const json_t *pool, const char *kind)
{
    const json_t *servers = json_object_get(pool, "servers");
    for (size_t i = 0; i < json_array_size(servers); i++)
        if (is_of_kind(json_array_get(servers, i), kind))
            return true;
    return false;
}

/* Of an SRV record's host DNS alone says that it is the one to verify (RFC 9525 §6.1): with the
 * system's authorities anybody who can answer for it could name a host of his own. */
static void check_names(struct form *f, const json_t *pool, const json_t *tls)
{
    if (has(tls, "sni") || json_is_false(json_object_get(tls, "verify")) ||
        draft_is_unknown(tls, "verify"))
        return;
    if (has_server_of_kind(pool, "unix:"))
        form_conflict(f, "needs \"sni\": a server at a UNIX address has no name to verify");
    if (has_server_of_kind(pool, "srv:") && !has(tls, "ca"))
        form_conflict(f, "needs \"sni\" or \"ca\": DNS alone would say whose certificate is good");
}

void relations_check_pool_tls(struct form *f, const json_t *pool)
{
    const json_t *tls = json_object_get(pool, "tls");
    if (!json_is_object(tls))
        return;
    size_t back = form_enter_key(f, "tls");
    if (has(tls, "cert") != has(tls, "key"))
        error_at_key(f, has(tls, "cert") ? "key" : "cert",
                     has(tls, "cert") ? "missing (needed with \"cert\")"
                                      : "missing (needed with \"key\")");
    check_names(f, pool, tls);
    form_leave(f, back);
}

/* TLS of the client's inside TLS of ours is a tunnel, and legal; what goes on in it is the client's
 * business alone. An agreement about TLS belongs to a server that is spoken to in plain. */
static void check_rule(struct relations *r, const json_t *rule)
{
    const char *tls = json_string_value(json_object_get(rule, "tls"));
    const char *name = json_string_value(json_object_get(rule, "pool"));
    const json_t *pool = json_object_get(json_object_get(r->merged, "pools"), name);
    if (tls == NULL || strcmp(tls, "passthrough") != 0 ||
        !json_is_object(json_object_get(pool, "tls")))
        return;
    size_t back = form_enter_key(r->form, "pool");
    if (has(rule, "starttls"))
        form_conflict(r->form, "\"%s\" has \"tls\", and TLS is not asked for inside of TLS", name);
    else
        problems_warning(r->form->problems, r->form->path.data,
                         "\"%s\" has \"tls\": TLS of the client goes on inside TLS to the server",
                         name);
    form_leave(r->form, back);
}

void relations_check_double_tls(struct relations *r, const json_t *listener)
{
    const json_t *rules = json_object_get(listener, "rules");
    size_t back = form_enter_key(r->form, "rules");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        size_t list = form_enter_index(r->form, i);
        if (json_is_object(json_array_get(rules, i)))
            check_rule(r, json_array_get(rules, i));
        form_leave(r->form, list);
    }
    form_leave(r->form, back);
}
