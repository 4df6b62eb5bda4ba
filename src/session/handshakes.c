/* max_handshakes: those over it wait, within their handshake timeout, first come first served over
 * the whole process.
 *
 * A place that becomes free goes to the one who has waited longest. It may wait at another worker's
 * desk: then that worker is told to look, and takes the place itself, so that no place is ever on
 * its way and can be lost. Whoever gives a place back, or leaves the queue, looks who is next. */
#include "session/session.h"

static struct desk *desk_of(struct engine *engine, struct books *books)
{
    return &books->waiting_desks->desk[engine->args.index];
}

/* Its first step comes with the next turn of the loop. */
static void let_in(struct session *s, struct desk *desk)
{
    list_remove(&s->queue);
    session_publish_desk(desk);
    s->waits_for_handshake = false;
    s->counted_handshake = true;
    engine_queue_handshake(s->engine, &s->queue);
}

void handshakes_next(struct engine *engine, struct books *books)
{
    struct desk *own = desk_of(engine, books), *oldest;
    while ((oldest = desks_oldest(books->waiting_desks)) != NULL) {
        uint64_t most = atomic_load(&books->most_handshakes);
        if (oldest != own) {
            if (most == 0 || atomic_load(&books->handshakes) < most)
                crew_ring(engine->args.crew, desk_index(books->waiting_desks, oldest));
            return;
        }
        if (!limit_take(&books->handshakes, most))
            return;
        let_in(LIST_ENTRY(own->queue.next, struct session, queue), own);
    }
}

void handshakes_enter(struct session *s)
{
    struct books *books = s->listener->books;
    if (atomic_load_explicit(&books->most_handshakes, memory_order_relaxed) == 0) {
        engine_queue_handshake(s->engine, &s->queue);
        return;
    }
    struct desk *desk = desk_of(s->engine, books);
    s->waits_for_handshake = true;
    list_append(&desk->queue, &s->queue);
    session_publish_desk(desk);
    handshakes_next(s->engine, books);
}

void handshakes_leave(struct session *s)
{
    struct books *books = s->listener->books;
    if (!s->waits_for_handshake && !s->counted_handshake)
        return;
    if (s->waits_for_handshake) {
        list_remove(&s->queue);
        session_publish_desk(desk_of(s->engine, books));
    } else {
        limit_give(&books->handshakes);
    }
    s->waits_for_handshake = s->counted_handshake = false;
    handshakes_next(s->engine, books);
}
