/* recall: what rules would say of a connection whose first bytes are gone.
 *
 * Facts with `recalled` hold what was noted of the connection: `tls`, `hello`, `starttls`; of plain
 * bytes `protocol` (MORE: not known) and the fields of `fix` that were; `sni` and `alpn` as for
 * terminated ones. All else is not known, and a rule that asks for it answers MORE, as it does for
 * bytes that have not come: the walk stops there (WALK_MORE), and its answer is that it can't be
 * told. `final` only where the client was silent.
 *
 * But something more is certain: the rule that took the connection matched it, and those before did
 * not. What a rule asks for that surely matches whenever that one does, is a yes; what surely
 * matches only where one of those before would have, is a no. So rules that stay as they are, or
 * get wider or narrower in a plain way, can be judged whatever they ask for. */
#ifndef ROUTE_RECALL_H
#define ROUTE_RECALL_H

#include "route/rules.h"

struct rule_list;

struct recalled {
    const struct rule_list *list; /* the rules that were asked; NULL: none */
    unsigned before, next;        /* how many were asked in vain; with which to go on */
    bool alpn_in_part;            /* other names than facts->alpn may have been offered as well */
    bool cert_unknown;            /* there may be a client certificate, or not, and which one */
    uint64_t budget; /* what comparing rules may still cost; used up, nothing more is certain */
};

/* For the rules of one connection: less than a millisecond. */
#define RECALL_BUDGET UINT64_C(40000)

/* These rules were asked, and `taken` is what they answered; the facts tell of what kind. */
void recalled_set_rules(struct recalled *ret, const struct rules *rules, const struct rule *taken,
                        const struct facts *facts);

/* The walk. After WALK_MORE *ret is the rule that can't be judged, and *ret_key what it asks for.
 */
enum walk rules_walk_recalled(const struct rules *rules, const struct facts *facts,
                              const struct rule **ret, const char **ret_key);

#endif
