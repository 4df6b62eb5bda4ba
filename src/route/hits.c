#include "hits.h"

void hits_add(struct hits *hits, const unsigned *ids, size_t count)
{
    if (count == 0 || hits->count == HITS_LISTS_MAX)
        return;
    hits->list[hits->count].next = ids;
    hits->list[hits->count].end = ids + count;
    hits->count++;
}

static void drop_finished(struct hits *hits, unsigned at)
{
    hits->list[at] = hits->list[--hits->count];
}

bool hits_next(struct hits *hits, unsigned *ret)
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
