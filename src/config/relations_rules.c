#include "relations.h"

#include "base/clock.h"

#include "config/suggest.h"

#include <stdio.h>

/* One list of rules: the listener's own or a nested one. */
struct rule_list {
    struct relations *r;
    const json_t *listener;
    json_t *names;          /* of the listener's rules: each leads to the first that has it */
    size_t listener_length; /* of the form's path at the listener */
    bool nested;
};

static void error_at_key(struct form *f, const char *key, const char *text)
{
    size_t back = form_enter_key(f, key);
    form_conflict(f, "%s", text);
    form_leave(f, back);
}

static bool has(const json_t *object, const char *key)
{
    return json_object_get(object, key) != NULL;
}

/* What forbids an action in this place; NULL: nothing. */
static const char *misplaced(const json_t *rule, const char *action, bool nested)
{
    const char *tls = json_string_value(json_object_get(rule, "tls"));
    bool unknown = draft_is_unknown(rule, "tls"),
         terminate = tls != NULL && strcmp(tls, "terminate") == 0;
    bool redirects = strcmp(action, "redirect") == 0, branches = strcmp(action, "rules") == 0;
    if (nested && redirects)
        return "not in a nested rule, which sees https already";
    if (nested)
        return branches ? "not in a nested rule: rules are nested once" : NULL;
    if (branches && !terminate && !unknown)
        return "needs \"tls\": \"terminate\"";
    if (redirects && has(rule, "tls"))
        return "only on a plain rule: with \"tls\" it is https already";
    if (terminate && strcmp(action, "reject") == 0)
        return "only in nested rules once TLS is terminated "
               "(\"tls\": \"passthrough\" refuses TLS clients at once)";
    return NULL;
}

static const char *const actions[] = {"pool", "reject", "redirect", "rules"};

/* The one that the others have to make way for: the first in its place, else the first. */
static const char *choose_action(const json_t *rule, bool nested)
{
    const char *chosen = NULL;
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        if (!has(rule, actions[i]))
            continue;
        if (misplaced(rule, actions[i], nested) == NULL)
            return actions[i];
        chosen = chosen == NULL ? actions[i] : chosen;
    }
    return chosen;
}

/* Where it goes: exactly one of the four, and each is told to go once. */
static void check_actions(struct form *f, const json_t *rule, bool nested)
{
    const char *chosen = choose_action(rule, nested);
    if (chosen == NULL) {
        form_conflict(f, "needs one of \"pool\", \"reject\", \"redirect\" or \"rules\"");
        return;
    }
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        const char *why = misplaced(rule, actions[i], nested);
        size_t back = form_enter_key(f, actions[i]);
        if (strcmp(actions[i], chosen) == 0 && why != NULL)
            form_conflict(f, "%s", why);
        else if (strcmp(actions[i], chosen) != 0 && has(rule, actions[i]))
            form_conflict(f, "not together with \"%s\"", chosen);
        form_leave(f, back);
    }
}

static void unknown_pool(struct form *f, const json_t *pools, const char *name)
{
    char shown[FORM_SHOWN_MAX];
    struct suggestion s = {.word = name};
    const char *candidate;
    json_t *pool;
    form_show_text(name, shown);
    json_object_foreach((json_t *)(uintptr_t)pools, candidate, pool)
        suggest_offer(&s, candidate, strlen(candidate));
    if (s.best[0] != '\0')
        form_conflict(f, "no pool named %s (did you mean \"%s\"?)", shown, s.best);
    else
        form_conflict(f, "no pool named %s", shown);
}

static void check_pool_name(struct relations *r, const json_t *rule)
{
    const json_t *pools = json_object_get(r->merged, "pools");
    const char *name = json_string_value(json_object_get(rule, "pool"));
    if (name == NULL || name[0] == '\0' || !json_is_object(pools))
        return;
    (void)json_object_set_new(r->used_pools, name, json_true());
    if (has(pools, name))
        return;
    size_t back = form_enter_key(r->form, "pool");
    unknown_pool(r->form, pools, name);
    form_leave(r->form, back);
}

/* What only a ClientHello can tell is never there for a plain rule. "not" may hold "not" in turn.
 */
static void check_plain_match(struct form *f, const json_t *rule)
{
    static const char *const keys[] = {"sni", "alpn", "ja4"};
    const json_t *match = json_object_get(rule, "match");
    size_t back = form_enter_key(f, "match");
    while (json_is_object(match)) {
        for (size_t i = 0; i < COUNT_OF(keys); i++)
            if (has(match, keys[i]))
                error_at_key(f, keys[i], "only known of TLS connections (add \"tls\" to the rule)");
        match = json_object_get(match, "not");
        (void)form_enter_key(f, "not");
    }
    form_leave(f, back);
}

/* Asked behind the handshake only. */
static void check_outer_match(struct form *f, const json_t *rule)
{
    const json_t *match = json_object_get(rule, "match");
    size_t back = form_enter_key(f, "match");
    while (json_is_object(match)) {
        if (has(match, "client_cert"))
            error_at_key(f, "client_cert",
                         "only in nested rules, behind the handshake (\"rules\" of a rule with "
                         "\"tls\": \"terminate\")");
        match = json_object_get(match, "not");
        (void)form_enter_key(f, "not");
    }
    form_leave(f, back);
}

static bool lacks_certificates(const json_t *object, const char *key)
{
    return !draft_is_unknown(object, key) && !has(json_object_get(object, key), "certificates");
}

static void check_outer_rule(struct rule_list *l, const json_t *rule, const char *tls)
{
    struct form *f = l->r->form;
    bool terminate = tls != NULL && strcmp(tls, "terminate") == 0;
    bool unknown = draft_is_unknown(rule, "tls"), other = !terminate && !unknown;
    bool plain = !unknown && !has(rule, "tls");
    check_outer_match(f, rule);
    if (plain)
        check_plain_match(f, rule);
    if (has(rule, "starttls") && plain)
        error_at_key(f, "starttls", "needs \"tls\": \"terminate\" or \"passthrough\"");
    if (has(rule, "policy") && other)
        error_at_key(f, "policy", "needs \"tls\": \"terminate\"");
    if (terminate && lacks_certificates(l->listener, "tls") && lacks_certificates(rule, "policy"))
        error_at_key(f, "tls", "needs \"certificates\" in the listener's tls or the rule's policy");
}

static void check_nested_rule(struct form *f, const json_t *rule)
{
    if (has(rule, "tls"))
        error_at_key(f, "tls", "not in a nested rule, whose bytes are decrypted already");
    if (has(rule, "policy"))
        error_at_key(f, "policy", "not in a nested rule, whose bytes are decrypted already");
    if (has(rule, "starttls"))
        error_at_key(f, "starttls", "not in a nested rule, whose bytes are decrypted already");
}

/* What the rule's policy does not say is the listener's. */
static void check_policy(struct rule_list *l, const json_t *rule)
{
    struct form *f = l->r->form;
    json_t *policy = json_object_get(rule, "policy");
    json_t *tls = json_object_get(l->listener, "tls");
    if (!json_is_object(policy))
        return;
    json_t *merged = json_is_object(tls) ? json_deep_copy(tls) : json_object();
    if (merged != NULL && json_object_update_recursive(merged, policy) == 0) {
        size_t back = form_enter_key(f, "policy");
        if (has(policy, "min_version") || has(policy, "max_version"))
            relations_check_versions(l->r, merged);
        relations_check_client_auth(l->r, merged, policy);
        relations_check_tickets(l->r, merged, policy);
        form_leave(f, back);
    }
    json_decref(merged);
}

/* Errors about what the policy lacks belong to where it takes it from. */
static void inherit_policy(struct rule_list *l)
{
    struct form *f = l->r->form;
    struct text path = {0}, tls = {0};
    text_format(&path, "%s.policy", f->path.data);
    text_format(&tls, "%.*s.tls", (int)l->listener_length, f->path.data);
    if (!path.failed && !tls.failed) {
        struct location place;
        bool own = locations_find(l->r->locations, tls.data, &place);
        locations_inherit(l->r->locations, path.data, own ? tls.data : "defaults.listener.tls");
    }
    text_release(&path);
    text_release(&tls);
}

/* A rule that never holds. */
static void check_dates(struct form *f, const json_t *rule)
{
    const char *from = json_string_value(json_object_get(rule, "from"));
    const char *until = json_string_value(json_object_get(rule, "until"));
    uint64_t first, end;
    if (from != NULL && until != NULL && clock_parse(&first, span_text(from)) &&
        clock_parse(&end, span_text(until)) && end <= first)
        error_at_key(f, "until", "must be later than \"from\"");
}

/* Without a name of its own a rule is called by its place. */
static void warn_of_name(struct rule_list *l, const json_t *rule)
{
    struct form *f = l->r->form;
    const char *own = json_string_value(json_object_get(rule, "name"));
    const char *place = f->path.data + l->listener_length + 1;
    const char *name = own != NULL ? own : place;
    const char *first = json_string_value(json_object_get(l->names, name));
    if (draft_is_unknown(rule, "name"))
        return;
    if (first == NULL) {
        (void)json_object_set_new(l->names, name, json_string(place));
        return;
    }
    size_t back = f->path.length;
    if (own != NULL)
        (void)form_enter_key(f, "name");
    problems_warning(f->problems, f->path.data,
                     "the same name as %s: log and metrics do not tell them apart", first);
    form_leave(f, back);
}

static void check_list(struct rule_list *l, const json_t *holder);

static void check_rule(struct rule_list *l, const json_t *rule)
{
    struct form *f = l->r->form;
    if (!json_is_object(rule))
        return;
    check_actions(f, rule, l->nested);
    warn_of_name(l, rule);
    check_pool_name(l->r, rule);
    check_dates(f, rule);
    if (!l->nested) {
        check_outer_rule(l, rule, json_string_value(json_object_get(rule, "tls")));
        check_policy(l, rule);
        relations_warn_client_cert(l->r, json_object_get(l->listener, "tls"), rule);
        if (has(rule, "policy"))
            inherit_policy(l);
    } else {
        check_nested_rule(f, rule);
    }
    if (l->nested)
        return;
    struct rule_list nested = *l;
    nested.nested = true;
    check_list(&nested, rule);
}

static void check_list(struct rule_list *l, const json_t *holder)
{
    struct form *f = l->r->form;
    const json_t *rules = json_object_get(holder, "rules");
    size_t back = form_enter_key(f, "rules");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        size_t list = form_enter_index(f, i);
        check_rule(l, json_array_get(rules, i));
        form_leave(f, list);
    }
    form_leave(f, back);
}

void relations_check_rules(struct relations *r, const json_t *listener)
{
    struct rule_list list = {.r = r,
                             .listener = listener,
                             .names = json_object(),
                             .listener_length = r->form->path.length};
    check_list(&list, listener);
    json_decref(list.names);
}
