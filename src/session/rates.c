#include "session/rates.h"

#include "session/sources.h"

#include <pthread.h>
#include <stdlib.h>

/* The table is a cache: RATES_WAYS places where a key can be. */
#define RATES_WAYS 8u
#define SETS       (RATES_ENTRIES / RATES_WAYS)
#define LOCKS      64u

struct entry {
    struct source_key key;
    uint64_t whole_at; /* ns; 0: free */
};

struct rates {
    struct siphash_key seed;
    pthread_mutex_t locks[LOCKS];
    struct entry entries[SETS][RATES_WAYS];
};

bool rates_create(struct rates **ret)
{
    struct rates *rates = calloc(1, sizeof *rates); /* untouched pages cost nothing */
    if (rates == NULL)
        return false;
    source_seed(&rates->seed);
    for (unsigned i = 0; i < LOCKS; i++)
        (void)pthread_mutex_init(&rates->locks[i], NULL);
    *ret = rates;
    return true;
}

void rates_free(struct rates *rates)
{
    if (rates == NULL)
        return;
    for (unsigned i = 0; i < LOCKS; i++)
        (void)pthread_mutex_destroy(&rates->locks[i]);
    free(rates);
}

/* The key's entry, or the one to be taken for it: a free one, or the nearest to being free. */
static struct entry *find(struct entry set[RATES_WAYS], const struct source_key *key)
{
    struct entry *best = &set[0];
    for (unsigned i = 0; i < RATES_WAYS; i++) {
        if (set[i].key.bits == key->bits && set[i].key.family == key->family)
            return &set[i];
        if (set[i].whole_at < best->whole_at)
            best = &set[i];
    }
    *best = (struct entry){.key = *key};
    return best;
}

/* The allowance is whole at `whole_at`; each connection moves that by one interval. */
static bool admit(struct entry *entry, const struct rate *rate, uint64_t now)
{
    uint64_t period = rate->period_ms * 1000000, interval = period / rate->count;
    if (entry->whole_at < now)
        entry->whole_at = now;
    if (entry->whole_at - now > period) /* was counted by a slower rate, before a reload */
        entry->whole_at = now + period;
    if (entry->whole_at - now > interval * (rate->count - 1))
        return false;
    entry->whole_at += interval;
    return true;
}

bool rates_admit(struct rates *rates, const struct ip_address *source, const struct rate *rate,
                 uint64_t now_us)
{
    struct source_key key = source_key_of(source);
    size_t set = source_hash(&key, rates->seed) % SETS;
    (void)pthread_mutex_lock(&rates->locks[set % LOCKS]);
    struct entry *entry = find(rates->entries[set], &key);
    bool good = admit(entry, rate, now_us * 1000);
    (void)pthread_mutex_unlock(&rates->locks[set % LOCKS]);
    return good;
}
