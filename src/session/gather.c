#include "session/gather.h"

#include "io/batch.h"
#include "session/session.h"

#include <stdlib.h>

/* One is cheaper by itself. */
#define LEAST 2u

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
    struct stream_lent lent;
    struct stream_parcel parcel;
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
    if (s->readable == 0 && !list_empty(&s->queue))
        return false; /* it has a turn of its own */
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

struct batch *gather_batch(struct gather *gather)
{
    return !gather->alone && prepare(gather) ? gather->batch : NULL;
}

void gather_lose_batch(struct gather *gather)
{
    be_alone(gather);
}

/* --- one round -------------------------------------------------------------------------------- */

/* Of a session that is ready on both sides one is moved here, and the other behind it: what the one
 * comes to may change what becomes of the other. */
static enum side side_of(const struct session *s)
{
    return (s->readable & 1u << SIDE_CLIENT) != 0 ? SIDE_CLIENT : SIDE_SERVER;
}

static struct item take(struct session *s)
{
    struct item item = {.session = s, .side = side_of(s)};
    if (item.side == SIDE_CLIENT && (s->readable & 1u << SIDE_SERVER) != 0)
        item.events[SIDE_SERVER] = EV_READ;
    s->readable = 0;
    list_remove(&s->queue);
    return item;
}

static void serve_alone(const struct item *item)
{
    struct session *s = item->session;
    if (item->events[SIDE_CLIENT] != 0)
        stream_ready(&s->client);
    if (item->events[SIDE_SERVER] != 0)
        stream_ready(&s->server);
    if (item->events[SIDE_CLIENT] != 0 || item->events[SIDE_SERVER] != 0)
        session_take_events(s, item->events[SIDE_CLIENT], item->events[SIDE_SERVER]);
}

static void serve_first(struct session *s)
{
    struct item item = take(s);
    item.events[item.side] = EV_READ;
    serve_alone(&item);
}

/* Since its event another one may have moved the session on: what then waits in the relay must not
 * be overtaken, and it is served alone, before or behind a round: between the choice and the moving
 * nothing happens to anybody. */
static unsigned take_round(struct gather *gather, struct item items[BATCH_MOST])
{
    unsigned count = 0;
    while (count < BATCH_MOST && !list_empty(&gather->waiting)) {
        struct session *s = LIST_ENTRY(gather->waiting.next, struct session, queue);
        if (phase_relay_may_gather(s, side_of(s)))
            items[count++] = take(s);
        else if (count == 0)
            serve_first(s);
        else
            break;
    }
    return count;
}

static struct stream *source_of(const struct item *item)
{
    struct session *s = item->session;
    return item->side == SIDE_CLIENT ? &s->client : &s->server;
}

static struct stream *sink_of(const struct item *item)
{
    struct session *s = item->session;
    return item->side == SIDE_CLIENT ? &s->server : &s->client;
}

_Static_assert(SCRATCH_BYTES >= BATCH_MOST * RELAY_SMALL_BYTES, "each slot has its part of it");

/* Payload lies in the rooms until its session has taken it. Records lie in the scratch, which is
 * free until the first session takes something. */
static void give_rooms(struct gather *gather, struct item *item, unsigned slot)
{
    unsigned char *room = gather->rooms + (size_t)slot * RELAY_SMALL_BYTES;
    unsigned char *scratch = item->session->engine->scratch + (size_t)slot * RELAY_SMALL_BYTES;
    unsigned char *raw = stream_is_plain(source_of(item)) ? room : scratch;
    item->moved = (struct relay_moved){.bytes = room, .room = RELAY_SMALL_BYTES};
    item->lent = (struct stream_lent){raw, RELAY_SMALL_BYTES, 0};
    item->parcel = (struct stream_parcel){.room = scratch, .size = RELAY_SMALL_BYTES};
}

static bool read_all(struct gather *gather, struct item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        give_rooms(gather, &items[i], i);
        batch_recv(gather->batch, i, source_of(&items[i])->fd,
                   (void *)(uintptr_t)items[i].lent.bytes, RELAY_SMALL_BYTES);
    }
    bool whole = batch_run(gather->batch);
    for (unsigned i = 0; i < count; i++) {
        struct relay_moved *moved = &items[i].moved;
        items[i].lent.got = batch_result(gather->batch, i);
        moved->read = stream_read_lent(source_of(&items[i]), &items[i].lent, moved->bytes,
                                       moved->room, &moved->count);
    }
    return whole;
}

static bool write_all(struct gather *gather, struct item *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct relay_moved *moved = &items[i].moved;
        struct stream_parcel *parcel = &items[i].parcel;
        if (moved->count > 0)
            stream_pack(sink_of(&items[i]), moved->bytes, moved->count, parcel);
        if (parcel->length > 0)
            batch_send(gather->batch, i, sink_of(&items[i])->fd, parcel->bytes, parcel->length);
    }
    bool whole = batch_run(gather->batch);
    for (unsigned i = 0; i < count; i++) {
        if (items[i].parcel.length > 0)
            items[i].parcel.sent = batch_result(gather->batch, i);
    }
    return whole;
}

static void deliver(struct item *item)
{
    struct relay_moved *moved = &item->moved;
    if (moved->count > 0)
        moved->wrote = stream_deliver(sink_of(item), moved->bytes, moved->count, &item->parcel,
                                      &moved->written);
}

/* What was read and not written here each session writes itself. All are delivered before a session
 * takes anything: whatever that one comes to, nobody is left in between. */
static void move_all(struct gather *gather, struct item *items, unsigned count)
{
    bool whole = read_all(gather, items, count) && write_all(gather, items, count);
    for (unsigned i = 0; i < count; i++)
        deliver(&items[i]);
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
