/* confirm: how long a reload on trial may wait to be confirmed, for the gateway that keeps to it
 * and the program that asks for it (docs/reference/admin.md). */
#ifndef BASE_CONFIRM_H
#define BASE_CONFIRM_H

#include "base/units.h"

#define CONFIRM_LEAST_MS MS_PER_SECOND
#define CONFIRM_MOST_MS  (24 * 3600 * MS_PER_SECOND)

static inline bool confirm_may_last(uint64_t ms)
{
    return ms >= CONFIRM_LEAST_MS && ms <= CONFIRM_MOST_MS;
}

#endif
