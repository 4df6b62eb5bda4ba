#include "table.h"

#include "base/siphash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define DAY_MS        UINT64_C(86400000)
#define REGULAR_MS    DAY_MS        /* from the first to the last time of one who comes again */
#define REGULAR_BONUS (30 * DAY_MS) /* by how much later such a one is taken to have been seen */
#define MIXED_MS      (7 * DAY_MS)

/* More are not counted: other programs read them as double numbers. */
#define SESSIONS_MAX (UINT64_C(1) << 53)

/* When it is full, this part of it goes; and one source has a right to that part. */
#define BATCH_PART 16u
#define SHARE_PART 4u

struct table {
    struct siphash_key seed;  /* clients choose what is in the keys */
    struct row **buckets;     /* owned chains */
    size_t size, count, most; /* size: a power of two */
    uint64_t evicted;
};

/* --- finding ---------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct table *t, const char *source, const char *sender,
                        const char *key)
{
    const char *const parts[] = {source, sender, key};
    struct siphash_key seed = t->seed;
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        seed.k0 ^= siphash(seed, span_text(parts[i]));
    return seed.k0;
}

static struct row **bucket_of(const struct table *t, const char *source, const char *sender,
                              const char *key)
{
    return &t->buckets[hash_of(t, source, sender, key) & (t->size - 1)];
}

static struct row *find(const struct table *t, const char *source, const char *sender,
                        const char *key)
{
    struct row *row = *bucket_of(t, source, sender, key);
    while (row != NULL && (strcmp(row->source, source) != 0 || strcmp(row->sender, sender) != 0 ||
                           strcmp(row->key, key) != 0))
        row = row->next;
    return row;
}

/* --- rows ------------------------------------------------------------------------------------- */

static void free_row(struct row *row)
{
    if (row == NULL)
        return;
    free(row->source);
    free(row->sender);
    free(row->key);
    free(row->sni);
    free(row->name);
    free(row);
}

static struct row *make_row(const struct seen *seen, const char *key)
{
    struct row *row = calloc(1, sizeof *row);
    if (row == NULL)
        return NULL;
    row->source = strdup(seen->source);
    row->sender = strdup(seen->sender);
    row->key = strdup(key);
    row->sni = strdup(seen->sni);
    row->name = strdup("");
    if (row->source != NULL && row->sender != NULL && row->key != NULL && row->sni != NULL &&
        row->name != NULL)
        return row;
    free_row(row);
    return NULL;
}

static bool replace(char **text, const char *by)
{
    if (strcmp(*text, by) == 0)
        return true;
    char *copy = strdup(by);
    if (copy == NULL)
        return false;
    free(*text);
    *text = copy;
    return true;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t last_seen(const struct row *row)
{
    return later(row->last[WAY_PLAIN], row->last[WAY_TLS]);
}

/* 0 is never. */
static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* --- making room ------------------------------------------------------------------------------ */

static uint64_t rank_of(const struct row *row)
{
    uint64_t first = earlier(row->first[WAY_PLAIN], row->first[WAY_TLS]), last = last_seen(row);
    return last + (last - first >= REGULAR_MS ? REGULAR_BONUS : 0);
}

static int compare_ranks(const struct row *a, const struct row *b)
{
    uint64_t left = rank_of(a), right = rank_of(b);
    return left < right ? -1 : left > right;
}

static int by_source(const void *left, const void *right)
{
    const struct row *a = *(struct row *const *)left, *b = *(struct row *const *)right;
    int order = strcmp(a->source, b->source);
    return order != 0 ? order : compare_ranks(b, a);
}

static int by_rank(const void *left, const void *right)
{
    const struct row *a = *(struct row *const *)left, *b = *(struct row *const *)right;
    return a->surplus != b->surplus ? (a->surplus ? -1 : 1) : compare_ranks(a, b);
}

/* Each source keeps its best. */
static void mark_surplus(struct row **rows, size_t count, size_t share)
{
    size_t rank = 0;
    for (size_t i = 0; i < count; i++) {
        rank = i > 0 && strcmp(rows[i]->source, rows[i - 1]->source) == 0 ? rank + 1 : 0;
        rows[i]->surplus = rank >= share;
    }
}

static void evict(struct table *t, struct row *row)
{
    struct row **link = bucket_of(t, row->source, row->sender, row->key);
    while (*link != row)
        link = &(*link)->next;
    *link = row->next;
    free_row(row);
    t->count--;
    t->evicted++;
}

static bool list_rows(const struct table *t, struct row ***ret)
{
    size_t at = 0;
    *ret = calloc(t->count + 1, sizeof(struct row *));
    if (*ret == NULL)
        return false;
    for (size_t b = 0; b < t->size; b++)
        for (struct row *row = t->buckets[b]; row != NULL; row = row->next)
            (*ret)[at++] = row;
    return true;
}

static bool shrink(struct table *t, size_t wanted)
{
    struct row **rows;
    size_t count = t->count, share = t->most / SHARE_PART;
    if (count <= wanted)
        return true;
    if (!list_rows(t, &rows))
        return false;
    qsort(rows, count, sizeof *rows, by_source);
    mark_surplus(rows, count, share > 0 ? share : 1);
    qsort(rows, count, sizeof *rows, by_rank);
    for (size_t i = 0; i < count - wanted; i++)
        evict(t, rows[i]);
    free(rows);
    return true;
}

static bool make_room(struct table *t)
{
    size_t batch = t->most / BATCH_PART;
    return t->count < t->most || shrink(t, t->most - (batch > 0 ? batch : 1));
}

static bool grow(struct table *t)
{
    if (t->count < t->size)
        return true;
    struct table larger = *t;
    larger.size = t->size * 2;
    larger.buckets = calloc(larger.size, sizeof(struct row *));
    if (larger.buckets == NULL)
        return false;
    for (size_t b = 0; b < t->size; b++)
        for (struct row *row = t->buckets[b], *next; row != NULL; row = next) {
            struct row **bucket = bucket_of(&larger, row->source, row->sender, row->key);
            next = row->next;
            row->next = *bucket;
            *bucket = row;
        }
    free(t->buckets);
    *t = larger;
    return true;
}

/* --- entering --------------------------------------------------------------------------------- */

static struct row *add(struct table *t, const struct seen *seen, const char *key)
{
    if (!make_room(t) || !grow(t))
        return NULL;
    struct row *row = make_row(seen, key);
    if (row == NULL)
        return NULL;
    struct row **bucket = bucket_of(t, row->source, row->sender, row->key);
    row->next = *bucket;
    *bucket = row;
    t->count++;
    return row;
}

/* The row of these sessions, made where there is none; NULL: out of memory. */
static struct row *row_for(struct table *t, const struct seen *seen)
{
    bool named = seen->sni[0] != '\0';
    struct row *row = named ? find(t, seen->source, seen->sender, seen->sni) : NULL;
    if (row != NULL)
        return row;
    row = find(t, seen->source, seen->sender, "");
    if (row == NULL)
        return add(t, seen, "");
    if (!named || strcmp(row->sni, seen->sni) == 0)
        return row;
    if (row->sni[0] != '\0')
        return add(t, seen, seen->sni);
    return replace(&row->sni, seen->sni) ? row : NULL;
}

bool table_enter(struct table *t, const struct seen *seen)
{
    struct row *row = row_for(t, seen);
    if (row == NULL)
        return false;
    if (seen->way == WAY_TLS && seen->last >= row->last[WAY_TLS]) {
        if (seen->name[0] != '\0' && !replace(&row->name, seen->name))
            return false;
        if (seen->tls_version[0] != '\0')
            (void)snprintf(row->tls_version, sizeof row->tls_version, "%s", seen->tls_version);
    }
    row->first[seen->way] = earlier(row->first[seen->way], seen->first);
    row->last[seen->way] = later(row->last[seen->way], seen->last);
    uint64_t sessions = row->sessions[seen->way] + seen->sessions;
    row->sessions[seen->way] = sessions < SESSIONS_MAX ? sessions : SESSIONS_MAX;
    return true;
}

static bool enter_row(struct table *t, const struct row *row, enum way way)
{
    /* Plain sessions have no name; with one they might be taken for those of another row. */
    const struct seen seen = {.source = row->source,
                              .sni = way == WAY_TLS ? row->sni : "",
                              .sender = row->sender,
                              .name = row->name,
                              .tls_version = row->tls_version,
                              .way = way,
                              .first = row->first[way],
                              .last = row->last[way],
                              .sessions = row->sessions[way]};
    return row->last[way] == 0 || table_enter(t, &seen);
}

bool table_merge(struct table *table, const struct table *from)
{
    for (enum way way = WAY_PLAIN; way < WAYS; way++)
        for (size_t b = 0; b < from->size; b++)
            for (const struct row *row = from->buckets[b]; row != NULL; row = row->next)
                if (!enter_row(table, row, way))
                    return false;
    return true;
}

/* --- looking ---------------------------------------------------------------------------------- */

enum comes table_comes(const struct row *row)
{
    uint64_t plain = row->last[WAY_PLAIN], tls = row->last[WAY_TLS];
    if (plain == 0)
        return COMES_TLS;
    if (plain >= tls)
        return COMES_PLAIN;
    return plain > row->first[WAY_TLS] && tls - plain < MIXED_MS ? COMES_MIXED : COMES_TLS;
}

static int in_order(const void *left, const void *right)
{
    const struct row *a = *(struct row *const *)left, *b = *(struct row *const *)right;
    enum comes first = table_comes(a), second = table_comes(b);
    if (first != second)
        return first < second ? -1 : 1;
    uint64_t then = last_seen(a), now = last_seen(b);
    if (then != now)
        return then > now ? -1 : 1;
    int order = strcmp(a->source, b->source);
    order = order != 0 ? order : strcmp(a->sender, b->sender);
    return order != 0 ? order : strcmp(a->sni, b->sni);
}

bool table_sort(const struct table *table, struct row ***ret)
{
    if (!list_rows(table, ret))
        return false;
    qsort(*ret, table->count, sizeof **ret, in_order);
    return true;
}

size_t table_count(const struct table *table)
{
    return table->count;
}

uint64_t table_evicted(const struct table *table)
{
    return table->evicted;
}

/* --- life ------------------------------------------------------------------------------------- */

#define FIRST_BUCKETS 64u

bool table_create(struct table **ret, size_t most)
{
    struct table *t = calloc(1, sizeof *t);
    if (t == NULL)
        return false;
    t->most = most;
    t->size = FIRST_BUCKETS;
    t->buckets = calloc(t->size, sizeof(struct row *));
    if (t->buckets == NULL) {
        free(t);
        return false;
    }
    if (getentropy(&t->seed, sizeof t->seed) != 0)
        t->seed = (struct siphash_key){(uint64_t)(uintptr_t)t, 0};
    *ret = t;
    return true;
}

void table_clear(struct table *t)
{
    for (size_t b = 0; b < t->size; b++) {
        for (struct row *row = t->buckets[b], *next; row != NULL; row = next) {
            next = row->next;
            free_row(row);
        }
        t->buckets[b] = NULL;
    }
    t->count = 0;
}

bool table_set_most(struct table *t, size_t most)
{
    t->most = most;
    return shrink(t, most);
}

void table_free(struct table *t)
{
    if (t == NULL)
        return;
    table_clear(t);
    free(t->buckets);
    free(t);
}
