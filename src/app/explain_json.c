/* For programs: one object. Its keys are those of the reference (command-line.md); where the access
 * log has the same thing, it has the same name there. */
#include "explain_print.h"

#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

/* --- writing ---------------------------------------------------------------------------------- */

/* Adds `,"key":`, or the key alone where it is the first in its object. */
static void add_key(struct text *t, const char *key)
{
    char before = t->length == 0 ? '{' : t->data[t->length - 1];
    if (before != '{' && before != '[')
        text_add(t, ",");
    text_format(t, "\"%s\":", key);
}

static void add_span(struct text *t, const char *key, struct span value)
{
    add_key(t, key);
    text_add_json(t, value);
}

static void add_string(struct text *t, const char *key, const char *value)
{
    if (value != NULL && value[0] != '\0')
        add_span(t, key, span_text(value));
}

static void add_number(struct text *t, const char *key, uint64_t value)
{
    add_key(t, key);
    text_format(t, "%" PRIu64, value);
}

static void add_boolean(struct text *t, const char *key, bool value)
{
    add_key(t, key);
    text_add(t, value ? "true" : "false");
}

static void add_rule(struct text *t, const struct explain_print *p, const struct rule *rule)
{
    add_string(t, "rule", rule->model->name);
    add_string(t, "place", explain_place(p, rule));
}

/* --- the parts -------------------------------------------------------------------------------- */

static void add_proxy(struct text *t, const struct explanation *e)
{
    static const char *const states[] = {[EXPLAIN_PROXY_TAKEN] = "taken",
                                         [EXPLAIN_PROXY_GIVEN] = "assumed",
                                         [EXPLAIN_PROXY_MISSING] = "missing"};
    if (e->proxy == EXPLAIN_PROXY_NONE)
        return;
    add_key(t, "proxy_header");
    text_add(t, "{");
    add_string(t, "state", states[e->proxy]);
    if (e->proxy == EXPLAIN_PROXY_TAKEN) {
        add_number(t, "version", e->header.version);
        add_number(t, "length", e->header.length);
    }
    text_add(t, "}");
}

static void add_hello(struct text *t, const struct explain_look *look)
{
    const struct client_hello *hello = &look->facts.client_hello;
    struct span name;
    size_t at = 0;
    add_key(t, "client_hello");
    text_add(t, "{");
    if (hello->has_sni)
        add_span(t, "sni", hello->sni_is_name ? span_text(hello->sni) : hello->sni_raw);
    add_key(t, "alpn");
    text_add(t, "[");
    while (client_hello_next_alpn(hello, &at, &name)) {
        if (t->length > 0 && t->data[t->length - 1] != '[')
            text_add(t, ",");
        text_add_json(t, name);
    }
    text_add(t, "]");
    add_string(t, "tls_version", explain_tls_version(hello->max_version));
    add_string(t, "ja4", look->ja4);
    add_boolean(t, "ech", hello->has_ech);
    text_add(t, "}");
}

static void add_candidates(struct text *t, const struct explain_look *look)
{
    bool any = false;
    add_key(t, "could_become");
    text_add(t, "[");
    for (unsigned i = 0; i < PROTOCOL_COUNT; i++) {
        if (look->facts.protocol[i] != VERDICT_MORE)
            continue;
        text_format(t, "%s\"%s\"", any ? "," : "", protocol_name((enum protocol)i));
        any = true;
    }
    text_add(t, "]");
}

static void add_wait(struct text *t, const struct explain_print *p, const struct explain_look *look)
{
    add_boolean(t, "waits", look->waited);
    if (!look->waited) {
        add_number(t, "decided_after", look->decided_after);
        return;
    }
    add_number(t, "inspect_delay_ms", p->args->listener->inspect_delay_ms);
    if (look->waited_for == NULL)
        return;
    add_key(t, "waits_for");
    text_add(t, "{");
    add_rule(t, p, look->waited_for);
    add_string(t, "key", look->waited_key);
    text_add(t, "}");
}

static void add_steps(struct text *t, const struct explain_print *p,
                      const struct explain_look *look)
{
    static const char *const words[] = {[EXPLAIN_YES] = "yes",
                                        [EXPLAIN_NO] = "no",
                                        [EXPLAIN_OTHER_KIND] = "other_kind",
                                        [EXPLAIN_NOT_IN_FORCE] = "not_in_force"};
    add_key(t, "rules");
    text_add(t, "[");
    for (size_t i = 0; i < look->step_count; i++) {
        const struct explain_step *step = &look->steps[i];
        text_add(t, i == 0 ? "{" : ",{");
        add_rule(t, p, step->rule);
        add_string(t, "answer", words[step->answer]);
        add_string(t, "key", step->key);
        text_add(t, "}");
    }
    text_add(t, "]");
}

static void add_look(struct text *t, const struct explain_print *p, const char *key,
                     const struct explain_look *look)
{
    add_key(t, key);
    text_add(t, "{");
    add_number(t, "bytes", look->facts.bytes.length);
    add_string(t, "protocol", explain_protocol(look));
    add_candidates(t, look);
    if (look->facts.hello == VERDICT_YES)
        add_hello(t, look);
    add_wait(t, p, look);
    add_steps(t, p, look);
    text_add(t, "}");
}

static void add_location(struct text *t, const struct http_head *request)
{
    struct text location = {0};
    http_head_add_location(&location, request);
    t->failed = t->failed || location.failed;
    add_string(t, "location", location.data);
    text_release(&location);
}

static void add_target(struct text *t, const struct explain_print *p, const struct rule *rule)
{
    const struct model_rule *outer = p->e->outer.decision.rule->model;
    add_rule(t, p, rule);
    if (outer->tls != TLS_ACTION_PLAIN)
        add_string(t, "tls", outer->tls == TLS_ACTION_TERMINATE ? "terminate" : "passthrough");
    add_string(t, "pool", rule->model->pool);
    if (rule->nested != NULL)
        add_boolean(t, "nested_rules", true);
    if (rule->model->redirect && p->e->redirect == VERDICT_YES)
        add_location(t, &p->e->request);
}

static void add_decision(struct text *t, const struct explain_print *p)
{
    const struct rule *rule = explanation_rule(p->e);
    struct explain_end end;
    explain_end_of(&end, p);
    add_boolean(t, "taken", rule != NULL);
    add_key(t, "decision");
    text_add(t, "{");
    if (rule != NULL)
        add_target(t, p, rule);
    add_string(t, "end", end.end);
    add_string(t, "detail", end.detail);
    text_add(t, "}");
}

void explain_print_json(struct text *ret, const struct explain_print *p)
{
    const struct explanation *e = p->e;
    char ip[ADDRESS_TEXT_MAX], at[CLOCK_TEXT_MAX];
    text_add(ret, "{");
    add_string(ret, "listener", p->args->listener->name);
    clock_format_seconds(p->args->now, at);
    add_string(ret, "at", at);
    if (e->has_source) {
        address_format_ip(&e->source, ip);
        add_string(ret, "source", ip);
    }
    add_proxy(ret, e);
    if (e->starttls != STARTTLS_NONE)
        add_string(ret, "starttls", starttls_name(e->starttls));
    if (e->was_asked)
        add_look(ret, p, "outer", &e->outer);
    if (e->was_asked_inside) {
        if (e->alpn.length > 0)
            add_span(ret, "alpn", e->alpn);
        add_look(ret, p, "inner", &e->inner);
    }
    add_decision(ret, p);
    text_add(ret, "}\n");
}
