/* line_writer: a thread of its own that writes the access log.
 *
 * Each worker puts whole lines into a ring of its own (one writer, one reader, no lock); a line
 * that finds no room is dropped and counted, so that a slow reader of the log never slows a
 * session. The thread sleeps while there is nothing to write and is woken by the first line only.
 */
#ifndef IO_LINE_WRITER_H
#define IO_LINE_WRITER_H

#include "base/error.h"
#include "base/span.h"

struct line_writer;

/* Where lines go: a file's path, or a descriptor that stays the caller's. */
struct line_target {
    const char *file; /* NULL: use `fd` */
    int fd;
};

bool line_writer_start(struct line_writer **ret, const struct line_target *target,
                       unsigned producers, struct error *error) MUST_CHECK;

/* `line` ends in its newline. false: dropped and counted. Only producer N calls with N. */
bool line_writer_put(struct line_writer *writer, unsigned producer, struct span line);

/* Opens the file again by its name (log rotation), or goes over to another target. Any thread.
 * On failure the old target stays. */
bool line_writer_reopen(struct line_writer *writer, const struct line_target *target,
                        struct error *error) MUST_CHECK;

uint64_t line_writer_dropped(const struct line_writer *writer);

/* Writes what is there, for at most `patience_ms` when the reader is stuck, and ends the thread. */
void line_writer_stop(struct line_writer *writer, unsigned patience_ms); /* accepts NULL */

#endif
