/* samples: latencies, and their quantiles. Past SAMPLES_MAX further ones are counted, not kept. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#define SAMPLES_MAX (1u << 20)

struct samples {
    uint64_t *ns; /* owned */
    size_t count, capacity;
};

void samples_add(struct samples *samples, uint64_t ns);

/* The smallest sample that `permille` of all are not above; 0 without samples. Sorts. */
uint64_t samples_quantile(struct samples *samples, unsigned permille);
void samples_release(struct samples *samples);

#endif
