/* inventory: the certificates that are served now, over all listeners, and those that pools show to
 * their servers. Control thread. */
#ifndef ADMIN_INVENTORY_H
#define ADMIN_INVENTORY_H

#include "base/text.h"
#include "session/snapshot.h"

/* A JSON array, one object per file and certificate. */
void inventory_describe(const struct snapshot *snapshot, struct text *ret);

/* Per name the earliest end of what has it, in the order of the names. */
void inventory_each_name(const struct snapshot *snapshot,
                         void (*each)(void *context, const char *name, int64_t not_after),
                         void *context);

#endif
