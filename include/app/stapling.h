/* stapling: OCSP responses for the certificates of every policy: fetched in the background,
 * watched, handed to the workers.
 *
 * On the control thread; what may block (a name's look-up, a slow responder) is done by a thread of
 * its own, one response after the other. What fails is logged once and tried again, later each
 * time; handshakes go on without a response. */
#ifndef APP_STAPLING_H
#define APP_STAPLING_H

#include "app/worker.h"

struct stapling;
struct ev_loop;

/* Holds a reference to the snapshot; borrows the workers. */
bool stapling_start(struct stapling **ret, struct ev_loop *loop, struct snapshot *snapshot,
                    struct worker *const *workers, unsigned worker_count,
                    struct error *error) MUST_CHECK;
void stapling_stop(struct stapling *stapling); /* accepts NULL; waits for nobody */

/* Files or certificates may have changed. */
void stapling_look(struct stapling *stapling);

#endif
