/* samples: what `top` wants of /metrics. Pure: text in, numbers out. */
#ifndef CTL_SAMPLES_H
#define CTL_SAMPLES_H

#include "base/compiler.h"
#include "base/span.h"

#define SAMPLES_LISTENERS_MAX 64u

struct sample_listener {
    char name[64]; /* cut where it is longer */
    uint64_t ended, active, in, out;
};

struct samples {
    struct sample_listener listener[SAMPLES_LISTENERS_MAX];
    unsigned count;
    uint64_t handshakes, resident, cpu_us, dropped;
};

/* Lines that are no metric of ours are passed over. */
void samples_read(struct samples *ret, struct span metrics);

#endif
