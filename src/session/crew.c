#include "session/crew.h"

#include <pthread.h>
#include <stdlib.h>

struct member {
    pthread_mutex_t lock;
    struct ev_loop *loop; /* NULL: not there */
    ev_async *bell;
};

struct crew {
    unsigned count;
    struct member member[];
};

bool crew_create(struct crew **ret, unsigned workers)
{
    struct crew *crew = calloc(1, sizeof *crew + workers * sizeof crew->member[0]);
    if (crew == NULL)
        return false;
    crew->count = workers;
    for (unsigned i = 0; i < workers; i++)
        (void)pthread_mutex_init(&crew->member[i].lock, NULL);
    *ret = crew;
    return true;
}

void crew_free(struct crew *crew)
{
    if (crew == NULL)
        return;
    for (unsigned i = 0; i < crew->count; i++)
        (void)pthread_mutex_destroy(&crew->member[i].lock);
    free(crew);
}

static void set_member(struct crew *crew, unsigned worker, struct ev_loop *loop, ev_async *bell)
{
    if (crew == NULL || worker >= crew->count)
        return;
    struct member *member = &crew->member[worker];
    (void)pthread_mutex_lock(&member->lock);
    member->loop = loop;
    member->bell = bell;
    (void)pthread_mutex_unlock(&member->lock);
}

void crew_join(struct crew *crew, unsigned worker, struct ev_loop *loop, ev_async *bell)
{
    set_member(crew, worker, loop, bell);
}

void crew_leave(struct crew *crew, unsigned worker)
{
    set_member(crew, worker, NULL, NULL);
}

void crew_ring(struct crew *crew, unsigned worker)
{
    if (crew == NULL || worker >= crew->count)
        return;
    struct member *member = &crew->member[worker];
    (void)pthread_mutex_lock(&member->lock);
    if (member->loop != NULL)
        ev_async_send(member->loop, member->bell);
    (void)pthread_mutex_unlock(&member->lock);
}
