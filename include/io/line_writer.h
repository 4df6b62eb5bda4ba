/* line_writer: a thread of its own that writes the access log, to a file or a stream, to the local
 * syslog or to systemd's journal.
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

enum line_protocol {
    LINE_STREAM, /* a file, a pipe, a terminal: line behind line */
    LINE_SYSLOG, /* a datagram each: "<30>Nov 21 17:05:09 muxgate[17]: …" (RFC 3164 §4.1, no host)
                  */
    LINE_JOURNAL /* a datagram each, in the journal's native protocol */
};

/* Where lines go: a path, or a descriptor that stays the caller's. */
struct line_target {
    enum line_protocol protocol;
    const char *file; /* the socket's path unless LINE_STREAM; NULL: use `fd` */
    int fd;
};

bool line_writer_start(struct line_writer **ret, const struct line_target *target,
                       unsigned producers, struct error *error) MUST_CHECK;

/* A line as it was made: for streams and syslog, or for the journal. As a reload reaches workers
 * one after another, either may come to any target, and is brought into its form there. */
enum line_form {
    LINE_TEXT,  /* one line that ends in its newline */
    LINE_FIELDS /* journal fields; the first is MESSAGE, and its value has no newline in it */
};

/* false: dropped and counted. Only producer N calls with N. */
bool line_writer_put(struct line_writer *writer, unsigned producer, enum line_form form,
                     struct span line);

/* Opens the file again by its name (log rotation), or goes over to another target. Any thread.
 * On failure the old target stays. A socket that nobody listens at is no failure: whoever does may
 * come (back) later, and the lines until then are dropped and counted. */
bool line_writer_reopen(struct line_writer *writer, const struct line_target *target,
                        struct error *error) MUST_CHECK;

/* Does somebody listen at the target now? Always true for streams. */
bool line_target_is_there(const struct line_target *target, struct error *error) MUST_CHECK;

uint64_t line_writer_dropped(const struct line_writer *writer);

/* Writes what is there, for at most `patience_ms` when the reader is stuck, and ends the thread. */
void line_writer_stop(struct line_writer *writer, unsigned patience_ms); /* accepts NULL */

#endif
