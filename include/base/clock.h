/* clock: the two clocks. Wall time for people (RFC 3339), monotonic time for intervals. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_wall_ms(void);      /* since 1970, UTC */
uint64_t clock_monotonic_us(void); /* arbitrary start */

/* "2026-11-21T08:34:59.123Z" and a NUL. */
#define CLOCK_TEXT_MAX 32
void clock_format(uint64_t wall_ms, char text[CLOCK_TEXT_MAX]);

#endif
