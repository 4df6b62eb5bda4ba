/* record: a session's one line in the access log (SPEC §4), as JSON or as text. */
#ifndef SESSION_RECORD_H
#define SESSION_RECORD_H

#include "session/end_reasons.h"

struct session;

struct engine;
struct listener;

/* Called once per session at its end, while its streams are still open and its server is held: the
 * line is made in the engine's memory, and given to the log by record_send(). */
void record_compose(struct session *session, enum end_reason end);
void record_send(struct engine *engine);

/* One line for `count` connections that were shed before they became sessions. */
void record_shed(struct engine *engine, const struct listener *listener, const char *detail,
                 unsigned count);

#endif
