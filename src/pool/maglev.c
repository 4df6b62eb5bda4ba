#include "maglev.h"

#include "base/hash.h"
#include "base/siphash.h"

#include <stdlib.h>
#include <string.h>

/* Primes. A table that grows with every server would be another table each time: there is one size
 * for all but the largest pools. */
#define SIZE_COMMON      UINT32_C(65537)
#define SIZE_LARGE       UINT32_C(524287)
#define SLOTS_PER_SERVER 100u

/* Slots that a key asks before those who can take it share it out by weight. With half of the
 * servers gone one key in 2^64 comes that far. */
#define PROBES 64u

#define FREE UINT32_MAX

static const struct siphash_key key_of_offset = {1, 0}, key_of_step = {2, 0}, key_of_keys = {3, 0};

/* One server on its way through its permutation. */
struct walker {
    const char *name;
    uint32_t member; /* its place in the view */
    uint32_t position, step;
    uint32_t weight;
    uint64_t due; /* takes part in a turn once weight × turn has come so far */
};

struct maglev {
    uint32_t size;
    uint32_t *slots; /* owned */
    unsigned count;
    uint32_t *order; /* owned: the members by name */
};

/* --- building --------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    const struct walker *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static unsigned collect(struct walker *walkers, const struct view *view, bool backup)
{
    unsigned count = 0;
    for (unsigned i = 0; i < view->count; i++) {
        const struct member *m = &view->items[i];
        if (m->backup == backup && m->weight > 0)
            walkers[count++] = (struct walker){.name = m->name, .member = i, .weight = m->weight};
    }
    qsort(walkers, count, sizeof *walkers, compare_names);
    return count;
}

static uint32_t heaviest(const struct walker *walkers, unsigned count)
{
    uint32_t most = 0;
    for (unsigned i = 0; i < count; i++)
        most = walkers[i].weight > most ? walkers[i].weight : most;
    return most;
}

static void begin_walks(struct walker *walkers, unsigned count, uint32_t size)
{
    for (unsigned i = 0; i < count; i++) {
        struct span name = span_text(walkers[i].name);
        walkers[i].position = (uint32_t)(siphash(key_of_offset, name) % size);
        walkers[i].step = (uint32_t)(siphash(key_of_step, name) % (size - 1)) + 1;
    }
}

static void take_slot(struct maglev *maglev, struct walker *w)
{
    while (maglev->slots[w->position] != FREE)
        w->position = (uint32_t)(((uint64_t)w->position + w->step) % maglev->size);
    maglev->slots[w->position] = w->member;
}

/* The heaviest takes a slot every turn, the others as many of the turns as their weight says. */
static void fill(struct maglev *maglev, struct walker *walkers, unsigned count)
{
    uint32_t most = heaviest(walkers, count), taken = 0;
    for (uint64_t turn = 1; taken < maglev->size; turn++) {
        for (unsigned i = 0; i < count && taken < maglev->size; i++) {
            struct walker *w = &walkers[i];
            if (turn * w->weight < w->due)
                continue;
            w->due += most;
            take_slot(maglev, w);
            taken++;
        }
    }
}

static struct maglev *allocate(unsigned count)
{
    struct maglev *maglev = calloc(1, sizeof *maglev);
    if (maglev == NULL)
        return NULL;
    maglev->count = count;
    maglev->size = (uint64_t)count * SLOTS_PER_SERVER <= SIZE_COMMON ? SIZE_COMMON : SIZE_LARGE;
    maglev->slots = malloc(maglev->size * sizeof *maglev->slots);
    maglev->order = malloc(count * sizeof *maglev->order);
    if (maglev->slots != NULL && maglev->order != NULL)
        return maglev;
    maglev_free(maglev);
    return NULL;
}

bool maglev_create(struct maglev **ret, const struct view *view, bool backup)
{
    *ret = NULL;
    struct walker *walkers = calloc((size_t)view->count + 1, sizeof *walkers);
    if (walkers == NULL)
        return false;
    unsigned count = collect(walkers, view, backup);
    struct maglev *maglev = count == 0 ? NULL : allocate(count);
    if (maglev != NULL) {
        memset(maglev->slots, 0xff, maglev->size * sizeof *maglev->slots); /* FREE */
        for (unsigned i = 0; i < count; i++)
            maglev->order[i] = walkers[i].member;
        begin_walks(walkers, count, maglev->size);
        fill(maglev, walkers, count);
    }
    free(walkers);
    *ret = maglev;
    return maglev != NULL || count == 0;
}

void maglev_free(struct maglev *maglev)
{
    if (maglev == NULL)
        return;
    free(maglev->slots);
    free(maglev->order);
    free(maglev);
}

/* --- finding ---------------------------------------------------------------------------------- */

/* The key's number for its nth question. */
static uint64_t question(uint64_t hash, uint64_t nth)
{
    return hash_mix(hash + nth * HASH_STEP);
}

static struct member *share_out(const struct maglev *maglev, const struct view *view,
                                uint64_t number)
{
    uint64_t total = 0;
    struct member *last = NULL;
    for (unsigned i = 0; i < maglev->count; i++) {
        const struct member *m = &view->items[maglev->order[i]];
        total += m->candidate ? m->weight : 0;
    }
    uint64_t at = total == 0 ? 0 : number % total;
    for (unsigned i = 0; i < maglev->count; i++) {
        struct member *m = &view->items[maglev->order[i]];
        if (!m->candidate)
            continue;
        last = m;
        if (at < m->weight)
            break;
        at -= m->weight;
    }
    return last;
}

struct member *maglev_find(const struct maglev *maglev, const struct view *view, struct span key)
{
    uint64_t hash = siphash(key_of_keys, key);
    for (uint64_t nth = 0; nth < PROBES; nth++) {
        uint64_t slot = question(hash, nth) % maglev->size;
        struct member *m = &view->items[maglev->slots[slot]];
        if (m->candidate)
            return m;
    }
    return share_out(maglev, view, question(hash, PROBES));
}

uint32_t maglev_size(const struct maglev *maglev)
{
    return maglev->size;
}

uint32_t maglev_slot(const struct maglev *maglev, uint32_t at)
{
    return maglev->slots[at];
}
