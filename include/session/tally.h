/* tally: what one worker has counted since it began, for metrics.
 *
 * Threads    only the worker that owns it writes, with plain additions; any thread may read at any
 *            time. Nothing is locked, nothing is shared between workers: the reader adds them up.
 * Keys       names (listener, rule), so that what was counted outlives a reload. Rows are added by
 *            the worker and stay until tally_free(). There are at most TALLY_ROWS_MAX of a kind;
 *            from there on rule and listener are "(other)", so that no series of reloads makes them
 *            grow without bound. */
#ifndef SESSION_TALLY_H
#define SESSION_TALLY_H

#include "base/compiler.h"
#include "session/end_reasons.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALLY_ROWS_MAX 16384u
#define TALLY_OTHER    "(other)"

struct tally;

/* --- rows, readable by anyone ----------------------------------------------------------------- */

/* What goes through one listener under one rule: sessions that are not decided have the rule "" and
 * the protocol "". */
struct tally_traffic {
    struct tally_traffic *_Atomic next;
    const char *listener, *rule;     /* owned */
    const char *protocol;            /* static */
    _Atomic uint64_t taken;          /* sessions that came to this row, ever */
    _Atomic uint64_t decided;        /* those of them that no other rule had taken before */
    _Atomic uint64_t sessions;       /* open now */
    _Atomic uint64_t bytes[2];       /* by enum direction */
    struct tally_traffic *same_hash; /* the worker's own */
};

/* Sessions that ended alike. */
struct tally_ends {
    struct tally_ends *_Atomic next;
    const char *listener, *rule; /* owned; no rule is "" */
    const char *protocol;        /* static */
    enum end_reason end;
    _Atomic uint64_t count;
    struct tally_ends *same_hash; /* the worker's own */
};

enum tally_interval { TALLY_INSPECT, TALLY_HANDSHAKE, TALLY_CONNECT, TALLY_INTERVALS };

/* Upper bounds of the buckets; the last bucket, +Inf, has none. */
#define TALLY_BUCKETS 15u
extern const struct tally_bucket {
    const char *seconds;
    uint32_t us;
} tally_buckets[TALLY_BUCKETS];

struct tally_histogram {
    _Atomic uint64_t bucket[TALLY_BUCKETS + 1]; /* each for itself, not summed up */
    _Atomic uint64_t sum_us;
};

enum tally_version {
    TALLY_TLS_NONE,
    TALLY_TLS_1_0,
    TALLY_TLS_1_1,
    TALLY_TLS_1_2,
    TALLY_TLS_1_3,
    TALLY_VERSIONS
};
enum tally_result { TALLY_DONE, TALLY_FAILED, TALLY_TIMEOUT, TALLY_CLOSED, TALLY_RESULTS };
extern const char *const tally_version_names[TALLY_VERSIONS]; /* "none" before one was agreed */
extern const char *const tally_result_names[TALLY_RESULTS];

struct tally_counts {
    struct tally_histogram interval[TALLY_INTERVALS];
    _Atomic uint64_t handshakes[TALLY_VERSIONS][2][TALLY_RESULTS]; /* version, resumed, result */
};

static inline uint64_t tally_read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Row after row: NULL asks for the first, NULL is behind the last. */
const struct tally_traffic *tally_next_traffic(const struct tally *tally,
                                               const struct tally_traffic *after);
const struct tally_ends *tally_next_ends(const struct tally *tally, const struct tally_ends *after);
const struct tally_counts *tally_counts(const struct tally *tally);

/* --- the worker's side ------------------------------------------------------------------------ */

bool tally_create(struct tally **ret) MUST_CHECK;
void tally_free(struct tally *tally); /* accepts NULL; nobody reads any more */

/* Never NULL: out of memory, rows share one. */
struct tally_traffic *tally_traffic_of(struct tally *tally, const char *listener, const char *rule,
                                       const char *protocol);

/* A session goes from one row to another one. */
void tally_move(struct tally_traffic *from, struct tally_traffic *to);

void tally_count_end(struct tally *tally, const char *listener, const char *rule,
                     const char *protocol, enum end_reason end);
void tally_count_time(struct tally *tally, enum tally_interval interval, uint32_t us);
/* `version` as the log has it, NULL for none. */
void tally_count_handshake(struct tally *tally, const char *version, bool resumed,
                           enum tally_result result);

static inline void tally_add(_Atomic uint64_t *counter, uint64_t count)
{
    /* One writer: no need for the bus to be locked. */
    atomic_store_explicit(counter, tally_read(counter) + count, memory_order_relaxed);
}

#endif
