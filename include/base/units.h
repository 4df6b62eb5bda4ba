/* units: durations ("2s"), sizes ("64k"), rates, as the configuration writes them.
 *
 * Durations are milliseconds in uint64_t, sizes are bytes. A whole number and exactly one unit. */
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include "base/compiler.h"
#include "base/span.h"

#include <stdint.h>

#define MS_PER_SECOND UINT64_C(1000)

bool duration_parse(uint64_t *ret_ms, struct span text) MUST_CHECK; /* ms s m h d */
bool size_parse(uint64_t *ret_bytes, struct span text) MUST_CHECK;  /* k m g, of 1024 */

/* "20/s", "300/m", "5/h": how many in what time. */
struct rate {
    uint64_t count; /* 0: none given */
    uint64_t period_ms;
};

bool rate_parse(struct rate *ret, struct span text) MUST_CHECK;

/* The shortest exact form: 2000 → "2s", 1500 → "1500ms"; 65536 → "64k". at most 24 bytes. */
void duration_format(uint64_t ms, char text[24]);
void size_format(uint64_t bytes, char text[24]);
void rate_format(const struct rate *rate, char text[24]);

#endif
