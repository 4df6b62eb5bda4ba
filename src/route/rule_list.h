/* rule_list: rules of one kind in their order, and an index to the ones a connection can reach.
 *
 * Rules that would say no for a name, a CompID, a network or a protocol are not even asked. The
 * order of the file stays the order of asking. */
#ifndef ROUTE_RULE_LIST_H
#define ROUTE_RULE_LIST_H

#include "match.h"
#include "route/rules.h"
#include "rule_index.h"

struct compiled_rule {
    struct rule rule;
    bool dated; /* it holds for a time only */
    struct match match;
    struct rules *nested; /* owned; what rule.nested shows */
};

struct rule_list {
    struct compiled_rule **items; /* owned array of borrowed rules */
    unsigned count;
    struct rule_index *index; /* owned; made by rule_list_finish() */
    bool asks_alpn;
    bool asks_bytes; /* not only what the facts hold of them */
};

/* `capacity` rules at most will be added. */
bool rule_list_init(struct rule_list *list, size_t capacity) MUST_CHECK;
void rule_list_add(struct rule_list *list, struct compiled_rule *rule);
bool rule_list_finish(struct rule_list *list) MUST_CHECK;
void rule_list_release(struct rule_list *list);

/* Warns of each rule that an earlier one certainly shadows. */
void rule_list_warn_shadowed(const struct rule_list *list, struct problems *problems);

/* Of the walk's answer of then: the list, up to the rule that was taken. */
struct recalled;
void recalled_set_list(struct recalled *ret, const struct rule_list *list,
                       const struct rule *taken);

enum walk rule_list_walk(const struct rule_list *list, const struct question *question,
                         rules_step *step, void *context, const struct rule **ret);

/* Whether a rule could take a connection with these facts, whose ClientHello is still to come. */
bool rule_list_could(const struct rule_list *list, const struct facts *facts);

#endif
