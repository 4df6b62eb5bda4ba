/* The quota of connections still being looked at: over it, the oldest goes first, so that those who
 * drip bytes cannot keep out those who speak. The count and the order are the process's. */
#include "session/refusals.h"
#include "session/session.h"

void session_publish_desk(struct desk *desk)
{
    bool empty = list_empty(&desk->queue);
    const struct session *first = LIST_ENTRY(desk->queue.next, struct session, queue);
    desk_set_first(desk, empty ? DESK_EMPTY : first->started_us + first->phase_after_us);
}

static struct desk *desk_of(struct engine *engine, struct books *books)
{
    return &books->undecided_desks->desk[engine->args.index];
}

static bool take_source(struct session *s, uint64_t most)
{
    if (most == 0 || !session_has_source(s))
        return true;
    s->counted_undecided_source =
        sources_take(s->listener->books->undecided_by_source, &s->client_ip, most);
    return s->counted_undecided_source;
}

/* Where another worker has the oldest, that worker is asked to do the same. */
void undecided_trim(struct engine *engine, struct books *books)
{
    uint64_t most = atomic_load(&books->most_undecided);
    struct desk *own = desk_of(engine, books), *oldest;
    while (most != 0 && atomic_load(&books->undecided) > most &&
           (oldest = desks_oldest(books->undecided_desks)) != NULL) {
        if (oldest != own) {
            crew_ring(engine->args.crew, desk_index(books->undecided_desks, oldest));
            return;
        }
        session_refuse(LIST_ENTRY(own->queue.next, struct session, queue), LIMIT_max_undecided);
    }
}

void undecided_enter(struct session *s)
{
    struct books *books = s->listener->books;
    if (!take_source(s, session_model(s)->max_undecided_per_source)) {
        session_refuse(s, LIMIT_max_undecided_per_source);
        return;
    }
    struct desk *desk = desk_of(s->engine, books);
    atomic_fetch_add(&books->undecided, 1);
    s->counted_undecided = true;
    list_append(&desk->queue, &s->queue);
    session_publish_desk(desk);
    undecided_trim(s->engine, books);
}

void undecided_leave(struct session *s)
{
    struct books *books = s->listener->books;
    list_remove(&s->queue);
    if (s->counted_undecided) {
        session_publish_desk(desk_of(s->engine, books));
        limit_give(&books->undecided);
    }
    if (s->counted_undecided_source)
        sources_give(books->undecided_by_source, &s->client_ip);
    s->counted_undecided = s->counted_undecided_source = false;
}
