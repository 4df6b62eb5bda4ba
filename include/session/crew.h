/* crew: how workers wake each other, where a limit of the whole process makes one wait for another.
 *
 * A bell says no more than "look": what there is to do stands in the desks. Ringing takes a short
 * lock, never waits for the other worker, and is for rare moments only. */
#ifndef SESSION_CREW_H
#define SESSION_CREW_H

#include "base/compiler.h"

#include <ev.h>
#include <stdbool.h>

struct crew;

bool crew_create(struct crew **ret, unsigned workers) MUST_CHECK;
void crew_free(struct crew *crew); /* accepts NULL; everyone has left */

/* The worker's own: `bell` was started on its loop. It must leave before the loop goes. */
void crew_join(struct crew *crew, unsigned worker, struct ev_loop *loop, ev_async *bell);
void crew_leave(struct crew *crew, unsigned worker);

/* Any thread. To a worker that has left, or without a crew (NULL), it does nothing. */
void crew_ring(struct crew *crew, unsigned worker);

#endif
