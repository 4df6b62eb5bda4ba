/* leg: one connection of a server program, with what could not be written to it yet.
 *
 * Whoever feeds a leg stops doing so while it holds bytes: that is the whole back-pressure. */
#ifndef BENCH_LEG_H
#define BENCH_LEG_H

#include "base/buffer.h"
#include "events.h"
#include "wire.h"

struct leg {
    struct watch watch;
    struct wire wire;
    struct buffer kept; /* no memory while empty */
};

/* Writes what goes and keeps the rest. False: the connection is broken. */
bool leg_send(struct leg *leg, const void *bytes, size_t length) MUST_CHECK;
bool leg_flush(struct leg *leg) MUST_CHECK;

static inline bool leg_is_full(const struct leg *leg)
{
    return buffer_length(&leg->kept) > 0;
}

/* Asks for `interest`, and for room to write as long as bytes are kept. */
void leg_watch(struct leg *leg, struct events *events, uint32_t interest);

#endif
