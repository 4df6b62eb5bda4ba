/* binder: which listening sockets a configuration needs, and which of them are open already. */
#ifndef APP_BINDER_H
#define APP_BINDER_H

#include "session/acceptor.h"

/* Keeps the bindings of `previous` (may be NULL) that `snapshot` names too and opens the others; on
 * failure none of the new ones stays open. */
bool binder_bind(struct bindings **ret, const struct snapshot *snapshot,
                 const struct bindings *previous, unsigned workers, struct error *error) MUST_CHECK;

/* Likewise, for a configuration that ran before: `spare` are those that binder_spare() has kept of
 * it. */
bool binder_bind_again(struct bindings **ret, const struct snapshot *snapshot,
                       const struct bindings *previous, const struct bindings *spare,
                       unsigned workers, struct error *error) MUST_CHECK;

/* Whether those that are not in `kept` could be opened again, as far as rights go. */
bool binder_may_return(const struct bindings *bindings, const struct bindings *kept,
                       struct error *error) MUST_CHECK;

/* Of these the ones that cannot be opened again once they are closed, as another process has them,
 * too: one reference to each. NULL: out of memory. */
struct bindings *binder_spare(const struct bindings *bindings) MUST_CHECK;

/* Is one of `bindings` (NULL: none) what a configuration calls so? */
bool binder_has(const struct bindings *bindings, const char *text);

/* Or does one of them have the address, or a part of it, which it would give up or share? */
bool binder_gives_way(const struct bindings *bindings, const struct address *address);

#endif
