/* rule_index: which rules of a list a connection can reach at all.
 *
 * Every key of a rule's match must hold, so one of them is enough to file the rule under: the first
 * it has of sni, fix, source and protocol. A look gives the rules whose key can hold, and those
 * that have none of these: the others would say no. Ten thousand rules for a name, a CompID or a
 * network each cost what ten cost.
 *
 * Built once, then only read, from any thread. The rules are borrowed. */
#ifndef ROUTE_RULE_INDEX_H
#define ROUTE_RULE_INDEX_H

#include "base/compiler.h"
#include "hits.h"
#include "match.h"

struct rule_index;

/* `matches`: of the rules, in their order; a rule's number is its place there. */
bool rule_index_create(struct rule_index **ret, const struct match *const *matches,
                       unsigned count) MUST_CHECK;
void rule_index_free(struct rule_index *index); /* accepts NULL */

/* The numbers of all rules that may answer yes or more. */
void rule_index_find(const struct rule_index *index, const struct question *question,
                     struct hits *ret);

/* Of the rules that name an `sni` those with a pattern that covers this one; and all that name
 * none. */
void rule_index_find_wider(const struct rule_index *index, const char *pattern, struct hits *ret);
void rule_index_unnamed(const struct rule_index *index, struct hits *ret);

#endif
