/* access_log: what the configuration calls the access log's target, as the log thread takes it.
 *
 * A local log that nobody listens at yet is no reason not to start: it is told (`log.absent`), and
 * found when it comes. */
#ifndef APP_ACCESS_LOG_H
#define APP_ACCESS_LOG_H

#include "config/model.h"
#include "io/line_writer.h"

bool access_log_start(struct line_writer **ret, const struct model_log *log, unsigned producers,
                      struct error *error) MUST_CHECK;

/* Any thread; says what came of it. */
void access_log_reopen(struct line_writer *writer, const struct model_log *log);

#endif
