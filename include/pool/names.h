/* names: follows what servers' names stand for, while a configuration runs. Asks again when an
 * answer is over (its TTL, or the pool's `interval`), never blocks, and changes the pool with
 * pool_update_addresses(). An answer that fails changes nothing: the last good one stays.
 *
 * Control thread, on its loop. Without c-ares nothing is followed. */
#ifndef POOL_NAMES_H
#define POOL_NAMES_H

#include "pool/pool.h"

struct ev_loop;
struct names;

enum names_kind {
    NAMES_CHANGED,   /* other servers than before */
    NAMES_FAILED,    /* no answer, for the first time */
    NAMES_RECOVERED, /* an answer again, and the same as before */
    NAMES_CUT,       /* there are more servers than are taken; for the first time */
};

struct names_event {
    enum names_kind kind;
    const char *pool, *server; /* the server as configured */
    unsigned servers, added, removed;
    const char *reason; /* with NAMES_FAILED */
};

/* Valid during the call. Must not call names_stop(). */
typedef void names_told(void *context, const struct names_event *event);

/* All names of the published set, which must outlive it, are asked for at once. */
bool names_start(struct names **ret, struct ev_loop *loop, struct pool_set *set, names_told *tell,
                 void *context, struct error *error) MUST_CHECK;
void names_stop(struct names *names); /* accepts NULL */

/* c-ares' version; NULL: names are looked up when a configuration is read, and not followed. */
const char *names_library(void);

#endif
