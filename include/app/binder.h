/* binder: which listening sockets a configuration needs, and which of them are open already. */
#ifndef APP_BINDER_H
#define APP_BINDER_H

#include "session/acceptor.h"

/* Keeps the bindings of `previous` (may be NULL) that `snapshot` names too and opens the others; on
 * failure none of the new ones stays open. */
bool binder_bind(struct bindings **ret, const struct snapshot *snapshot,
                 const struct bindings *previous, unsigned workers, struct error *error) MUST_CHECK;

#endif
