/* rates: how fast each source may come in, over the whole process.
 *
 * The generic cell rate algorithm (ITU-T I.371, the same as a leaky bucket used as a meter): per
 * source one point in time, at which its allowance will be whole again. `count` connections may
 * come at once; then one per period/count. A refused one costs nothing, so that who keeps trying is
 * let in at the rate.
 *
 * Memory is bounded: RATES_ENTRIES sources of a fixed size, allocated once. A source needs its
 * entry until its allowance is whole again, at most one period. When all entries where a new source
 * could go are needed, the one whose allowance is nearest to being whole is forgotten: those that
 * are over the rate stay, and what is forgiven is the least there is. Any thread; a short lock per
 * call. */
#ifndef SESSION_RATES_H
#define SESSION_RATES_H

#include "base/address.h"
#include "base/units.h"

#define RATES_ENTRIES 65536u

struct rates;

bool rates_create(struct rates **ret) MUST_CHECK;
void rates_free(struct rates *rates); /* accepts NULL */

/* Whether `source` may come in at `now_us` (monotonic; may go back a little between threads); if so
 * it is counted. */
bool rates_admit(struct rates *rates, const struct ip_address *source, const struct rate *rate,
                 uint64_t now_us) MUST_CHECK;

#endif
