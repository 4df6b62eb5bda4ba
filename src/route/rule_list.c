#include "rule_list.h"

#include "route/recall.h"

#include <limits.h>
#include <stdlib.h>

bool rule_list_init(struct rule_list *list, size_t capacity)
{
    *list = (struct rule_list){0};
    list->items = calloc(capacity + 1, sizeof *list->items);
    return list->items != NULL;
}

static bool asks_alpn(const struct match *match)
{
    for (; match != NULL; match = match->negated) {
        if (match_has(match, MATCH_ALPN))
            return true;
    }
    return false;
}

static bool asks_bytes(const struct match *match)
{
    for (; match != NULL; match = match->negated) {
        if (match_has(match, MATCH_PREFIX) || match_has(match, MATCH_PREFIX_HEX) ||
            match_has(match, MATCH_REGEX))
            return true;
    }
    return false;
}

void rule_list_add(struct rule_list *list, struct compiled_rule *rule)
{
    list->asks_alpn = list->asks_alpn || asks_alpn(&rule->match);
    list->asks_bytes = list->asks_bytes || asks_bytes(&rule->match);
    list->items[list->count++] = rule;
}

bool rule_list_finish(struct rule_list *list)
{
    const struct match **matches = calloc((size_t)list->count + 1, sizeof *matches);
    if (matches == NULL)
        return false;
    for (unsigned i = 0; i < list->count; i++)
        matches[i] = &list->items[i]->match;
    bool ok = rule_index_create(&list->index, matches, list->count);
    free(matches);
    return ok;
}

void rule_list_release(struct rule_list *list)
{
    free(list->items);
    rule_index_free(list->index);
    *list = (struct rule_list){0};
}

/* Of a connection whose bytes are gone: a rule that would have taken all that this one does has
 * said no then. Most rules stand where they stood: the one behind the last that was found goes
 * first. */
static bool was_denied(const struct compiled_rule *rule, struct recalled *recalled, unsigned most)
{
    for (unsigned i = 0; i < most && i < recalled->before && recalled->budget > 0; i++) {
        unsigned at = (recalled->next + i) % recalled->before;
        const struct compiled_rule *old = recalled->list->items[at];
        if (old->dated || !match_covers(&old->match, &rule->match, &recalled->budget))
            continue;
        recalled->next = at + 1;
        return true;
    }
    return false;
}

static enum verdict deduce(const struct compiled_rule *rule, struct recalled *recalled)
{
    if (recalled->list == NULL)
        return VERDICT_MORE;
    const struct match *taken = &recalled->list->items[recalled->before]->match;
    if (was_denied(rule, recalled, 1))
        return VERDICT_NO;
    if (match_covers(&rule->match, taken, &recalled->budget))
        return VERDICT_YES;
    return was_denied(rule, recalled, UINT_MAX) ? VERDICT_NO : VERDICT_MORE;
}

void recalled_set_list(struct recalled *ret, const struct rule_list *list, const struct rule *taken)
{
    unsigned at = 0;
    while (list != NULL && at < list->count && &list->items[at]->rule != taken)
        at++;
    ret->list = list != NULL && at < list->count ? list : NULL;
    ret->before = at;
    ret->next = 0;
}

static enum verdict ask(const struct compiled_rule *rule, const struct question *question)
{
    enum verdict answer = match_ask(&rule->match, question);
    if (answer == VERDICT_MORE && question->facts->recalled != NULL)
        return deduce(rule, question->facts->recalled);
    return answer;
}

enum walk rule_list_walk(const struct rule_list *list, const struct question *question,
                         rules_step *step, void *context, const struct rule **ret)
{
    struct hits hits;
    unsigned at;
    hits.count = 0;
    rule_index_find(list->index, question, &hits);
    while (hits_next(&hits, &at)) {
        const struct compiled_rule *rule = list->items[at];
        if (rule->dated && !model_rule_holds(rule->rule.model, question->facts->now))
            continue;
        enum verdict answer = ask(rule, question);
        if (step != NULL)
            step(context, &rule->rule, answer, match_decider(&rule->match, question, answer));
        if (answer == VERDICT_MORE)
            return WALK_MORE;
        if (answer == VERDICT_YES) {
            *ret = &rule->rule;
            return WALK_RULE;
        }
    }
    return WALK_NONE;
}

bool rule_list_could(const struct rule_list *list, const struct facts *facts)
{
    struct question question = {.facts = facts, .before_hello = true};
    for (unsigned i = 0; i < list->count; i++) {
        const struct compiled_rule *rule = list->items[i];
        if (model_rule_holds(rule->rule.model, facts->now) &&
            match_ask(&rule->match, &question) != VERDICT_NO)
            return true;
    }
    return false;
}

/* --- shadows --------------------------------------------------------------------------------- */

/* What a list may spend on looking for shadows: enough for thousands of rules, little enough for a
 * reload not to notice. Past it later rules are just not looked at. */
#define SHADOW_BUDGET UINT64_C(4000000)

/* `wide` holds whenever `narrow` does. */
static bool holds_longer(const struct model_rule *wide, const struct model_rule *narrow)
{
    return wide->from <= narrow->from &&
           (wide->until == 0 || (narrow->until != 0 && wide->until >= narrow->until));
}

/* The rule before position `at` that takes all that the rule there could; NULL: none for certain.
 */
static const struct compiled_rule *find_shadow(const struct rule_list *list, unsigned at,
                                               uint64_t *budget)
{
    const struct match *match = &list->items[at]->match;
    struct hits hits;
    unsigned earlier;
    hits.count = 0;
    if (match_has(match, MATCH_SNI))
        rule_index_find_wider(list->index, match->model->sni.item[0], &hits);
    rule_index_unnamed(list->index, &hits);
    while (hits_next(&hits, &earlier) && earlier<at && * budget> 0) {
        if (holds_longer(list->items[earlier]->rule.model, list->items[at]->rule.model) &&
            match_covers(&list->items[earlier]->match, match, budget))
            return list->items[earlier];
    }
    return NULL;
}

void rule_list_warn_shadowed(const struct rule_list *list, struct problems *problems)
{
    uint64_t budget = SHADOW_BUDGET;
    for (unsigned i = 1; i < list->count && budget > 0; i++) {
        const struct compiled_rule *shadow = find_shadow(list, i, &budget);
        if (shadow != NULL)
            problems_warning(problems, list->items[i]->rule.model->path,
                             "never reached: %s above takes every connection that it matches",
                             shadow->rule.model->name);
    }
}
