/* The quota of connections still being looked at: over it, the oldest goes first, so that those who
 * drip bytes cannot keep out those who speak. */
#include "session/session.h"

static bool take_source(struct session *s, uint64_t most)
{
    if (most == 0)
        return true;
    s->counted_source = sources_take(s->listener->books->undecided_by_source, &s->client_ip, most);
    return s->counted_source;
}

/* The count is the process's, the list the worker's: its own oldest stands for the oldest of all,
 * as connections are spread evenly over the workers. */
static void shed_oldest(struct session *newest)
{
    LIST_EACH(&newest->engine->undecided, node)
    {
        struct session *old = LIST_ENTRY(node, struct session, queue);
        if (old->listener->books != newest->listener->books)
            continue;
        session_fail(old, END_limit, "inspect_limits.max_undecided");
        return;
    }
}

void undecided_enter(struct session *s)
{
    const struct model_listener *model = session_model(s);
    if (!take_source(s, model->max_undecided_per_source)) {
        session_fail(s, END_limit, "inspect_limits.max_undecided_per_source");
        return;
    }
    uint64_t now = atomic_fetch_add(&s->listener->books->undecided, 1) + 1;
    s->counted_undecided = true;
    list_append(&s->engine->undecided, &s->queue);
    if (model->max_undecided != 0 && now > model->max_undecided)
        shed_oldest(s);
}

void undecided_leave(struct session *s)
{
    list_remove(&s->queue);
    if (s->counted_undecided)
        limit_give(&s->listener->books->undecided);
    if (s->counted_source)
        sources_give(s->listener->books->undecided_by_source, &s->client_ip);
    s->counted_undecided = s->counted_source = false;
}
