#include "session/tally.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#define HASH_SIZE 1024u

struct tally {
    struct tally_traffic *_Atomic traffic; /* newest first */
    struct tally_ends *_Atomic ends;
    struct tally_counts counts;
    struct tally_traffic lost_traffic; /* stands in when memory is out; never shown */
    struct tally_ends *hashed[HASH_SIZE];
    struct tally_traffic *hashed_traffic[HASH_SIZE];
    /* Most sessions count where the one before did; NULL before there was one. */
    struct tally_traffic *last_traffic;
    struct tally_ends *last_ends;
    unsigned ends_count, traffic_count;
};

const struct tally_bucket tally_buckets[TALLY_BUCKETS] = {
    {"0.0001", 100},  {"0.00025", 250}, {"0.0005", 500},  {"0.001", 1000},  {"0.0025", 2500},
    {"0.005", 5000},  {"0.01", 10000},  {"0.025", 25000}, {"0.05", 50000},  {"0.1", 100000},
    {"0.25", 250000}, {"0.5", 500000},  {"1", 1000000},   {"2.5", 2500000}, {"5", 5000000},
};

const char *const tally_version_names[TALLY_VERSIONS] = {"none", "TLSv1", "TLSv1.1", "TLSv1.2",
                                                         "TLSv1.3"};
const char *const tally_result_names[TALLY_RESULTS] = {"done", "failed", "timeout", "closed"};

/* --- reading ---------------------------------------------------------------------------------- */

const struct tally_traffic *tally_next_traffic(const struct tally *tally,
                                               const struct tally_traffic *after)
{
    return atomic_load_explicit(after == NULL ? &tally->traffic : &after->next,
                                memory_order_acquire);
}

const struct tally_ends *tally_next_ends(const struct tally *tally, const struct tally_ends *after)
{
    return atomic_load_explicit(after == NULL ? &tally->ends : &after->next, memory_order_acquire);
}

const struct tally_counts *tally_counts(const struct tally *tally)
{
    return &tally->counts;
}

/* --- traffic ---------------------------------------------------------------------------------- */

static unsigned hash_of(const char *listener, const char *rule, const char *protocol, unsigned more)
{
    uint64_t hash = hash_bytes(span_text(rule)) * 31 + hash_bytes(span_text(listener));
    hash = (hash * 31 + more) * 31 + (unsigned char)protocol[0];
    return (unsigned)((hash ^ hash >> 32) % HASH_SIZE);
}

static void free_traffic(struct tally_traffic *row)
{
    if (row == NULL)
        return;
    free((char *)(uintptr_t)row->listener);
    free((char *)(uintptr_t)row->rule);
    free(row);
}

static struct tally_traffic *add_traffic(struct tally *tally, const char *listener,
                                         const char *rule, const char *protocol,
                                         struct tally_traffic **bucket)
{
    struct tally_traffic *row = calloc(1, sizeof *row);
    if (row == NULL)
        return &tally->lost_traffic;
    row->listener = strdup(listener);
    row->rule = strdup(rule);
    if (row->listener == NULL || row->rule == NULL) {
        free_traffic(row);
        return &tally->lost_traffic;
    }
    row->protocol = protocol;
    row->same_hash = *bucket;
    *bucket = row;
    tally->traffic_count++;
    atomic_init(&row->next, atomic_load_explicit(&tally->traffic, memory_order_relaxed));
    atomic_store_explicit(&tally->traffic, row, memory_order_release);
    return row;
}

static bool is_traffic(const struct tally_traffic *row, const char *listener, const char *rule,
                       const char *protocol)
{
    return row->protocol == protocol && strcmp(row->rule, rule) == 0 &&
           strcmp(row->listener, listener) == 0;
}

struct tally_traffic *tally_traffic_of(struct tally *tally, const char *listener, const char *rule,
                                       const char *protocol)
{
    if (tally->last_traffic != NULL && is_traffic(tally->last_traffic, listener, rule, protocol))
        return tally->last_traffic;
    struct tally_traffic **bucket = &tally->hashed_traffic[hash_of(listener, rule, protocol, 0)];
    for (struct tally_traffic *row = *bucket; row != NULL; row = row->same_hash)
        if (is_traffic(row, listener, rule, protocol))
            return tally->last_traffic = row;
    bool other = strcmp(listener, TALLY_OTHER) == 0;
    if (tally->traffic_count >= TALLY_ROWS_MAX && !other)
        return tally_traffic_of(tally, TALLY_OTHER, TALLY_OTHER, protocol);
    return add_traffic(tally, listener, rule, protocol, bucket);
}

void tally_move(struct tally_traffic *from, struct tally_traffic *to)
{
    tally_add(&to->sessions, 1);
    tally_add(&from->sessions, UINT64_MAX);
    tally_add(&to->taken, 1);
    if (from->rule != NULL && from->rule[0] == '\0')
        tally_add(&to->decided, 1);
}

/* --- ends ------------------------------------------------------------------------------------- */

static bool is_row(const struct tally_ends *row, const struct tally_ends *wanted)
{
    return row->end == wanted->end && row->protocol == wanted->protocol &&
           strcmp(row->rule, wanted->rule) == 0 && strcmp(row->listener, wanted->listener) == 0;
}

static void free_ends(struct tally_ends *row)
{
    if (row == NULL)
        return;
    free((char *)(uintptr_t)row->listener);
    free((char *)(uintptr_t)row->rule);
    free(row);
}

static struct tally_ends *add_ends(struct tally *tally, const struct tally_ends *wanted,
                                   struct tally_ends **bucket)
{
    struct tally_ends *row = calloc(1, sizeof *row);
    if (row == NULL)
        return NULL;
    row->listener = strdup(wanted->listener);
    row->rule = strdup(wanted->rule);
    if (row->listener == NULL || row->rule == NULL) {
        free_ends(row);
        return NULL;
    }
    row->protocol = wanted->protocol;
    row->end = wanted->end;
    row->same_hash = *bucket;
    *bucket = row;
    tally->ends_count++;
    atomic_init(&row->next, atomic_load_explicit(&tally->ends, memory_order_relaxed));
    atomic_store_explicit(&tally->ends, row, memory_order_release);
    return row;
}

static struct tally_ends *find_ends(struct tally *tally, const struct tally_ends *wanted)
{
    if (tally->last_ends != NULL && is_row(tally->last_ends, wanted))
        return tally->last_ends;
    struct tally_ends **bucket = &tally->hashed[hash_of(wanted->listener, wanted->rule,
                                                        wanted->protocol, (unsigned)wanted->end)];
    for (struct tally_ends *row = *bucket; row != NULL; row = row->same_hash)
        if (is_row(row, wanted))
            return tally->last_ends = row;
    if (tally->ends_count >= TALLY_ROWS_MAX && strcmp(wanted->listener, TALLY_OTHER) != 0)
        return NULL;
    return add_ends(tally, wanted, bucket);
}

void tally_count_end(struct tally *tally, const char *listener, const char *rule,
                     const char *protocol, enum end_reason end)
{
    struct tally_ends wanted = {
        .listener = listener, .rule = rule, .protocol = protocol, .end = end};
    struct tally_ends *row = find_ends(tally, &wanted);
    if (row == NULL) {
        wanted.listener = wanted.rule = TALLY_OTHER;
        row = find_ends(tally, &wanted);
    }
    if (row != NULL)
        tally_add(&row->count, 1);
}

/* --- times and handshakes --------------------------------------------------------------------- */

void tally_count_time(struct tally *tally, enum tally_interval interval, uint32_t us)
{
    struct tally_histogram *histogram = &tally->counts.interval[interval];
    unsigned bucket = 0;
    while (bucket < TALLY_BUCKETS && us > tally_buckets[bucket].us)
        bucket++;
    tally_add(&histogram->bucket[bucket], 1);
    tally_add(&histogram->sum_us, us);
}

void tally_count_handshake(struct tally *tally, const char *version, bool resumed,
                           enum tally_result result)
{
    unsigned at = TALLY_TLS_NONE;
    for (unsigned i = 1; version != NULL && i < TALLY_VERSIONS; i++)
        if (strcmp(version, tally_version_names[i]) == 0)
            at = i;
    tally_add(&tally->counts.handshakes[at][resumed][result], 1);
}

/* --- life ------------------------------------------------------------------------------------- */

bool tally_create(struct tally **ret)
{
    *ret = calloc(1, sizeof **ret);
    return *ret != NULL;
}

void tally_free(struct tally *tally)
{
    if (tally == NULL)
        return;
    for (struct tally_ends *row = tally->ends, *next; row != NULL; row = next) {
        next = row->next;
        free_ends(row);
    }
    for (struct tally_traffic *row = tally->traffic, *next; row != NULL; row = next) {
        next = row->next;
        free_traffic(row);
    }
    free(tally);
}
