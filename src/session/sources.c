#include "session/sources.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* --- keys ------------------------------------------------------------------------------------- */

struct source_key source_key_of(const struct ip_address *source)
{
    struct source_key key = {0};
    uint32_t v4;
    if (source->family == AF_INET) {
        memcpy(&v4, &source->v4, sizeof v4);
        key = (struct source_key){AF_INET, v4};
    } else if (source->family == AF_INET6) {
        key.family = AF_INET6;
        memcpy(&key.bits, &source->v6, sizeof key.bits);
    }
    return key;
}

void source_seed(struct siphash_key *seed)
{
    if (getentropy(seed, sizeof *seed) != 0)
        *seed = (struct siphash_key){(uint64_t)(uintptr_t)seed, 0};
}

uint64_t source_hash(const struct source_key *key, struct siphash_key seed)
{
    unsigned char bytes[sizeof key->bits + 1];
    memcpy(bytes, &key->bits, sizeof key->bits);
    bytes[sizeof key->bits] = key->family;
    return siphash(seed, span_of(bytes, sizeof bytes));
}

/* --- the table -------------------------------------------------------------------------------- */

#define SHARDS        64u
#define FIRST_BUCKETS 16u

struct entry {
    struct entry *next;
    struct source_key key;
    uint64_t count;
};

struct shard {
    pthread_mutex_t lock;
    struct entry **buckets; /* owned chains; NULL before the first entry */
    size_t size, entries;   /* size: a power of two */
};

struct sources {
    struct siphash_key seed; /* clients choose the keys: an unknown start spreads them */
    struct shard shards[SHARDS];
};

bool sources_create(struct sources **ret)
{
    struct sources *sources = calloc(1, sizeof *sources);
    if (sources == NULL)
        return false;
    source_seed(&sources->seed);
    for (unsigned i = 0; i < SHARDS; i++)
        (void)pthread_mutex_init(&sources->shards[i].lock, NULL);
    *ret = sources;
    return true;
}

static void free_chain(struct entry *entry)
{
    while (entry != NULL) {
        struct entry *next = entry->next;
        free(entry);
        entry = next;
    }
}

void sources_free(struct sources *sources)
{
    if (sources == NULL)
        return;
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &sources->shards[i];
        for (size_t b = 0; b < shard->size; b++)
            free_chain(shard->buckets[b]);
        free(shard->buckets);
        (void)pthread_mutex_destroy(&shard->lock);
    }
    free(sources);
}

/* The highest bits chose the shard. */
static struct entry **bucket_of(const struct shard *shard, uint64_t hash)
{
    return &shard->buckets[hash & (shard->size - 1)];
}

/* Doubles the shard once its chains are longer than one on the average. Without memory for that
 * they just get longer. */
static bool make_room(const struct sources *sources, struct shard *shard)
{
    if (shard->size > shard->entries)
        return true;
    size_t size = shard->size == 0 ? FIRST_BUCKETS : shard->size * 2;
    struct shard larger = {.buckets = calloc(size, sizeof(struct entry *)), .size = size};
    if (larger.buckets == NULL)
        return shard->size > 0;
    for (size_t b = 0; b < shard->size; b++)
        for (struct entry *entry = shard->buckets[b], *next; entry != NULL; entry = next) {
            struct entry **bucket = bucket_of(&larger, source_hash(&entry->key, sources->seed));
            next = entry->next;
            entry->next = *bucket;
            *bucket = entry;
        }
    free(shard->buckets);
    shard->buckets = larger.buckets;
    shard->size = size;
    return true;
}

/* The link that points to the key's entry, or to the NULL where it would go; NULL: memory is out.
 */
static struct entry **find(const struct sources *sources, struct shard *shard,
                           const struct source_key *key, uint64_t hash)
{
    if (!make_room(sources, shard))
        return NULL;
    struct entry **link = bucket_of(shard, hash);
    while (*link != NULL && ((*link)->key.bits != key->bits || (*link)->key.family != key->family))
        link = &(*link)->next;
    return link;
}

static struct entry *add(struct shard *shard, struct entry **link, const struct source_key *key)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->key = *key;
    *link = entry;
    shard->entries++;
    return entry;
}

bool sources_take(struct sources *sources, const struct ip_address *source, uint64_t most)
{
    struct source_key key = source_key_of(source);
    uint64_t hash = source_hash(&key, sources->seed);
    struct shard *shard = &sources->shards[hash >> 58];
    bool taken = false;
    (void)pthread_mutex_lock(&shard->lock);
    struct entry **link = find(sources, shard, &key, hash);
    struct entry *entry = link == NULL    ? NULL
                          : *link != NULL ? *link
                          : most > 0      ? add(shard, link, &key)
                                          : NULL;
    if (entry != NULL && entry->count < most) {
        entry->count++;
        taken = true;
    }
    (void)pthread_mutex_unlock(&shard->lock);
    return taken;
}

void sources_give(struct sources *sources, const struct ip_address *source)
{
    struct source_key key = source_key_of(source);
    uint64_t hash = source_hash(&key, sources->seed);
    struct shard *shard = &sources->shards[hash >> 58];
    (void)pthread_mutex_lock(&shard->lock);
    struct entry **link = find(sources, shard, &key, hash);
    struct entry *entry = link == NULL ? NULL : *link;
    if (entry != NULL && --entry->count == 0) {
        *link = entry->next;
        shard->entries--;
        free(entry);
    }
    (void)pthread_mutex_unlock(&shard->lock);
}

size_t sources_count(struct sources *sources)
{
    size_t count = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        (void)pthread_mutex_lock(&sources->shards[i].lock);
        count += sources->shards[i].entries;
        (void)pthread_mutex_unlock(&sources->shards[i].lock);
    }
    return count;
}
