/* For people: one line per thing that happens, in the order in which it happens. */
#include "explain_print.h"

#include "base/clock.h"
#include "base/units.h"

#include <inttypes.h>
#include <string.h>

static void begin(struct text *t, const char *what)
{
    text_format(t, "%-14s", what);
}

static void add_name(struct text *t, const struct explain_print *p, const struct rule *rule)
{
    const char *place = explain_place(p, rule);
    text_add(t, place);
    if (strcmp(place, rule->model->name) == 0)
        return;
    text_add(t, " (");
    text_add_plain(t, span_text(rule->model->name));
    text_add(t, ")");
}

static void add_connection(struct text *t, const struct explain_print *p)
{
    char ip[ADDRESS_TEXT_MAX], at[CLOCK_TEXT_MAX];
    begin(t, "listener");
    text_add_plain(t, span_text(p->args->listener->name));
    text_add(t, "\n");
    begin(t, "at");
    clock_format_seconds(p->args->now, at);
    text_format(t, "%s\n", at);
    begin(t, "source");
    if (p->args->source == NULL) {
        text_add(t,
                 "not told (--source IP): taken to be in no network; allow and deny not asked\n");
        return;
    }
    address_format_ip(p->args->source, ip);
    text_format(t, "%s\n", ip);
}

static void add_proxy(struct text *t, const struct explain_print *p)
{
    const struct explanation *e = p->e;
    char ip[ADDRESS_TEXT_MAX];
    if (e->proxy == EXPLAIN_PROXY_NONE)
        return;
    begin(t, "accept_proxy");
    if (e->proxy == EXPLAIN_PROXY_MISSING) {
        text_format(t, "%s\n", e->reason);
    } else if (e->proxy == EXPLAIN_PROXY_GIVEN) {
        text_add(t, "a PROXY header has to come first: taken to name this source\n");
    } else {
        address_format_ip(&e->source, ip);
        text_format(t, "PROXY v%u, %zu bytes: %s%s\n", e->header.version, e->header.length,
                    e->header.has_addresses ? "the client is " : "no address, the client is ", ip);
    }
}

static void add_hello(struct text *t, const struct explain_look *look)
{
    const struct client_hello *hello = &look->facts.client_hello;
    const char *version = explain_tls_version(hello->max_version);
    struct span name;
    size_t at = 0;
    begin(t, "ClientHello");
    text_add(t, "sni ");
    if (hello->has_sni)
        text_add_plain(t, hello->sni_is_name ? span_text(hello->sni) : hello->sni_raw);
    else
        text_add(t, "none");
    text_add(t, hello->has_sni && !hello->sni_is_name ? " (no name)" : "");
    text_add(t, hello->has_ech ? " (outer name of ECH)" : "");
    text_add(t, ", alpn");
    if (hello->alpn.length == 0)
        text_add(t, " none");
    while (client_hello_next_alpn(hello, &at, &name)) {
        text_add(t, " ");
        text_add_plain(t, name);
    }
    text_format(t, ", %s, ja4 %s\n", version == NULL ? "no known version" : version, look->ja4);
}

static void add_what_it_may_become(struct text *t, const struct explain_look *look)
{
    bool any = false;
    for (unsigned i = 0; i < PROTOCOL_COUNT; i++) {
        if (look->facts.protocol[i] != VERDICT_MORE)
            continue;
        text_add(t, any ? " " : ", could become ");
        text_add(t, protocol_name((enum protocol)i));
        any = true;
    }
}

static void add_bytes(struct text *t, const char *what, const struct explain_look *look)
{
    size_t length = look->facts.bytes.length;
    begin(t, what);
    if (length == 0)
        text_add(t, "none: silent");
    else
        text_format(t, "%zu: %s", length, explain_protocol(look));
    add_what_it_may_become(t, look);
    if (!look->waited)
        text_format(t, ", decided by the first %zu", look->decided_after);
    text_add(t, "\n");
    if (look->facts.hello == VERDICT_YES)
        add_hello(t, look);
}

static void add_wait(struct text *t, const struct explain_print *p, const struct explain_look *look)
{
    char delay[24];
    if (!look->waited)
        return;
    duration_format(p->args->listener->inspect_delay_ms, delay);
    begin(t, "waits");
    text_format(t, "the inspect delay of %s out", delay);
    if (look->waited_for != NULL) {
        text_add(t, ": ");
        add_name(t, p, look->waited_for);
        text_format(t, " needs more for %s", look->waited_key);
    }
    text_add(t, "\n");
}

static const char *kind_of(const struct model_rule *model)
{
    if (model->tls == TLS_ACTION_PLAIN)
        return "for plain connections";
    return model->starttls != NULL ? "for TLS behind its starttls" : "for TLS from the first byte";
}

static void add_date(struct text *t, const struct explain_step *step)
{
    const struct model_rule *model = step->rule->model;
    char text[CLOCK_TEXT_MAX];
    clock_format_seconds(strcmp(step->key, "from") == 0 ? model->from : model->until, text);
    text_format(t, ": %s %s", step->key, text);
}

static void add_step(struct text *t, const struct explain_print *p, const struct explain_step *step)
{
    static const char *const words[] = {[EXPLAIN_YES] = "yes",
                                        [EXPLAIN_NO] = "no",
                                        [EXPLAIN_OTHER_KIND] = "not asked",
                                        [EXPLAIN_NOT_IN_FORCE] = "not in force"};
    begin(t, words[step->answer]);
    add_name(t, p, step->rule);
    if (step->answer == EXPLAIN_OTHER_KIND)
        text_format(t, ": %s", kind_of(step->rule->model));
    else if (step->answer == EXPLAIN_NOT_IN_FORCE)
        add_date(t, step);
    else if (step->key != NULL)
        text_format(t, ": %s", step->key);
    text_add(t, "\n");
}

static void add_look(struct text *t, const struct explain_print *p, const char *what,
                     const struct explain_look *look)
{
    add_bytes(t, what, look);
    add_wait(t, p, look);
    for (size_t i = 0; i < look->step_count; i++)
        add_step(t, p, &look->steps[i]);
}

static void add_starttls(struct text *t, const struct explanation *e)
{
    if (e->starttls_turns == 0)
        return;
    begin(t, "starttls");
    text_format(t, "%u request%s answered, then %s\n", e->starttls_turns,
                e->starttls_turns == 1 ? "" : "s",
                e->starttls == STARTTLS_NONE ? "it goes on in clear" : "TLS is agreed");
}

static void add_handshake(struct text *t, const struct explanation *e)
{
    if (!e->was_asked_inside)
        return;
    begin(t, "handshake");
    text_add(t, "taken to succeed, alpn ");
    text_add(t, e->alpn.length == 0 ? "none" : "");
    text_add_span(t, e->alpn);
    text_add(t, "\n");
}

static void add_redirect(struct text *t, const struct explanation *e)
{
    text_add(t, "redirect");
    if (e->redirect != VERDICT_YES)
        return;
    text_add(t, ", 301 to ");
    http_head_add_location(t, &e->request);
}

static void add_where_to(struct text *t, const struct explain_print *p, const struct rule *rule)
{
    const struct model_rule *outer = p->e->outer.decision.rule->model;
    if (outer->tls == TLS_ACTION_TERMINATE)
        text_add(t, "terminate, ");
    else if (outer->tls == TLS_ACTION_PASSTHROUGH)
        text_add(t, rule->model->reject ? "" : "passthrough, ");
    if (rule->nested != NULL)
        text_add(t,
                 "then its own rules (give --tls and what comes inside: --bytes, --hex, --silent)");
    else if (rule->model->pool != NULL)
        text_format(t, "pool %s", rule->model->pool);
    else if (rule->model->reject)
        text_add(t, "reject");
    else if (rule->model->redirect)
        add_redirect(t, p->e);
}

static void add_decision(struct text *t, const struct explain_print *p)
{
    const struct rule *rule = explanation_rule(p->e);
    struct explain_end end;
    explain_end_of(&end, p);
    begin(t, "decision");
    if (rule != NULL) {
        add_name(t, p, rule);
        text_add(t, ": ");
        add_where_to(t, p, rule);
    }
    if (end.end != NULL)
        text_format(t, "%send %s", rule != NULL ? ", " : "", end.end);
    if (end.detail != NULL)
        text_format(t, " (%s)", end.detail);
    text_add(t, "\n");
}

void explain_print_text(struct text *ret, const struct explain_print *p)
{
    add_connection(ret, p);
    add_proxy(ret, p);
    if (p->e->was_asked) {
        add_starttls(ret, p->e);
        add_look(ret, p, "first bytes", &p->e->outer);
    }
    add_handshake(ret, p->e);
    if (p->e->was_asked_inside)
        add_look(ret, p, "decrypted", &p->e->inner);
    add_decision(ret, p);
}
