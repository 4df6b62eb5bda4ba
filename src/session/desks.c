#include "session/desks.h"

#include <stdlib.h>

struct desks *desks_create(unsigned workers)
{
    size_t size = sizeof(struct desks) + workers * sizeof(struct desk);
    struct desks *desks = aligned_alloc(_Alignof(struct desk), size);
    if (desks == NULL)
        return NULL;
    desks->count = workers;
    for (unsigned i = 0; i < workers; i++) {
        list_init(&desks->desk[i].queue);
        atomic_init(&desks->desk[i].first_us, DESK_EMPTY);
    }
    return desks;
}

void desks_free(struct desks *desks)
{
    free(desks);
}

/* Most changes leave the first one in place, and then nobody else's cache is disturbed. */
void desk_set_first(struct desk *desk, uint64_t first_us)
{
    if (atomic_load_explicit(&desk->first_us, memory_order_relaxed) != first_us)
        atomic_store(&desk->first_us, first_us);
}

struct desk *desks_oldest(struct desks *desks)
{
    struct desk *oldest = NULL;
    uint64_t best = DESK_EMPTY;
    for (unsigned i = 0; i < desks->count; i++) {
        uint64_t first = atomic_load(&desks->desk[i].first_us);
        if (first < best) {
            best = first;
            oldest = &desks->desk[i];
        }
    }
    return oldest;
}
