/* audit: whether every counter of the process is back at zero once the last session is gone. The
 * books of listeners look after themselves when they are closed (books_unref). */
#ifndef APP_AUDIT_H
#define APP_AUDIT_H

#include "session/snapshot.h"

/* Adds " KEY=COUNT" for what is not zero; true when there is something. No session is left. */
bool audit_imbalance(struct text *text, struct gauge *gauge, const struct pool_set *pools);

/* Logs it as an error, `muxgate.books`. `snapshot` may be NULL. */
void audit_report(struct gauge *gauge, const struct snapshot *snapshot);

#endif
