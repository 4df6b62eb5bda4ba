/* gather: small messages that have come in the same turn of the loop are passed on together.
 *
 * Readiness is announced session by session; where several are ready, one system call reads for all
 * of them and one writes for all of them (io/batch.h), in place of two for each; decrypting and
 * encrypting lie in between, so that nobody is woken before all are served. Each session then takes
 * what was moved for it through the same code as if it had made the calls. A session that is alone,
 * or a kernel without io_uring, makes them.
 *
 * One engine's. Sessions wait in their `queue`, from their event to gather_serve() in the same
 * turn, and leave by it where they end before. */
#ifndef SESSION_GATHER_H
#define SESSION_GATHER_H

#include "session/relay.h"

struct batch;
struct gather;
struct session;

struct gather *gather_create(void);      /* NULL: memory is out */
void gather_free(struct gather *gather); /* accepts NULL; nobody waits */

/* A side can be read from. true: it will be, by gather_serve(). false: now, by the caller. */
bool gather_take(struct gather *gather, struct session *s, enum side side);

/* The ring, for others of the engine that have calls to make together, between two of gather's own
 * calls; NULL: there is none. Who has found it of no more use says so. */
struct batch *gather_batch(struct gather *gather);
void gather_lose_batch(struct gather *gather);

/* Before the loop sleeps. */
void gather_serve(struct gather *gather);

#endif
