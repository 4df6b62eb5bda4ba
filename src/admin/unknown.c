/* What no rule took, and a rule that would. */
#include "base/clock.h"
#include "desk.h"
#include "handlers.h"
#include "session/unknowns.h"

#include <inttypes.h>
#include <stdlib.h>

static void add_text(struct text *t, const char *key, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    text_format(t, ", \"%s\": ", key);
    text_add_json(t, span_text(value));
}

static void add_time(struct text *t, const char *key, uint64_t ms)
{
    char text[CLOCK_TEXT_MAX];
    clock_format(ms, text);
    add_text(t, key, text);
}

static void add_hex(struct text *t, const struct redacted *bytes)
{
    text_add_char(t, '"');
    for (size_t i = 0; i < bytes->kept_length; i++)
        text_format(t, "%02x", bytes->kept[i]);
    text_add_char(t, '"');
}

/* --- the rule --------------------------------------------------------------------------------- */

static void format_source(const struct unknown *u, char ret[ADDRESS_TEXT_MAX])
{
    struct address source = address_from_ip(&u->source);
    (void)snprintf(ret, ADDRESS_TEXT_MAX, "unix:");
    if (source.length != 0)
        address_format_ip(&source, ret);
}

static bool is(const struct unknown *u, const char *protocol)
{
    return strcmp(u->protocol, protocol) == 0;
}

/* The narrowest that its facts allow. A TLS rule without a match would take every name. */
static void add_match(struct text *t, const struct unknown *u)
{
    char source[ADDRESS_TEXT_MAX];
    format_source(u, source);
    if (is(u, "tls") && u->sni_is_name) {
        text_add(t, "\"sni\": ");
        text_add_json(t, span_text(u->sni));
    } else if (is(u, "silent")) {
        text_add(t, "\"silent\": true");
    } else if (u->sender[0] != '\0') {
        text_add(t, "\"fix\": {\"SenderCompID\": ");
        text_add_json(t, span_text(u->sender));
        text_add_char(t, '}');
    } else if (!is(u, "tls") && !is(u, "unknown")) {
        text_format(t, "\"protocol\": \"%s\"", u->protocol);
    } else if (!is(u, "tls") && u->bytes.kept_length > 0) {
        text_add(t, "\"prefix_hex\": ");
        add_hex(t, &u->bytes);
    } else if (u->source.family != AF_UNSPEC) {
        text_format(t, "\"source\": \"%s\"", source);
    }
}

static const struct listener *find_listener(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        if (strcmp(snapshot->listeners[i].model->name, name) == 0)
            return &snapshot->listeners[i];
    return NULL;
}

static void add_tls(struct text *t, const struct unknown *u, const struct snapshot *snapshot)
{
    const struct listener *listener = find_listener(snapshot, u->listener);
    bool terminates = listener != NULL && listener->model->tls.certificate_count > 0;
    if (is(u, "tls"))
        text_format(t, ", \"tls\": \"%s\"", terminates ? "terminate" : "passthrough");
}

/* Which pool is meant, people must say, unless there is but one. */
static void add_rule(struct text *t, const struct unknown *u, const struct snapshot *snapshot)
{
    const struct model *model = snapshot->config.model;
    text_add(t, ", \"suggested\": {\"match\": {");
    add_match(t, u);
    text_add_char(t, '}');
    add_tls(t, u, snapshot);
    add_text(t, "pool", model->pool_count == 1 ? model->pools[0].name : "\xe2\x80\xa6");
    text_add_char(t, '}');
}

/* --- the list --------------------------------------------------------------------------------- */

static void add_unknown(struct text *t, const struct unknown *u, const struct snapshot *snapshot)
{
    char source[ADDRESS_TEXT_MAX];
    format_source(u, source);
    text_format(t, "{\"count\": %" PRIu64, u->count);
    add_text(t, "listener", u->listener);
    add_text(t, "inside", u->inside);
    add_text(t, "protocol", u->protocol);
    add_text(t, "sni", u->sni);
    add_text(t, "fix_sender", u->sender);
    add_text(t, "begin", u->bytes.begin);
    if (u->bytes.kept_length > 0) {
        text_add(t, ", \"prefix_hex\": ");
        add_hex(t, &u->bytes);
    }
    add_text(t, "looks_like", u->bytes.looks_like);
    add_text(t, "source", source);
    add_time(t, "first", u->first_ms);
    add_time(t, "last", u->last_ms);
    add_rule(t, u, snapshot);
    text_add_char(t, '}');
}

void answer_unknown(struct admin *admin, struct http_request *request,
                    const struct route_parts *parts)
{
    (void)parts;
    struct text t = {0};
    struct unknown *all = calloc(UNKNOWNS_MAX, sizeof *all);
    if (all == NULL) {
        answer_error(request, 500, "out of memory");
        return;
    }
    size_t count = unknowns_copy(admin->args.unknowns, all);
    text_add_char(&t, '[');
    for (size_t i = 0; i < count; i++) {
        text_add(&t, i == 0 ? "\n" : ",\n");
        add_unknown(&t, &all[i], admin->snapshot);
    }
    text_add(&t, "\n]\n");
    free(all);
    answer_json(request, 200, &t);
}
