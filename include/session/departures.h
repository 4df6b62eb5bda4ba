/* departures: connections to servers on this host that are begun together, at the end of the turn.
 *
 * A connection to a server on the same host wakes it, and on a busy processor it runs at once, in
 * the middle of the gateway's turn, for one connection; so it does for the first message, and so on
 * for the next client. Where several clients have come in one turn, one system call connects for
 * all of them behind everything else (io/batch.h), and the gather sends what they have said. Who is
 * alone, or goes further than this host, connects at once.
 *
 * One engine's. Sessions wait in their `queue`, in CONNECT with a server chosen and no socket yet,
 * until departures_serve() in the same turn, and leave by it where they end before. */
#ifndef SESSION_DEPARTURES_H
#define SESSION_DEPARTURES_H

#include "session/gather.h"

struct departures;

struct departures *departures_create(struct gather *gather); /* NULL: memory is out */
void departures_free(struct departures *d);                  /* accepts NULL; nobody waits */

/* A server is chosen. true: departures_serve() will connect. false: the caller does, now. */
bool departures_take(struct departures *d, struct session *s);

bool departures_wait(const struct departures *d);

/* Before the loop sleeps. What the clients have said waits in the gather then. */
void departures_serve(struct departures *d);

/* What comes now is another turn's. */
void departures_end_turn(struct departures *d);

#endif
