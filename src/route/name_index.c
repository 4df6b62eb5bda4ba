#include "name_index.h"

#include <stdlib.h>

/* All numbers kept under one pattern. */
struct group {
    const char *name; /* without "*."; NULL: a free slot */
    size_t length;
    bool wildcard;
    const unsigned *ids; /* ascending */
    size_t count;
};

struct name_index {
    size_t mask; /* slots - 1; there is always a free one */
    struct group *slots;
    unsigned *ids;
};

/* Names are hashed from their end to their start, so that one pass gives the hash of each suffix.
 */
#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t hash_step(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

static uint64_t hash_name(const char *name, size_t length)
{
    uint64_t hash = HASH_START;
    while (length > 0)
        hash = hash_step(hash, (unsigned char)name[--length]);
    return hash;
}

static bool is_wildcard(const char *pattern)
{
    return pattern[0] == '*' && pattern[1] == '.';
}

static const char *name_of(const char *pattern)
{
    return is_wildcard(pattern) ? pattern + 2 : pattern;
}

static struct group *find_slot(const struct name_index *index, uint64_t hash, struct span name,
                               bool wildcard)
{
    for (size_t at = (size_t)(hash ^ hash >> 32) & index->mask;; at = (at + 1) & index->mask) {
        struct group *group = &index->slots[at];
        if (group->name == NULL)
            return group;
        if (group->wildcard == wildcard && span_equal(span_of(group->name, group->length), name))
            return group;
    }
}

/* By pattern, then by number. */
static int compare_entries(const void *left, const void *right)
{
    const struct name_entry *a = left, *b = right;
    int order = strcmp(a->pattern, b->pattern);
    if (order != 0)
        return order;
    return (a->id > b->id) - (a->id < b->id);
}

/* Puts entries that are sorted into the table; equal patterns are neighbours and make one group. */
static void fill(struct name_index *index, const struct name_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = name_of(entries[i].pattern);
        size_t length = strlen(name);
        bool wildcard = is_wildcard(entries[i].pattern);
        struct group *group =
            find_slot(index, hash_name(name, length), span_of(name, length), wildcard);
        index->ids[i] = entries[i].id;
        if (group->name == NULL)
            *group = (struct group){name, length, wildcard, &index->ids[i], 0};
        group->count++;
    }
}

static size_t slots_for(size_t count)
{
    size_t slots = 4;
    while (slots < 2 * count)
        slots *= 2;
    return slots;
}

bool name_index_create(struct name_index **ret, const struct name_entry *entries, size_t count)
{
    size_t slots = slots_for(count);
    struct name_index *index = calloc(1, sizeof *index);
    struct name_entry *sorted = calloc(count + 1, sizeof *sorted);
    if (index == NULL || sorted == NULL)
        goto fail;
    index->mask = slots - 1;
    index->slots = calloc(slots, sizeof *index->slots);
    index->ids = calloc(count + 1, sizeof *index->ids);
    if (index->slots == NULL || index->ids == NULL)
        goto fail;
    for (size_t i = 0; i < count; i++)
        sorted[i] = entries[i];
    qsort(sorted, count, sizeof *sorted, compare_entries);
    fill(index, sorted, count);
    free(sorted);
    *ret = index;
    return true;
fail:
    free(sorted);
    name_index_free(index);
    return false;
}

void name_index_free(struct name_index *index)
{
    if (index == NULL)
        return;
    free(index->slots);
    free(index->ids);
    free(index);
}

static void collect(const struct name_index *index, uint64_t hash, struct span name, bool wildcard,
                    struct name_hits *ret)
{
    const struct group *group = find_slot(index, hash, name, wildcard);
    if (group->name != NULL)
        name_hits_add(ret, group->ids, group->count);
}

/* From the last label to the first: what follows a dot can only be met by a wildcard. */
static void find(const struct name_index *index, struct span name, bool wildcard,
                 struct name_hits *ret)
{
    ret->count = 0;
    if (index == NULL || name.length == 0)
        return;
    uint64_t hash = HASH_START;
    for (size_t at = name.length; at-- > 0;) {
        hash = hash_step(hash, name.data[at]);
        if (at == 0)
            collect(index, hash, name, wildcard, ret);
        else if (name.data[at - 1] == '.')
            collect(index, hash, span_skip(name, at), true, ret);
    }
}

void name_index_find(const struct name_index *index, struct span name, struct name_hits *ret)
{
    find(index, name, false, ret);
}

void name_index_find_wider(const struct name_index *index, const char *pattern,
                           struct name_hits *ret)
{
    find(index, span_text(name_of(pattern)), is_wildcard(pattern), ret);
}

bool name_index_contains(const struct name_index *index, struct span name)
{
    struct name_hits hits;
    name_index_find(index, name, &hits);
    return hits.count > 0;
}

bool name_index_covers(const struct name_index *index, const char *pattern)
{
    struct name_hits hits;
    name_index_find_wider(index, pattern, &hits);
    return hits.count > 0;
}

void name_hits_add(struct name_hits *hits, const unsigned *ids, size_t count)
{
    if (count == 0 || hits->count == NAME_HITS_MAX)
        return;
    hits->list[hits->count].next = ids;
    hits->list[hits->count].end = ids + count;
    hits->count++;
}

static void drop_finished(struct name_hits *hits, unsigned at)
{
    hits->list[at] = hits->list[--hits->count];
}

bool name_hits_next(struct name_hits *hits, unsigned *ret)
{
    if (hits->count == 0)
        return false;
    unsigned least = *hits->list[0].next;
    for (unsigned i = 1; i < hits->count; i++) {
        if (*hits->list[i].next < least)
            least = *hits->list[i].next;
    }
    for (unsigned i = hits->count; i-- > 0;) {
        while (hits->list[i].next != hits->list[i].end && *hits->list[i].next == least)
            hits->list[i].next++;
        if (hits->list[i].next == hits->list[i].end)
            drop_finished(hits, i);
    }
    *ret = least;
    return true;
}
