#include "session/turns.h"

#include "base/clock.h"

#include <sched.h>

static bool is_lively(const struct turns *turns, uint64_t now_us)
{
    return now_us - turns->lively_us < TURNS_QUIET_US;
}

bool turns_step_is_due(struct turns *turns, uint64_t now_us)
{
    if (turns->lively)
        turns->lively_us = now_us;
    bool due = !turns->passed || !is_lively(turns, now_us) ||
               now_us - turns->stepped_us >= TURNS_PUT_OFF_US;
    turns->passed = turns->lively = false;
    if (due)
        turns->stepped_us = now_us;
    return due;
}

bool turns_next_is_due(const struct turns *turns, uint64_t now_us)
{
    return !is_lively(turns, now_us) && now_us - turns->stepped_us < TURNS_STEPS_US;
}

bool turns_may_offer(const struct turns *turns, uint64_t now_us)
{
    return is_lively(turns, now_us) && now_us >= turns->offers_from_us;
}

void turns_note_offer(struct turns *turns, uint64_t from_us, uint64_t to_us)
{
    uint64_t took = to_us - from_us;
    if (took >= TURNS_LATE_US)
        turns->offers_from_us = to_us + took;
}

void turns_offer(struct turns *turns)
{
    uint64_t from = clock_monotonic_us();
    if (!turns_may_offer(turns, from))
        return;
    (void)sched_yield();
    turns_note_offer(turns, from, clock_monotonic_us());
}
