/* record: a session's one line in the access log (SPEC §4), as JSON or as text. */
#ifndef SESSION_RECORD_H
#define SESSION_RECORD_H

#include "session/end_reasons.h"

struct session;

/* Called once per session at its end, while its streams are still open. */
void record_write(struct session *session, enum end_reason end);

/* One line for `count` connections that were shed before they became sessions. */
struct engine;
struct listener;
void record_shed(struct engine *engine, const struct listener *listener, const char *detail,
                 unsigned count);

#endif
