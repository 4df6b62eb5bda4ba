#include "load.h"

#include "util.h"

#include <inttypes.h>
#include <stdio.h>

#define STALL_MS      10000
#define FAILURES_MOST 100u

void load_stop(struct load *load)
{
    load->events.stopped = true;
}

void load_begin(struct load *load, uint64_t goal)
{
    samples_release(&load->samples);
    load->goal = goal;
    load->begun = load->ended = load->failed = load->handshakes = load->resumed = 0;
}

bool load_take(struct load *load)
{
    if (load->begun == load->goal)
        return false;
    load->begun++;
    return true;
}

static void count_one(struct load *load)
{
    if (++load->ended == load->goal)
        load_stop(load);
}

void load_done(struct load *load, uint64_t since_ns)
{
    samples_add(&load->samples, now_ns() - since_ns);
    count_one(load);
}

void load_failed(struct load *load, const char *why)
{
    if (load->failed++ == 0)
        fprintf(stderr, "unit %" PRIu64 ": %s\n", load->ended + 1, why);
    if (load->failed > FAILURES_MOST)
        die("more than %u failures", FAILURES_MOST);
    count_one(load);
}

void load_run(struct load *load)
{
    if (load->ended < load->goal && !events_run(&load->events, STALL_MS))
        die("nothing has moved for %d s, after %" PRIu64 " of %" PRIu64 " units", STALL_MS / 1000,
            load->ended, load->goal);
}
