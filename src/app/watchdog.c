#include "app/watchdog.h"

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    struct watchdog *w = watcher->data;
    bool alive = true;
    for (unsigned i = 0; i < w->count; i++)
        alive = worker_ask(w->workers[i]) && alive;
    if (alive)
        notify_alive(w->notifier);
}

void watchdog_start(struct watchdog *w, struct ev_loop *loop, const struct notifier *notifier,
                    struct worker **workers, unsigned count)
{
    if (notifier->watchdog_us == 0)
        return;
    /* Twice as often as must be: each time the answers of the time before are counted. */
    double seconds = (double)notifier->watchdog_us / 4e6;
    *w = (struct watchdog){.notifier = notifier, .workers = workers, .count = count};
    ev_timer_init(&w->timer, on_timer, 0, seconds);
    w->timer.data = w;
    ev_timer_start(loop, &w->timer);
}

void watchdog_stop(struct watchdog *w, struct ev_loop *loop)
{
    if (w->count > 0)
        ev_timer_stop(loop, &w->timer);
}
