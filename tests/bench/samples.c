#include "samples.h"

#include "util.h"

#include <stdlib.h>

void samples_add(struct samples *samples, uint64_t ns)
{
    if (samples->count == SAMPLES_MAX)
        return;
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity == 0 ? 1024 : samples->capacity * 2;
        samples->ns = reallocarray(samples->ns, samples->capacity, sizeof *samples->ns);
        if (samples->ns == NULL)
            die("out of memory");
    }
    samples->ns[samples->count++] = ns;
}

static int by_size(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

uint64_t samples_quantile(struct samples *samples, unsigned permille)
{
    if (samples->count == 0)
        return 0;
    qsort(samples->ns, samples->count, sizeof *samples->ns, by_size);
    size_t rank = (samples->count * permille + 999) / 1000;
    return samples->ns[rank == 0 ? 0 : rank - 1];
}

void samples_release(struct samples *samples)
{
    free(samples->ns);
    *samples = (struct samples){0};
}
