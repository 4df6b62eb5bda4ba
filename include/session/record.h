/* record: a session's one line in the access log (SPEC §4), as JSON or as text. */
#ifndef SESSION_RECORD_H
#define SESSION_RECORD_H

#include "session/limits.h"

struct session;

struct engine;

/* Called once per session at its end, while its streams are still open and its server is held: the
 * line is made in the engine's memory, and given to the log by record_send(). */
void record_compose(struct session *session, enum end_reason end);
bool record_send(struct engine *engine); /* false: the log cannot take it now, and has counted it */

/* One line for `repeated` refusals. */
struct refused_line {
    const char *listener;
    enum limit limit;
    const struct ip_address *client; /* the last one's; NULL: of several sources, or none known */
    uint64_t since_ms;               /* wall clock, of the first */
    uint64_t repeated;
};
bool record_refused(struct engine *engine, const struct refused_line *refused);

/* The same for the metrics: the session is counted as ended so. */
void record_count(struct session *session, enum end_reason end);

/* Enters a routed session in the ledger, once: early for one that lasts, at its end at the latest.
 */
void record_enter(struct session *session);

/* What there is to know of one that no rule took; `bytes` were looked at last. */
struct unknown;
void record_unknown(const struct session *session, struct unknown *ret, struct span bytes);

/* A rule was chosen: from now on the session counts under it, and under its protocol. */
void record_decision(struct session *session);

/* What is known of a session that goes on, as a JSON object: id, generation, state, and the fields
 * of the line. */
struct text;
void record_describe(const struct session *session, struct text *ret);

#endif
