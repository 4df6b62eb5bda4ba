/* metrics: GET /metrics, in the text format of Prometheus (version 0.0.4). */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H

#include "base/text.h"

#include <stdint.h>

enum metric {
#define METRIC(name, type, labels, help) METRIC_##name,
#include "metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* # HELP and # TYPE. */
void metric_begin(struct text *t, enum metric metric);

/* One line: labels are pairs of name and value, ended by NULL; the first may be NULL. `suffix` is
 * "" but for histograms. */
void metric_add(struct text *t, enum metric metric, const char *suffix, const char *const *labels,
                uint64_t value);

/* The same with a number of millionths. */
void metric_add_millionths(struct text *t, enum metric metric, const char *suffix,
                           const char *const *labels, uint64_t value);

#endif
