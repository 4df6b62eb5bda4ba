#include "postings.h"

#include <stdlib.h>

/* All numbers kept under one key. */
struct group {
    struct span key;
    unsigned kind;
    const unsigned *ids; /* ascending; NULL: a free slot */
    size_t count;
};

struct postings {
    size_t mask; /* slots - 1; there is always a free one */
    struct group *slots;
    unsigned *ids;
};

static struct group *find_slot(const struct postings *postings, uint64_t hash, struct span key,
                               unsigned kind)
{
    for (size_t at = (size_t)(hash ^ hash >> 32) & postings->mask;;
         at = (at + 1) & postings->mask) {
        struct group *group = &postings->slots[at];
        if (group->ids == NULL || (group->kind == kind && span_equal(group->key, key)))
            return group;
    }
}

static int compare_bytes(struct span a, struct span b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

/* By key, then by number. */
static int compare_entries(const void *left, const void *right)
{
    const struct posting *a = left, *b = right;
    int order = (a->kind > b->kind) - (a->kind < b->kind);
    if (order == 0)
        order = compare_bytes(a->key, b->key);
    return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
}

/* Equal keys are neighbours and make one group. */
static void fill(struct postings *postings, const struct posting *sorted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct posting *entry = &sorted[i];
        struct group *group = find_slot(postings, entry->hash, entry->key, entry->kind);
        postings->ids[i] = entry->id;
        if (group->ids == NULL)
            *group = (struct group){entry->key, entry->kind, &postings->ids[i], 0};
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

bool postings_create(struct postings **ret, struct posting *entries, size_t count)
{
    size_t slots = slots_for(count);
    struct postings *postings = calloc(1, sizeof *postings);
    if (postings == NULL)
        return false;
    postings->mask = slots - 1;
    postings->slots = calloc(slots, sizeof *postings->slots);
    postings->ids = calloc(count + 1, sizeof *postings->ids);
    if (postings->slots == NULL || postings->ids == NULL) {
        postings_free(postings);
        return false;
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    fill(postings, entries, count);
    *ret = postings;
    return true;
}

void postings_free(struct postings *postings)
{
    if (postings == NULL)
        return;
    free(postings->slots);
    free(postings->ids);
    free(postings);
}

void postings_find(const struct postings *postings, uint64_t hash, struct span key, unsigned kind,
                   struct hits *ret)
{
    if (postings == NULL)
        return;
    const struct group *group = find_slot(postings, hash, key, kind);
    if (group->ids != NULL)
        hits_add(ret, group->ids, group->count);
}
