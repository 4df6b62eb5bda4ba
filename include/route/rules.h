/* rules: a listener's ordered rules, compiled once, walked per session. Pure: facts in, rule out.
 *
 * A matcher answers yes, no or more. AND: a no beats a more; OR: a yes beats it. A rule that needs
 * more stops the walk, so that a later rule never overtakes an earlier one that could still match.
 * With facts->final, more counts as no (before `not` is applied). A rule with `from` or `until` is
 * there only while it holds at facts->now: a walk goes by the time it is taken at, so that a
 * connection that was accepted earlier gets no rule that has ended.
 *
 * Cost     rules that name an `sni`, a FIX field, a `source` or a `protocol` are found through an
 *          index: a walk asks only those of them that fit, and the rules without any of these, in
 *          the order of the file.
 * Lifetime the model is borrowed and must outlive the rules.
 * Threads  immutable once compiled: any number of walks at once. */
#ifndef ROUTE_RULES_H
#define ROUTE_RULES_H

#include "config/model.h"
#include "config/problems.h"
#include "inspect/facts.h"

struct rules;

struct rule {
    const struct model_rule *model; /* borrowed: name, tls, pool, reject */
    unsigned index; /* unique within its listener, nested ones included: see rules_count() */
    const struct rules *nested; /* owned by the rules; NULL for none */
};

/* Reports unknown protocol names, sni/alpn in plain outer rules, `tls` in nested ones, shadowed
 * rules (a warning) and so on. On false there is at least one error in `problems`. */
bool rules_compile(struct rules **ret, const struct model_listener *model,
                   struct problems *problems) MUST_CHECK;
void rules_free(struct rules *rules); /* accepts NULL; frees the nested ones, too */

/* All rules of the listener, nested ones included: indices are below this, in the order of the file
 * (a rule, then those inside it). Of the listener's own rules only, not of rule->nested. */
unsigned rules_count(const struct rules *rules);
const struct rule *rules_at(const struct rules *rules, unsigned index);

enum walk { WALK_RULE, WALK_NONE, WALK_MORE };

/* Which rule takes these facts: of a listener's rules the ones for the connection's kind are asked,
 * of rule->nested (with facts->terminated) all of them. A
 * hello behind facts->starttls is for the rules with that `starttls`, and any other for those
 * without; plain bytes behind it are WALK_NONE. WALK_MORE only while !facts->final: bytes
 * of undecided kind (facts->tls MORE; at the end they are plain), a hello not yet read
 * (facts->hello MORE), or a rule that needs more. TLS whose hello is broken, or not whole at the
 * end, is WALK_NONE. *ret is the rule, or NULL. */
enum walk rules_walk(const struct rules *rules, const struct facts *facts, const struct rule **ret);

/* After WALK_NONE, where it can be said of the list as such and not only of this connection: why.
 * Static; NULL: one of the rules could have taken its kind. */
const char *rules_why_none(const struct rules *rules, const struct facts *facts);

/* After WALK_MORE: the least number of bytes with which the walk's answer can change; always more
 * than facts->bytes.length. */
size_t rules_need(const struct rules *rules, const struct facts *facts);

/* Whether any rule with this `starttls` could take a connection that asks for TLS in that dialect,
 * whatever its hello will say: the facts are those of the bytes in clear. Answering such a client
 * is for nothing otherwise, and it is plain. */
bool rules_could_starttls(const struct rules *rules, const struct facts *facts,
                          enum starttls dialect);

/* The same walk, watched: `step` (NULL: nobody watches) sees each rule that is asked, in order,
 * with its answer and the key of its match that gave it (NULL with a yes, which takes all of them).
 * Rules for the other kind of connection, and rules that the index leaves out, are not asked. */
typedef void rules_step(void *context, const struct rule *rule, enum verdict answer,
                        const char *key);
enum walk rules_walk_trace(const struct rules *rules, const struct facts *facts, rules_step *step,
                           void *context, const struct rule **ret);

/* A rule of the list that the walk with these facts goes through: the key with which its match says
 * no; NULL: it does not. For rules that were not asked, since the index has left them out. */
const char *rules_why_not(const struct rules *rules, const struct facts *facts,
                          const struct rule *rule);

/* PCRE2's version; NULL: rules have no regular expressions. */
const char *rules_regex_library(void);

#endif
