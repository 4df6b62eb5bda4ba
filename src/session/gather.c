#include "session/gather.h"

#include "io/batch.h"
#include "session/session.h"

#include <stdlib.h>

/* Fewer are cheaper one by one. */
#define LEAST 3u

struct gather {
    struct list waiting;
    bool alone;          /* there is no batch to be had */
    struct batch *batch; /* owned; NULL before the first time that several came; likewise: */
    unsigned char
        *rooms; /* BATCH_MOST of RELAY_SMALL_BYTES: what does not fit is read on as ever */
};

/* What one session has to move in this round. */
struct item {
    struct session *session;
    enum side side;
    int events[2]; /* by side: what is not moved here */
    struct relay_moved moved;
};

struct gather *gather_create(void)
{
    struct gather *gather = calloc(1, sizeof *gather);
    if (gather != NULL)
        list_init(&gather->waiting);
    return gather;
}

static void be_alone(struct gather *gather)
{
    batch_free(gather->batch);
    gather->batch = NULL;
    gather->alone = true;
}

void gather_free(struct gather *gather)
{
    if (gather == NULL)
        return;
    batch_free(gather->batch);
    free(gather->rooms);
    free(gather);
}

bool gather_take(struct gather *gather, struct session *s, enum side side)
{
    if (gather->alone || !phase_relay_may_gather(s, side))
        return false;
    if (s->readable == 0)
        list_append(&gather->waiting, &s->queue);
    s->readable = (s->readable | 1u << side) & 3u;
    return true;
}

static bool prepare(struct gather *gather)
{
    if (gather->batch != NULL)
        return true;
    gather->rooms = malloc((size_t)BATCH_MOST * RELAY_SMALL_BYTES);
    if (gather->rooms == NULL || !batch_create(&gather->batch))
        be_alone(gather);
    return !gather->alone;
}

/* --- one round -------------------------------------------------------------------------------- */

/* Of a session that is ready on both sides one is moved here, and the other behind it: what the one
 * comes to may change what becomes of the other. */
static struct item item_of(struct session *s)
{
    struct item item = {.session = s};
    item.side = (s->readable & 1u << SIDE_CLIENT) != 0 ? SIDE_CLIENT : SIDE_SERVER;
    if (item.side == SIDE_CLIENT && (s->readable & 1u << SIDE_SERVER) != 0)
        item.events[SIDE_SERVER] = EV_READ;
    s->readable = 0;
    list_remove(&s->queue);
    return item;
}

static void serve_alone(const struct item *item)
{
    if (item->events[SIDE_CLIENT] != 0 || item->events[SIDE_SERVER] != 0)
        session_take_events(item->session, item->events[SIDE_CLIENT], item->events[SIDE_SERVER]);
}

/* Since its event another one may have moved the session on: what then waits in the relay must not
 * be overtaken. */
static unsigned take_round(struct gather *gather, struct item items[BATCH_MOST])
{
    unsigned count = 0;
    while (count < BATCH_MOST && !list_empty(&gather->waiting)) {
        struct item item = item_of(LIST_ENTRY(gather->waiting.next, struct session, queue));
        if (phase_relay_may_gather(item.session, item.side)) {
            items[count++] = item;
            continue;
        }
        item.events[item.side] = EV_READ;
        serve_alone(&item);
    }
    return count;
}

static int source_of(const struct item *item)
{
    const struct session *s = item->session;
    return item->side == SIDE_CLIENT ? s->client.fd : s->server.fd;
}

static int sink_of(const struct item *item)
{
    const struct session *s = item->session;
    return item->side == SIDE_CLIENT ? s->server.fd : s->client.fd;
}

static bool read_all(struct gather *gather, struct item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned char *room = gather->rooms + (size_t)i * RELAY_SMALL_BYTES;
        items[i].moved = (struct relay_moved){.bytes = room, .room = RELAY_SMALL_BYTES};
        batch_recv(gather->batch, i, source_of(&items[i]), room, RELAY_SMALL_BYTES);
    }
    bool whole = batch_run(gather->batch);
    for (unsigned i = 0; i < count; i++)
        items[i].moved.read = batch_result(gather->batch, i);
    return whole;
}

static bool write_all(struct gather *gather, struct item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct relay_moved *moved = &items[i].moved;
        if (moved->read > 0)
            batch_send(gather->batch, i, sink_of(&items[i]), moved->bytes, (size_t)moved->read);
    }
    bool whole = batch_run(gather->batch);
    for (unsigned i = 0; i < count; i++) {
        if (items[i].moved.read > 0)
            items[i].moved.written = batch_result(gather->batch, i);
    }
    return whole;
}

/* What was read and not written here each session writes itself. */
static void move_all(struct gather *gather, struct item *items, unsigned count)
{
    bool whole = read_all(gather, items, count) && write_all(gather, items, count);
    for (unsigned i = 0; i < count; i++)
        session_take_moved(items[i].session, items[i].side, &items[i].moved);
    if (!whole)
        be_alone(gather);
}

static void move_each(struct item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        items[i].events[items[i].side] = EV_READ;
}

static void serve_rest(const struct item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        serve_alone(&items[i]);
}

void gather_serve(struct gather *gather)
{
    struct item items[BATCH_MOST];
    while (!list_empty(&gather->waiting)) {
        unsigned count = take_round(gather, items);
        if (count >= LEAST && prepare(gather))
            move_all(gather, items, count);
        else
            move_each(items, count);
        serve_rest(items, count);
    }
}
