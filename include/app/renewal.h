/* renewal: certificates that change on disk reach new handshakes, without a reload.
 *
 * Watches the files of every policy of the current snapshot; a changed pair is loaded and verified
 * on the control thread and handed to each worker. What is refused is logged once per state of the
 * files, and the previous pair stays. */
#ifndef APP_RENEWAL_H
#define APP_RENEWAL_H

#include "app/worker.h"

struct renewal;
struct ev_loop;

/* Holds a reference to the snapshot; borrows the workers. */
bool renewal_start(struct renewal **ret, struct ev_loop *loop, struct snapshot *snapshot,
                   struct worker *const *workers, unsigned worker_count,
                   struct error *error) MUST_CHECK;
void renewal_stop(struct renewal *renewal); /* accepts NULL */

#endif
