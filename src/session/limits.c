#include "session/limits.h"

#include "base/hash.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

bool limit_take(_Atomic uint64_t *counter, uint64_t most)
{
    uint64_t now = atomic_fetch_add_explicit(counter, 1, memory_order_relaxed) + 1;
    if (most == 0 || now <= most)
        return true;
    limit_give(counter);
    return false;
}

void limit_give(_Atomic uint64_t *counter)
{
    atomic_fetch_sub_explicit(counter, 1, memory_order_relaxed);
}

bool books_create(struct books **ret, const char *name)
{
    struct books *books = calloc(1, sizeof *books);
    if (books == NULL)
        return false;
    atomic_init(&books->references, 1);
    books->name = strdup(name);
    if (books->name == NULL || !sources_create(&books->undecided_by_source)) {
        books_unref(books);
        return false;
    }
    *ret = books;
    return true;
}

struct books *books_ref(struct books *books)
{
    atomic_fetch_add(&books->references, 1);
    return books;
}

void books_unref(struct books *books)
{
    if (books == NULL || atomic_fetch_sub(&books->references, 1) != 1)
        return;
    sources_free(books->undecided_by_source);
    free(books->name);
    free(books);
}

/* --- per source ------------------------------------------------------------------------------ */

#define SHARDS        64u
#define SHARD_BUCKETS 256u

struct entry {
    struct entry *next;
    uint64_t count;
    uint8_t key[9]; /* family, then the IPv4 address or the first 64 bits */
};

struct shard {
    pthread_mutex_t lock;
    struct entry *buckets[SHARD_BUCKETS]; /* owned chains */
};

struct sources {
    uint64_t seed; /* clients choose the keys: an unknown start spreads them */
    struct shard shards[SHARDS];
};

bool sources_create(struct sources **ret)
{
    struct sources *sources = calloc(1, sizeof *sources);
    if (sources == NULL)
        return false;
    if (getentropy(&sources->seed, sizeof sources->seed) != 0)
        sources->seed = (uint64_t)(uintptr_t)sources;
    for (unsigned i = 0; i < SHARDS; i++)
        (void)pthread_mutex_init(&sources->shards[i].lock, NULL);
    *ret = sources;
    return true;
}

void sources_free(struct sources *sources)
{
    if (sources == NULL)
        return;
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &sources->shards[i];
        for (unsigned b = 0; b < SHARD_BUCKETS; b++)
            while (shard->buckets[b] != NULL) {
                struct entry *next = shard->buckets[b]->next;
                free(shard->buckets[b]);
                shard->buckets[b] = next;
            }
        (void)pthread_mutex_destroy(&shard->lock);
    }
    free(sources);
}

static void make_key(uint8_t key[9], const struct ip_address *source)
{
    memset(key, 0, 9);
    key[0] = (uint8_t)source->any.sa_family;
    if (source->any.sa_family == AF_INET)
        memcpy(key + 1, &source->v4.sin_addr, 4);
    else if (source->any.sa_family == AF_INET6)
        memcpy(key + 1, &source->v6.sin6_addr, 8);
}

/* The link that points to the key's entry, or to the NULL where it would go; the shard is locked.
 */
static struct entry **find(struct sources *sources, const uint8_t key[9], struct shard **ret_shard)
{
    uint64_t hash = (hash_bytes(span_of(key, 9)) ^ sources->seed) * UINT64_C(0x9e3779b97f4a7c15);
    struct shard *shard = &sources->shards[hash >> 58];
    (void)pthread_mutex_lock(&shard->lock);
    struct entry **link = &shard->buckets[hash >> 32 & (SHARD_BUCKETS - 1)];
    while (*link != NULL && memcmp((*link)->key, key, 9) != 0)
        link = &(*link)->next;
    *ret_shard = shard;
    return link;
}

static struct entry *add(struct entry **link, const uint8_t key[9])
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry != NULL) {
        memcpy(entry->key, key, 9);
        *link = entry;
    }
    return entry;
}

bool sources_take(struct sources *sources, const struct ip_address *source, uint64_t most)
{
    uint8_t key[9];
    make_key(key, source);
    struct shard *shard;
    struct entry **link = find(sources, key, &shard);
    struct entry *entry = *link != NULL ? *link : add(link, key);
    bool taken = entry != NULL && entry->count < most;
    if (taken)
        entry->count++;
    (void)pthread_mutex_unlock(&shard->lock);
    return taken;
}

void sources_give(struct sources *sources, const struct ip_address *source)
{
    uint8_t key[9];
    make_key(key, source);
    struct shard *shard;
    struct entry **link = find(sources, key, &shard);
    struct entry *entry = *link;
    if (entry != NULL && --entry->count == 0) {
        *link = entry->next;
        free(entry);
    }
    (void)pthread_mutex_unlock(&shard->lock);
}

size_t sources_count(struct sources *sources)
{
    size_t count = 0;
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &sources->shards[i];
        (void)pthread_mutex_lock(&shard->lock);
        for (unsigned b = 0; b < SHARD_BUCKETS; b++)
            for (struct entry *e = shard->buckets[b]; e != NULL; e = e->next)
                count++;
        (void)pthread_mutex_unlock(&shard->lock);
    }
    return count;
}
