/* desks: a queue of sessions that counts as one over the process, in one part per worker.
 *
 * Only its own worker touches a part. The others see when its first one came, so that all agree on
 * who is the oldest of all; the bell of the crew tells that one's worker to look. */
#ifndef SESSION_DESKS_H
#define SESSION_DESKS_H

#include "base/list.h"

#include <stdatomic.h>
#include <stdint.h>

#define DESK_EMPTY UINT64_MAX

struct desk {
    _Alignas(64) struct list queue; /* of the worker alone: no line is shared with the next desk */
    _Atomic uint64_t first_us;      /* when its first one came, on the monotonic clock */
};

struct desks {
    unsigned count;
    struct desk desk[];
};

struct desks *desks_create(unsigned workers); /* NULL: memory is out */
void desks_free(struct desks *desks);         /* accepts NULL */

/* The worker's own: its queue has changed, and its first one came then (DESK_EMPTY: none). */
void desk_set_first(struct desk *desk, uint64_t first_us);

/* The desk with the oldest of all; NULL: all are empty. Any thread. */
struct desk *desks_oldest(struct desks *desks);

static inline unsigned desk_index(const struct desks *desks, const struct desk *desk)
{
    return (unsigned)(desk - desks->desk);
}

#endif
