/* clock: the two clocks. Wall time for people (RFC 3339), monotonic time for intervals. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/compiler.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

uint64_t clock_wall_ms(void);      /* since 1970, UTC */
int64_t clock_wall_s(void);        /* the same in whole seconds, as times in certificates are */
uint64_t clock_monotonic_us(void); /* arbitrary start */

/* "2026-11-21T08:34:59.123Z" and a NUL. */
#define CLOCK_TEXT_MAX 32
void clock_format(uint64_t wall_ms, char text[CLOCK_TEXT_MAX]);

/* A time as RFC 3339 §5.6 has it, with its offset from UTC, of the years 2000 to 9999:
 * "2027-03-31T18:00:00+02:00". Whole seconds since 1970; a fraction is cut off. */
bool clock_parse(uint64_t *ret_seconds, struct span text) MUST_CHECK;

/* "2027-03-31T16:00:00Z" and a NUL. */
void clock_format_seconds(uint64_t seconds, char text[CLOCK_TEXT_MAX]);

#endif
