/* bare_splice: one direction of a plain session that moves through a pipe and not through memory.
 */
#ifndef BENCH_BARE_SPLICE_H
#define BENCH_BARE_SPLICE_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bare_splice {
    int ends[2];
    size_t held; /* bytes in the pipe */
};

void bare_splice_open(struct bare_splice *s);
void bare_splice_close(struct bare_splice *s);

/* As wire_read(): what came in from `fd`, the end, again or broken. */
ssize_t bare_splice_fill(struct bare_splice *s, int fd) MUST_CHECK;

/* Moves what the pipe holds on to `fd`, as far as it goes. False: broken. */
bool bare_splice_drain(struct bare_splice *s, int fd) MUST_CHECK;

#endif
