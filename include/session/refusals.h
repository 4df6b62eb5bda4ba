/* refusals: sessions that end as `denied` or `limit`: counted each, logged so that nobody can fill
 * the disk by being refused.
 *
 * The first ten refusals of a source for one reason have lines of their own, at once. Those that
 * follow are folded: one line says how many there were (`repeated`), after a second, then after
 * two, four, up to a minute, for as long as they go on; after a second without any it begins anew.
 * A worker writes at most a hundred lines of their own at once and one more a second; further
 * sources share one line, without `client`. So the number of refusals is the sum of max(1,
 * repeated) over their lines, and the lines are few whatever comes. */
#ifndef SESSION_REFUSALS_H
#define SESSION_REFUSALS_H

#include "session/limits.h"

struct engine;
struct listener;
struct refusals;
struct session;

/* One per engine. */
bool refusals_create(struct refusals **ret, struct engine *engine) MUST_CHECK;
void refusals_free(struct refusals *refusals); /* accepts NULL; writes what is folded */

/* Writes what is folded now: before the log is reopened or closed. */
void refusals_flush(struct refusals *refusals);

/* Counts the refusal and ends the session. */
void session_refuse(struct session *s, enum limit limit);

/* Counts connections that were shed before they became sessions. */
void refusals_add_shed(struct engine *engine, const struct listener *listener, unsigned count);

#endif
