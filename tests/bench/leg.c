#include "leg.h"

#include "util.h"

#include <sys/epoll.h>

static void keep(struct leg *leg, const unsigned char *bytes, size_t length)
{
    if (!buffer_append(&leg->kept, span_of(bytes, length)))
        die("out of memory");
}

bool leg_send(struct leg *leg, const void *bytes, size_t length)
{
    const unsigned char *next = bytes;
    ssize_t count = leg_is_full(leg) ? WIRE_AGAIN : wire_write(&leg->wire, next, length);

    if (count == WIRE_BROKEN || count == WIRE_END)
        return false;
    size_t done = count == WIRE_AGAIN ? 0 : (size_t)count;
    if (done < length)
        keep(leg, next + done, length - done);
    return true;
}

bool leg_flush(struct leg *leg)
{
    while (leg_is_full(leg)) {
        struct span bytes = buffer_span(&leg->kept);
        ssize_t count = wire_write(&leg->wire, bytes.data, bytes.length);

        if (count == WIRE_AGAIN)
            return true;
        if (count <= 0)
            return false;
        buffer_consume(&leg->kept, (size_t)count);
    }
    buffer_release(&leg->kept);
    return true;
}

void leg_watch(struct leg *leg, struct events *events, uint32_t interest)
{
    uint32_t room = leg_is_full(leg) ? (uint32_t)EPOLLOUT : 0;

    events_change(events, &leg->watch, interest | room);
}
