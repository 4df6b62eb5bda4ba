/* Where a pool's connections come from, and what its servers are told of it. */
#include "host.h"
#include "relations.h"

static const char *text_of_server(const json_t *server)
{
    return json_string_value(json_is_object(server) ? json_object_get(server, "address") : server);
}

static const char *family_name(const struct address *address)
{
    return address->any.sa_family == AF_INET6 ? "IPv6" : "IPv4";
}

/* `source` NULL: the pool is transparent. */
static void check_server(struct form *f, const json_t *server, const struct origin *source)
{
    struct model_address address;
    char name[256];
    const char *text = text_of_server(server);
    if (text == NULL || !host_parse(&address, name, text, f->folder, NULL) ||
        address.kind != HOST_ADDRESS)
        return;
    size_t back = json_is_object(server) ? form_enter_key(f, "address") : f->path.length;
    bool local = !address_is_ip(&address.address);
    if (source == NULL && local)
        form_conflict(f, "a UNIX socket takes no client's address (not together with "
                         "\"transparent\")");
    else if (source != NULL && !local &&
             source->address.any.sa_family != address.address.any.sa_family)
        form_conflict(f, "an %s address, and \"source\" is an %s address",
                      family_name(&address.address), family_name(&source->address));
    form_leave(f, back);
}

static void check_servers(struct form *f, const json_t *servers, const struct origin *source)
{
    size_t back = form_enter_key(f, "servers");
    for (size_t i = 0; i < json_array_size(servers); i++) {
        size_t list = form_enter_index(f, i);
        check_server(f, json_array_get(servers, i), source);
        form_leave(f, list);
    }
    form_leave(f, back);
}

static void check_tlvs(struct form *f, const json_t *pool)
{
    const char *version = json_string_value(json_object_get(pool, "proxy_protocol"));
    if (json_array_size(json_object_get(pool, "pass_tlvs")) == 0 ||
        draft_is_unknown(pool, "proxy_protocol") ||
        (version != NULL && strncmp(version, "v2", 2) == 0))
        return;
    size_t back = form_enter_key(f, "pass_tlvs");
    form_conflict(f, "only \"proxy_protocol\": \"v2\" or \"v2-tls\" has such fields");
    form_leave(f, back);
}

void relations_check_origin(struct form *f, const json_t *pool)
{
    struct origin source;
    const char *text = json_string_value(json_object_get(pool, "source"));
    bool transparent = json_is_true(json_object_get(pool, "transparent"));
    check_tlvs(f, pool);
    if (transparent && json_object_get(pool, "source") != NULL) {
        size_t back = form_enter_key(f, "source");
        form_conflict(f, "not together with \"transparent\"");
        form_leave(f, back);
    }
    if (transparent)
        check_servers(f, json_object_get(pool, "servers"), NULL);
    else if (text != NULL && origin_parse(&source, span_text(text), NULL))
        check_servers(f, json_object_get(pool, "servers"), &source);
}
