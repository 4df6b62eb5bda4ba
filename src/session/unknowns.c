#include "session/unknowns.h"

#include <pthread.h>
#include <stdlib.h>

struct unknowns {
    pthread_mutex_t lock;
    size_t count;
    struct unknown item[UNKNOWNS_MAX];
};

static bool is_alike(const struct unknown *a, const struct unknown *b)
{
    return a->protocol == b->protocol && strcmp(a->listener, b->listener) == 0 &&
           strcmp(a->inside, b->inside) == 0 && strcmp(a->sni, b->sni) == 0 &&
           strcmp(a->sender, b->sender) == 0 && strcmp(a->bytes.begin, b->bytes.begin) == 0;
}

static bool is_less(const struct unknown *a, const struct unknown *b)
{
    return a->count != b->count ? a->count < b->count : a->last_ms < b->last_ms;
}

static struct unknown *place_for(struct unknowns *u, const struct unknown *seen)
{
    struct unknown *least = &u->item[0];
    for (size_t i = 0; i < u->count; i++) {
        if (is_alike(&u->item[i], seen))
            return &u->item[i];
        if (is_less(&u->item[i], least))
            least = &u->item[i];
    }
    if (u->count < UNKNOWNS_MAX)
        least = &u->item[u->count++];
    *least = *seen;
    least->count = 0;
    least->first_ms = seen->last_ms;
    return least;
}

void unknowns_note(struct unknowns *u, const struct unknown *seen)
{
    (void)pthread_mutex_lock(&u->lock);
    struct unknown *item = place_for(u, seen);
    item->count++;
    item->last_ms = seen->last_ms;
    item->source = seen->source;
    (void)pthread_mutex_unlock(&u->lock);
}

static int more_first(const void *left, const void *right)
{
    return is_less(left, right) ? 1 : is_less(right, left) ? -1 : 0;
}

size_t unknowns_copy(struct unknowns *u, struct unknown ret[UNKNOWNS_MAX])
{
    (void)pthread_mutex_lock(&u->lock);
    size_t count = u->count;
    memcpy(ret, u->item, count * sizeof *ret);
    (void)pthread_mutex_unlock(&u->lock);
    qsort(ret, count, sizeof *ret, more_first);
    return count;
}

bool unknowns_create(struct unknowns **ret)
{
    struct unknowns *u = calloc(1, sizeof *u);
    if (u == NULL)
        return false;
    (void)pthread_mutex_init(&u->lock, NULL); /* cannot fail with these attributes */
    *ret = u;
    return true;
}

void unknowns_free(struct unknowns *u)
{
    if (u == NULL)
        return;
    (void)pthread_mutex_destroy(&u->lock);
    free(u);
}
