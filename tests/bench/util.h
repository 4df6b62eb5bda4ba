/* util: the way out, memory that is there or ends the program, the clock, numbers from text. */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include "base/compiler.h"

#include <stddef.h>
#include <stdint.h>

/* Prints "PROGRAM: TEXT" to stderr and exits with 1. */
_Noreturn void die(const char *format, ...) PRINTF(1, 2);

void *allocate(size_t count, size_t size); /* zeroed, never NULL */
uint64_t now_ns(void);                     /* monotonic */

/* The whole text as a number from `least` to `most`; anything else ends the program, naming `what`.
 */
uint64_t number_of(const char *text, const char *what, uint64_t least, uint64_t most);

/* As many descriptors as the hard limit allows. */
void raise_descriptor_limit(void);

#endif
