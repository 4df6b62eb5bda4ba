#include "events.h"

#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define BATCH 256

static void control(struct events *events, int operation, struct watch *watch)
{
    struct epoll_event event = {.events = watch->interest, .data.ptr = watch};

    if (epoll_ctl(events->epoll, operation, watch->fd, &event) < 0)
        die("epoll_ctl: %s", strerror(errno));
}

void events_init(struct events *events)
{
    *events = (struct events){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (events->epoll < 0)
        die("epoll_create1: %s", strerror(errno));
}

void events_add(struct events *events, struct watch *watch)
{
    control(events, EPOLL_CTL_ADD, watch);
}

void events_change(struct events *events, struct watch *watch, uint32_t interest)
{
    if (watch->interest == interest)
        return;
    watch->interest = interest;
    control(events, EPOLL_CTL_MOD, watch);
}

void events_remove(struct events *events, struct watch *watch)
{
    control(events, EPOLL_CTL_DEL, watch);
}

bool events_run(struct events *events, int stall_ms)
{
    struct epoll_event ready[BATCH];

    events->stopped = false;
    while (!events->stopped) {
        int count = epoll_wait(events->epoll, ready, BATCH, stall_ms);

        if (count == 0 || (count < 0 && errno != EINTR))
            return false;
        for (int i = 0; i < count; i++) {
            struct watch *watch = ready[i].data.ptr;
            watch->call(watch, ready[i].events);
        }
        if (events->after != NULL)
            events->after(events->context);
    }
    return true;
}
