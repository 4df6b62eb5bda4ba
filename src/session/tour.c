#include "session/tour.h"

#include "session/session.h"

void tour_start(struct engine *engine, struct tour *tour)
{
    tour->at = engine->sessions.next;
    tour->before = engine->next_id; /* those that come later could make it endless */
    list_append(&engine->tours, &tour->link);
    ev_idle_start(engine->loop, &engine->restless);
}

static void finish(struct tour *tour)
{
    list_remove(&tour->link);
    tour->done(tour);
}

void tour_take_turn(struct engine *engine)
{
    struct tour *tour = LIST_ENTRY(engine->tours.next, struct tour, link);
    for (unsigned i = 0; i < tour->per_turn; i++) {
        struct session *s = LIST_ENTRY(tour->at, struct session, link);
        if (tour->at == &engine->sessions || s->id >= tour->before) {
            finish(tour);
            return;
        }
        tour->at = tour->at->next;
        if (!tour->visit(tour, s)) {
            finish(tour);
            return;
        }
    }
    if (tour->rest != NULL)
        tour->rest(tour);
}

void tour_forget(struct engine *engine, const struct list *session)
{
    LIST_EACH(&engine->tours, node)
    {
        struct tour *tour = LIST_ENTRY(node, struct tour, link);
        if (tour->at == session)
            tour->at = session->next;
    }
}

void tour_end_all(struct engine *engine)
{
    LIST_EACH(&engine->tours, node)
    finish(LIST_ENTRY(node, struct tour, link));
}
