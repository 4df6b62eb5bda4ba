/* limits: every cap on sessions, counted over the whole process.
 *
 * Books belong to a listener's name and live as long as any generation with that name; the gauge
 * belongs to the process. All counters are atomics touched when a session is admitted, is decided
 * or ends: never per message. What was taken is given back by the same owner, the session, so that
 * the books of a listener without sessions are all zero: books_imbalance() says whether they are.
 */
#ifndef SESSION_LIMITS_H
#define SESSION_LIMITS_H

#include "base/address.h"
#include "base/text.h"
#include "session/desks.h"
#include "session/end_reasons.h"
#include "session/rates.h"
#include "session/sources.h"

#include <stdatomic.h>

enum limit {
#define LIMIT(id, end, detail, help) LIMIT_##id,
#include "session/limits.def"
#undef LIMIT
    LIMIT_COUNT
};

const char *limit_name(enum limit limit);   /* its id */
const char *limit_detail(enum limit limit); /* "" for none */
enum end_reason limit_end(enum limit limit);

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
    _Atomic uint64_t handshakes; /* at work, where max_handshakes counts them */
    _Atomic uint64_t most_undecided, most_handshakes; /* by the newest configuration; 0: no limit */
    struct sources *sessions_by_source;    /* owned; of those under the limit; likewise below */
    struct sources *undecided_by_source;   /* owned */
    _Atomic(struct rates *) rates;         /* owned; NULL before the first accept_rate_per_source */
    struct desks *undecided_desks;         /* owned; the oldest goes first over max_undecided */
    struct desks *waiting_desks;           /* owned; for a handshake, over max_handshakes */
    _Atomic uint64_t refused[LIMIT_COUNT]; /* so far: they only ever grow */
};

/* For `workers` workers, by whose index the desks are taken. */
bool books_create(struct books **ret, const char *name, unsigned workers) MUST_CHECK;
struct books *books_ref(struct books *books);
/* Accepts NULL. The last one has no sessions: an imbalance then is a fault, and is logged. */
void books_unref(struct books *books);

/* Adds " KEY=COUNT" for every counter of sessions that is not zero; true when there is one. */
bool books_imbalance(struct books *books, struct text *text);

/* Whether the source may come in now by `rate`; true when memory for the table is out. */
bool books_rate_admits(struct books *books, const struct ip_address *source,
                       const struct rate *rate, uint64_t now_us) MUST_CHECK;

/* Takes one of `counter` unless that makes it more than `most` (0: no limit). */
bool limit_take(_Atomic uint64_t *counter, uint64_t most) MUST_CHECK;
void limit_give(_Atomic uint64_t *counter);

#endif
