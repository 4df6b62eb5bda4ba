#include "build.h"

#include "base/name.h"

#include <stdlib.h>

static void build_names(struct build *b, struct string_list *ret, const json_t *value)
{
    size_t count = build_count_of(value);
    ret->item = build_array(b, count, sizeof *ret->item);
    for (size_t i = 0; ret->item != NULL && i < count; i++) {
        char normal[NAME_MAX_LENGTH + 3];
        const char *text = json_string_value(build_item(value, i));
        if (text != NULL && name_normalise_pattern(normal, span_text(text)))
            ret->item[ret->count++] = build_text(b, normal);
    }
}

static void build_fix(struct build *b, struct model_fix *ret, const json_t *fix)
{
    const json_t *valid = json_object_get(fix, "valid");
    ret->present = fix != NULL;
    build_strings(b, &ret->sender_comp_id, json_object_get(fix, "SenderCompID"));
    build_strings(b, &ret->target_comp_id, json_object_get(fix, "TargetCompID"));
    build_strings(b, &ret->sender_sub_id, json_object_get(fix, "SenderSubID"));
    build_strings(b, &ret->username, json_object_get(fix, "Username"));
    build_strings(b, &ret->begin_string, json_object_get(fix, "BeginString"));
    ret->has_valid = valid != NULL;
    ret->valid = json_is_true(valid);
}

static void build_client_cert(struct build *b, struct model_client_cert *ret, const json_t *cert)
{
    ret->present = cert != NULL;
    build_places(b, &ret->cn, json_object_get(cert, "cn"));
    build_places(b, &ret->san, json_object_get(cert, "san"));
}

static void build_match_keys(struct build *b, struct model_match *ret, const json_t *match)
{
    const json_t *silent = json_object_get(match, "silent");
    ret->present = match != NULL;
    build_places(b, &ret->protocol, json_object_get(match, "protocol"));
    build_names(b, &ret->sni, json_object_get(match, "sni"));
    build_strings(b, &ret->alpn, json_object_get(match, "alpn"));
    build_cidrs(b, &ret->source, json_object_get(match, "source"));
    build_strings(b, &ret->prefix, json_object_get(match, "prefix"));
    build_strings(b, &ret->prefix_hex, json_object_get(match, "prefix_hex"));
    build_strings(b, &ret->ja4, json_object_get(match, "ja4"));
    build_places(b, &ret->regex, json_object_get(match, "regex"));
    build_fix(b, &ret->fix, json_object_get(match, "fix"));
    build_client_cert(b, &ret->client_cert, json_object_get(match, "client_cert"));
    ret->has_silent = silent != NULL;
    ret->silent = json_is_true(silent);
}

/* "not" may hold "not" in turn. */
static void build_match(struct build *b, struct model_match *ret, const json_t *match,
                        const char *rule_path)
{
    ret->path = build_format(b, "%s.match", rule_path);
    build_match_keys(b, ret, match);
    while ((match = json_object_get(match, "not")) != NULL && !b->failed) {
        ret->negated = build_array(b, 1, sizeof *ret->negated);
        if (ret->negated == NULL)
            return;
        ret->negated->path = build_format(b, "%s.not", ret->path);
        ret = ret->negated;
        build_match_keys(b, ret, match);
    }
}

/* The listener's policy with this rule's changes. */
static void build_policy(struct build *b, struct model_rule *ret, const json_t *policy,
                         const json_t *listener_tls)
{
    json_t *merged = json_is_object(listener_tls) ? json_deep_copy(listener_tls) : json_object();
    char *path = build_format(b, "%s.policy", ret->path);
    ret->policy = build_array(b, 1, sizeof *ret->policy);
    if (merged == NULL || json_object_update_recursive(merged, (json_t *)(uintptr_t)policy) != 0)
        b->failed = true;
    if (!b->failed)
        build_tls(b, ret->policy, merged, path);
    free(path);
    json_decref(merged);
}

/* What all rules of a listener share. */
struct rule_home {
    const char *path; /* the listener's */
    const json_t *tls;
};

static void build_list(struct build *b, struct model_rule **ret, size_t *ret_count,
                       const json_t *holder, const char *path, const struct rule_home *home);

/* Rules without a name are called by their place in the listener: "rules[0].rules[2]". */
static void build_rule(struct build *b, struct model_rule *ret, const json_t *rule,
                       const struct rule_home *home)
{
    static const enum tls_action actions[] = {TLS_ACTION_TERMINATE, TLS_ACTION_PASSTHROUGH};
    const char *name = build_get_text(rule, KEY_rule_name);
    const json_t *policy = json_object_get(rule, "policy");
    int action = build_get_choice(rule, KEY_rule_tls);
    ret->name = build_text(b, name != NULL ? name : ret->path + strlen(home->path) + 1);
    build_match(b, &ret->match, json_object_get(rule, "match"), ret->path);
    ret->tls = action < 0 ? TLS_ACTION_PLAIN : actions[action];
    ret->starttls = build_text(b, build_get_text(rule, KEY_rule_starttls));
    if (json_is_object(policy))
        build_policy(b, ret, policy, home->tls);
    ret->pool = build_text(b, build_get_text(rule, KEY_rule_pool));
    ret->redirect = build_get_choice(rule, KEY_rule_redirect) >= 0;
    ret->reject = build_get_boolean(rule, KEY_rule_reject);
    ret->from = build_get_time(rule, KEY_rule_from);
    ret->until = build_get_time(rule, KEY_rule_until);
    build_list(b, &ret->rules, &ret->rule_count, rule, ret->path, home);
}

/* Two levels: relations_check_rules() refuses rules in nested rules. */
static void build_list(struct build *b, struct model_rule **ret, size_t *ret_count,
                       const json_t *holder, const char *path, const struct rule_home *home)
{
    const json_t *list = json_object_get(holder, "rules");
    size_t count = json_array_size(list);
    *ret = build_array(b, count, sizeof **ret);
    for (size_t i = 0; *ret != NULL && !b->failed && i < count; i++) {
        if (!json_is_object(json_array_get(list, i)))
            continue; /* of a draft */
        struct model_rule *rule = &(*ret)[(*ret_count)++];
        rule->path = build_format(b, "%s.rules[%zu]", path, i);
        if (rule->path != NULL)
            build_rule(b, rule, json_array_get(list, i), home);
    }
}

void build_rules(struct build *b, struct model_listener *ret, const json_t *listener)
{
    struct rule_home home = {ret->path, json_object_get(listener, "tls")};
    build_list(b, &ret->rules, &ret->rule_count, listener, ret->path, &home);
}
