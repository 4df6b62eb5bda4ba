/* watchdog: tells the service manager that we are alive, for as long as every thread that serves
 * is.
 *
 * Each worker is asked by mail; only when all have answered does the manager hear of it. A worker
 * that is stuck thereby gets the process restarted, which would otherwise look healthy. Control
 * thread. */
#ifndef APP_WATCHDOG_H
#define APP_WATCHDOG_H

#include "app/notify.h"
#include "app/worker.h"

struct watchdog {
    ev_timer timer;
    const struct notifier *notifier; /* borrowed; likewise the workers */
    struct worker **workers;
    unsigned count;
};

/* Does nothing where no watch is kept. The workers must outlive it. */
void watchdog_start(struct watchdog *watchdog, struct ev_loop *loop,
                    const struct notifier *notifier, struct worker **workers, unsigned count);
void watchdog_stop(struct watchdog *watchdog,
                   struct ev_loop *loop); /* also where none was started */

#endif
