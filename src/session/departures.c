#include "session/departures.h"

#include "io/batch.h"
#include "session/session.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Fewer in a turn are no crowd, unless the turns before had one: nobody is to wait for nothing. */
#define LEAST 3u

struct departures {
    struct gather *gather; /* borrowed */
    struct list waiting;
    unsigned asked; /* in this turn */
    unsigned crowd; /* in the turns before that had any, fading */
};

/* One session's way. */
struct item {
    struct session *session;
    int fd, result;
};

struct departures *departures_create(struct gather *gather)
{
    struct departures *d = calloc(1, sizeof *d);
    if (d == NULL)
        return NULL;
    d->gather = gather;
    list_init(&d->waiting);
    return d;
}

void departures_free(struct departures *d)
{
    free(d);
}

bool departures_take(struct departures *d, struct session *s)
{
    d->asked++;
    if ((d->asked < LEAST && d->crowd < LEAST) || !phase_connect_may_wait(s) ||
        !list_empty(&s->queue) || gather_batch(d->gather) == NULL)
        return false;
    list_append(&d->waiting, &s->queue);
    engine_stay_awake(s->engine);
    return true;
}

bool departures_wait(const struct departures *d)
{
    return !list_empty(&d->waiting);
}

static unsigned take_round(struct departures *d, struct item items[BATCH_MOST])
{
    unsigned count = 0;
    for (; count < BATCH_MOST && !list_empty(&d->waiting); count++) {
        struct session *s = LIST_ENTRY(d->waiting.next, struct session, queue);
        list_remove(&s->queue);
        items[count] = (struct item){.session = s, .fd = -1, .result = -EAGAIN};
    }
    return count;
}

/* Nothing happens to anybody before all have their results. */
static void connect_all(struct departures *d, struct item *items, unsigned count)
{
    struct batch *batch = gather_batch(d->gather);
    if (batch == NULL)
        return;
    for (unsigned i = 0; i < count; i++) {
        const struct address *to = server_address(items[i].session->chosen);
        items[i].fd = socket_open(to);
        if (items[i].fd >= 0)
            batch_connect(batch, i, items[i].fd, &to->any, to->length);
    }
    bool whole = batch_run_connects(batch);
    for (unsigned i = 0; i < count; i++)
        if (items[i].fd >= 0)
            items[i].result = batch_result(batch, i);
    if (!whole)
        gather_lose_batch(d->gather);
}

void departures_serve(struct departures *d)
{
    struct item items[BATCH_MOST];
    while (!list_empty(&d->waiting)) {
        unsigned count = take_round(d, items);
        connect_all(d, items, count);
        for (unsigned i = 0; i < count; i++)
            session_take_connection(items[i].session, items[i].fd, -items[i].result);
    }
}

void departures_end_turn(struct departures *d)
{
    if (d->asked == 0)
        return;
    d->crowd = d->asked > d->crowd ? d->asked : (d->crowd + d->asked) / 2;
    d->asked = 0;
}
