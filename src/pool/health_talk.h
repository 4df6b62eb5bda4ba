/* health_talk: what a check says once it is connected, and what it makes of the answer. Pure. */
#ifndef POOL_HEALTH_TALK_H
#define POOL_HEALTH_TALK_H

#include "base/buffer.h"
#include "config/model.h"
#include "inspect/verdict.h"

/* An answer is looked at up to here; what is wanted must lie within. */
#define TALK_HEARD_MAX_BYTES 4096u

#define TALK_REASON_MAX 80

struct talk {
    const struct model_health *settings; /* borrowed */
    struct buffer say, want;             /* owned; `want` is a script's */
};

/* `host` is the Host of an HTTP request where the settings name none. false: memory is out. */
bool talk_init(struct talk *ret, const struct model_health *settings, const char *host) MUST_CHECK;
void talk_release(struct talk *talk); /* of {0}, too */

/* A connection alone says nothing yet. */
bool talk_is_needed(const struct talk *talk);

/* The server ends its answer; our own end would look like a client that has left. */
bool talk_waits_for_end(const struct talk *talk);

/* All that was heard so far; `final`: nothing more will come, or is looked at. YES, NO or MORE (not
 * when final); `reason` then says why. */
enum verdict talk_judge(const struct talk *talk, struct span heard, bool final,
                        char reason[TALK_REASON_MAX]);

/* The number in an HTTP/1 status line (RFC 9112 §4). NO: these bytes begin none. */
enum verdict talk_parse_status(uint16_t *ret, struct span bytes);

#endif
