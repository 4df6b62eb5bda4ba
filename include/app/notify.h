/* notify: tells the service manager how we are, as sd_notify(3) describes it: datagrams of text to
 * the socket that NOTIFY_SOCKET names. Without that variable every call does nothing, and nothing
 * that goes wrong with it ever matters to a session. Control thread. */
#ifndef APP_NOTIFY_H
#define APP_NOTIFY_H

#include "base/compiler.h"

#include <stdint.h>

struct notifier {
    int fd;               /* -1: nobody wants to know */
    uint64_t watchdog_us; /* the manager's patience; 0: it keeps no watch */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void notify_open(struct notifier *notifier);
void notify_close(struct notifier *notifier);

void notify_ready(const struct notifier *notifier, uint64_t generation);
void notify_reloading(const struct notifier *notifier); /* until the next notify_ready() */
void notify_stopping(const struct notifier *notifier, uint64_t sessions);

/* From now on ask that one. Waits up to five seconds for a manager that is busy: were this lost, it
 * would take the end of this process for that of the service. The last thing to be said. */
void notify_heir(const struct notifier *notifier, long pid);

void notify_alive(const struct notifier *notifier); /* the watchdog's; twice per watchdog_us */

#endif
