/* rules: a listener's ordered rules, compiled once, walked per session. Pure: facts in, rule out.
 *
 * A matcher answers yes, no or more. AND: a no beats a more; OR: a yes beats it. A rule that needs
 * more stops the walk, so that a later rule never overtakes an earlier one that could still match.
 * With facts->final, more counts as no (before `not` is applied). */
#ifndef ROUTE_RULES_H
#define ROUTE_RULES_H

#include "config/model.h"
#include "config/problems.h"
#include "inspect/facts.h"

struct rules;

struct rule {
    const struct model_rule *model; /* borrowed: name, tls, pool, reject */
    unsigned index;                 /* unique within its listener, nested ones included: see rules_count() */
    const struct rules *nested;     /* owned by the rules; NULL for none */
};

/* Reports unknown protocol names, sni/alpn in plain outer rules, shadowed rules (a warning) and so on. */
bool rules_compile(struct rules **ret, const struct model_listener *model, struct problems *problems) MUST_CHECK;
void rules_free(struct rules *rules); /* accepts NULL */

/* All rules of the listener, nested ones included: indices are below this. */
unsigned rules_count(const struct rules *rules);
const struct rule *rules_at(const struct rules *rules, unsigned index);

enum walk { WALK_RULE, WALK_NONE, WALK_MORE };

/* Which rule takes these facts. WALK_MORE only while !facts->final. Bytes of undecided kind
 * (facts->tls MORE) and a hello not yet read (facts->hello MORE) are WALK_MORE, too. */
enum walk rules_walk(const struct rules *rules, const struct facts *facts, const struct rule **ret);

#endif
