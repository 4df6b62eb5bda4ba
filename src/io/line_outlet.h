/* line_outlet: what the log thread writes to: a stream, the local syslog, systemd's journal.
 *
 * Made in any thread, used by one at a time. Nothing here waits for longer than a tenth of a
 * second. */
#ifndef IO_LINE_OUTLET_H
#define IO_LINE_OUTLET_H

#include "base/text.h"
#include "io/line_writer.h"

struct outlet;

bool outlet_open(struct outlet **ret, const struct line_target *target,
                 struct error *error) MUST_CHECK;
void outlet_close(struct outlet *outlet); /* accepts NULL */

/* Lines that may go out in one go; a datagram is one line. */
bool outlet_takes_many(const struct outlet *outlet);

/* Adds the line to `packet` in the outlet's own form. */
void outlet_add(const struct outlet *outlet, struct text *packet, enum line_form form,
                struct span line);

/* Writes what goes out now: the number of bytes, 0 while the reader is stuck, OUTLET_LOST when they
 * can't be written. A datagram goes out whole or not at all. */
#define OUTLET_LOST SIZE_MAX
size_t outlet_write(struct outlet *outlet, struct span packet);

/* The rest of a packet will not be written. What went out of the line in between is taken back, or
 * is ended before the next one, so that this one is whole. */
void outlet_tear(struct outlet *outlet);

/* `next` takes the place of `outlet`, maybe at the very same descriptor. */
void outlet_pass_on(const struct outlet *outlet, struct outlet *next);

#endif
