/* limits: every cap on sessions, counted over the whole process.
 *
 * Books belong to a listener's name and live as long as any generation with that name; the gauge
 * belongs to the process. All counters are atomics touched when a session is admitted, is decided
 * or ends: never per message. What was taken is given back by the same owner, the session. */
#ifndef SESSION_LIMITS_H
#define SESSION_LIMITS_H

#include "base/address.h"

#include <stdatomic.h>

struct sources;

/* The process's gauge; one, owned by the app. */
struct gauge {
    _Atomic uint64_t sessions;
    _Atomic uint64_t most; /* limits.max_sessions or what the descriptor limit holds */
};

/* One listener's counters. */
struct books {
    _Atomic unsigned references;
    char *name; /* owned */
    _Atomic uint64_t sessions, undecided;
    struct sources *undecided_by_source; /* owned */
};

bool books_create(struct books **ret, const char *name) MUST_CHECK;
struct books *books_ref(struct books *books);
void books_unref(struct books *books); /* accepts NULL */

/* Takes one of `counter` unless that makes it more than `most` (0: no limit). */
bool limit_take(_Atomic uint64_t *counter, uint64_t most) MUST_CHECK;
void limit_give(_Atomic uint64_t *counter);

/* --- per source ------------------------------------------------------------------------------
 * A sharded table: source address (IPv6: its /64) → count. Entries exist only while they count. */
bool sources_create(struct sources **ret) MUST_CHECK;
void sources_free(struct sources *sources); /* accepts NULL */
bool sources_take(struct sources *sources, const struct ip_address *source,
                  uint64_t most) MUST_CHECK;
void sources_give(struct sources *sources, const struct ip_address *source);
size_t sources_count(struct sources *sources); /* entries now, for the tests' books */

#endif
