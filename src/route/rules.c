#include "route/rules.h"

#include "base/clock.h"
#include "route/recall.h"
#include "rule_list.h"

#include <stdio.h>
#include <stdlib.h>

_Static_assert(offsetof(struct compiled_rule, rule) == 0, "rules_why_not() goes back this way");

struct rules {
    struct compiled_rule *items; /* owned, in the order of the file */
    size_t count;
    struct rule_list plain;               /* nested rules are all plain */
    struct rule_list tls[STARTTLS_COUNT]; /* by what comes before the hello */
    const struct alpn_table *names;       /* the listener's; nested rules share it */
    struct alpn_table own_names;
    const struct rule **all; /* the listener's rules only: by index */
    unsigned total;
};

/* What one compilation has in hand. */
struct compiling {
    struct problems *problems;
    struct rules *root;
    bool failed;
};

/* --- compiling ------------------------------------------------------------------------------- */

static void refuse(struct compiling *c, const struct model_rule *model, const char *key,
                   const char *why)
{
    char path[512];
    snprintf(path, sizeof path, "%s.%s", model->path, key);
    problems_error(c->problems, path, "%s", why);
    c->failed = true;
}

static void out_of_memory(struct compiling *c, const char *path)
{
    problems_error(c->problems, path, "out of memory");
    c->failed = true;
}

static bool gather_match(struct alpn_table *table, const struct model_match *match)
{
    for (; match != NULL; match = match->negated) {
        for (size_t i = 0; i < match->alpn.count; i++) {
            if (!alpn_table_add(table, match->alpn.item[i]))
                return false;
        }
    }
    return true;
}

/* Every rule of the listener is counted, and its ALPN names noted. Rules inside nested rules were
 * refused before; they are not looked at. */
static bool gather(struct rules *root, const struct model_rule *models, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        root->total++;
        if (!gather_match(&root->own_names, &models[i].match))
            return false;
        for (size_t j = 0; j < models[i].rule_count; j++) {
            root->total++;
            if (!gather_match(&root->own_names, &models[i].rules[j].match))
                return false;
        }
    }
    return true;
}

static enum match_place place_of(const struct model_rule *model, bool nested)
{
    if (nested)
        return MATCH_NESTED;
    return model->tls == TLS_ACTION_PLAIN ? MATCH_PLAIN : MATCH_TLS;
}

/* It may be kept for the record, but it may as well be a slip in the year. */
static void warn_past(struct compiling *c, const struct model_rule *model)
{
    char path[512], since[CLOCK_TEXT_MAX];
    if (model->until == 0 || model->until > problems_now(c->problems))
        return;
    snprintf(path, sizeof path, "%s.until", model->path);
    clock_format_seconds(model->until, since);
    problems_warning(c->problems, path, "the rule is past: it has not held since %s", since);
}

static struct rules *compile_level(struct compiling *c, struct rules *rules, const char *path,
                                   const struct model_rule *models, size_t count, bool nested,
                                   unsigned *next_index);

static void compile_rule(struct compiling *c, struct compiled_rule *item,
                         const struct model_rule *model, bool nested, unsigned *next_index)
{
    struct rules *root = c->root;
    item->rule = (struct rule){.model = model, .index = *next_index};
    item->dated = model->from != 0 || model->until != 0;
    root->all[(*next_index)++] = &item->rule;
    warn_past(c, model);
    if (!match_compile(&item->match, &model->match, place_of(model, nested), root->names,
                       c->problems))
        c->failed = true;
    if (nested || model->rule_count == 0)
        return;
    item->nested = compile_level(c, calloc(1, sizeof *item->nested), model->path, model->rules,
                                 model->rule_count, true, next_index);
    item->rule.nested = item->nested;
}

static bool init_lists(struct rules *rules, size_t count)
{
    bool done = rule_list_init(&rules->plain, count);
    for (unsigned i = 0; done && i < STARTTLS_COUNT; i++)
        done = rule_list_init(&rules->tls[i], count);
    return done;
}

static bool finish_lists(struct rules *rules)
{
    bool done = rule_list_finish(&rules->plain);
    for (unsigned i = 0; done && i < STARTTLS_COUNT; i++)
        done = rule_list_finish(&rules->tls[i]);
    return done;
}

static struct rule_list *list_of(struct compiling *c, struct rules *rules,
                                 const struct model_rule *model, bool nested)
{
    enum starttls dialect = STARTTLS_NONE;
    if (nested || model->tls == TLS_ACTION_PLAIN)
        return &rules->plain;
    if (model->starttls != NULL && !starttls_find(&dialect, span_text(model->starttls)))
        refuse(c, model, "starttls", "unknown");
    return &rules->tls[dialect];
}

/* Fills `rules` (NULL: memory was out) and returns it. */
static struct rules *compile_level(struct compiling *c, struct rules *rules, const char *path,
                                   const struct model_rule *models, size_t count, bool nested,
                                   unsigned *next_index)
{
    if (rules == NULL || (rules->items = calloc(count + 1, sizeof *rules->items)) == NULL ||
        !init_lists(rules, count)) {
        out_of_memory(c, path);
        return rules;
    }
    rules->names = c->root->names;
    for (size_t i = 0; i < count; i++) {
        struct compiled_rule *item = &rules->items[rules->count++];
        compile_rule(c, item, &models[i], nested, next_index);
        rule_list_add(list_of(c, rules, &models[i], nested), item);
    }
    if (!finish_lists(rules))
        out_of_memory(c, path);
    return rules;
}

static void warn_shadowed(const struct rules *rules, struct problems *problems)
{
    for (unsigned i = 0; i < STARTTLS_COUNT; i++)
        rule_list_warn_shadowed(&rules->tls[i], problems);
    rule_list_warn_shadowed(&rules->plain, problems);
    for (size_t i = 0; i < rules->count; i++) {
        if (rules->items[i].nested != NULL)
            warn_shadowed(rules->items[i].nested, problems);
    }
}

static void compile_root(struct compiling *c, const struct model_listener *model)
{
    struct rules *root = c->root;
    unsigned next_index = 0;
    root->names = &root->own_names;
    if (!gather(root, model->rules, model->rule_count) ||
        (root->all = calloc((size_t)root->total + 1, sizeof *root->all)) == NULL) {
        out_of_memory(c, model->path);
        return;
    }
    if (!alpn_table_finish(&root->own_names)) {
        problems_error(c->problems, model->path, "its rules ask for more than %u ALPN names",
                       ALPN_NAMES_MAX);
        c->failed = true;
        return;
    }
    compile_level(c, root, model->path, model->rules, model->rule_count, false, &next_index);
}

bool rules_compile(struct rules **ret, const struct model_listener *model,
                   struct problems *problems)
{
    struct compiling c = {.problems = problems, .root = calloc(1, sizeof *c.root)};
    if (c.root == NULL) {
        problems_error(problems, model->path, "out of memory");
        return false;
    }
    compile_root(&c, model);
    if (c.failed) {
        rules_free(c.root);
        return false;
    }
    if (!problems_are_partial(problems))
        warn_shadowed(c.root, problems);
    *ret = c.root;
    return true;
}

void rules_free(struct rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < rules->count; i++) {
        match_release(&rules->items[i].match);
        rules_free(rules->items[i].nested);
    }
    for (unsigned i = 0; i < STARTTLS_COUNT; i++)
        rule_list_release(&rules->tls[i]);
    rule_list_release(&rules->plain);
    alpn_table_release(&rules->own_names);
    free(rules->all);
    free(rules->items);
    free(rules);
}

unsigned rules_count(const struct rules *rules)
{
    return rules->total;
}

const struct rule *rules_at(const struct rules *rules, unsigned index)
{
    return index < rules->total ? rules->all[index] : NULL;
}

/* --- walking --------------------------------------------------------------------------------- */

static void mark_offers(const struct rules *rules, const struct facts *facts, struct alpn_set *set)
{
    size_t at = 0;
    struct span name;
    if (facts->terminated || facts->recalled != NULL) {
        if (facts->alpn.length > 0)
            alpn_table_mark(rules->names, facts->alpn, set);
        return;
    }
    while (client_hello_next_alpn(&facts->client_hello, &at, &name))
        alpn_table_mark(rules->names, name, set);
}

/* A plain connection has neither name nor offers. */
static struct question question_of(const struct rules *rules, const struct rule_list *list,
                                   const struct facts *facts)
{
    const struct client_hello *hello = &facts->client_hello;
    struct question question = {.facts = facts};
    if (facts->terminated || facts->recalled != NULL)
        question.sni = span_text(facts->sni);
    else if (list != &rules->plain && hello->has_sni && hello->sni_is_name)
        question.sni = span_text(hello->sni);
    if (list->asks_alpn)
        mark_offers(rules, facts, &question.offered);
    return question;
}

/* The list to ask; NULL: none, and `*ret` is the answer. */
static const struct rule_list *list_for(const struct rules *rules, const struct facts *facts,
                                        enum walk *ret)
{
    *ret = facts->final ? WALK_NONE : WALK_MORE;
    bool plain = facts->tls == VERDICT_NO || (facts->tls == VERDICT_MORE && facts->final);
    if (facts->terminated || (plain && facts->starttls == STARTTLS_NONE))
        return &rules->plain;
    if (facts->tls == VERDICT_YES && facts->hello == VERDICT_YES)
        return &rules->tls[facts->starttls];
    if (plain || (facts->tls == VERDICT_YES && facts->hello != VERDICT_MORE))
        *ret = WALK_NONE;
    return NULL;
}

enum walk rules_walk_trace(const struct rules *rules, const struct facts *facts, rules_step *step,
                           void *context, const struct rule **ret)
{
    enum walk answer;
    const struct rule_list *list = list_for(rules, facts, &answer);
    *ret = NULL;
    if (list == NULL)
        return answer;
    struct question question = question_of(rules, list, facts);
    return rule_list_walk(list, &question, step, context, ret);
}

const char *rules_why_not(const struct rules *rules, const struct facts *facts,
                          const struct rule *rule)
{
    const struct compiled_rule *compiled = (const void *)rule; /* its first member */
    enum walk answer;
    const struct rule_list *list = list_for(rules, facts, &answer);
    if (list == NULL)
        return NULL;
    struct question question = question_of(rules, list, facts);
    return match_decider(&compiled->match, &question, VERDICT_NO);
}

static bool has_tls_rule(const struct rules *rules)
{
    for (size_t i = 0; i < STARTTLS_COUNT; i++)
        if (rules->tls[i].count > 0)
            return true;
    return false;
}

const char *rules_why_none(const struct rules *rules, const struct facts *facts)
{
    if (facts->terminated)
        return NULL;
    if (facts->tls == VERDICT_YES)
        return has_tls_rule(rules) ? NULL : "TLS, and every rule is for plain connections";
    if (rules->plain.count > 0 || facts->starttls != STARTTLS_NONE)
        return NULL;
    if (facts->bytes.length == 0)
        return "not a byte came, and every rule is for TLS";
    return facts->protocol[PROTOCOL_http] == VERDICT_YES ? "plain HTTP, and every rule is for TLS"
                                                         : "not TLS, and every rule is for TLS";
}

size_t rules_need(const struct rules *rules, const struct facts *facts)
{
    enum walk answer;
    const struct rule_list *list = list_for(rules, facts, &answer);
    if (list == &rules->plain && list->asks_bytes)
        return facts->bytes.length + 1;
    return facts_need(facts);
}

enum walk rules_walk(const struct rules *rules, const struct facts *facts, const struct rule **ret)
{
    return rules_walk_trace(rules, facts, NULL, NULL, ret);
}

bool rules_could_starttls(const struct rules *rules, const struct facts *facts,
                          enum starttls dialect)
{
    return dialect < STARTTLS_COUNT && rule_list_could(&rules->tls[dialect], facts);
}

/* --- of connections whose bytes are gone ------------------------------------------------------ */

void recalled_set_rules(struct recalled *ret, const struct rules *rules, const struct rule *taken,
                        const struct facts *facts)
{
    enum walk ignored;
    recalled_set_list(ret, list_for(rules, facts, &ignored), taken);
}

/* The last rule that was asked. */
struct last_step {
    const struct rule *rule;
    const char *key;
};

static void note_step(void *context, const struct rule *rule, enum verdict answer, const char *key)
{
    (void)answer;
    *(struct last_step *)context = (struct last_step){rule, key};
}

enum walk rules_walk_recalled(const struct rules *rules, const struct facts *facts,
                              const struct rule **ret, const char **ret_key)
{
    struct last_step last = {NULL, NULL};
    enum walk walk = rules_walk_trace(rules, facts, note_step, &last, ret);
    *ret_key = NULL;
    if (walk == WALK_MORE) {
        *ret = last.rule;
        *ret_key = last.key;
    }
    return walk;
}

const char *rules_regex_library(void)
{
    return pattern_library();
}
