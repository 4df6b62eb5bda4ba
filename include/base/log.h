/* log: the process's event log on stderr: one line per event, "EVENT  key=value key=value".
 *
 * Floors below `session` return errors and never log; `session` and above log once. Lines are
 * written with one write(2), so lines of several threads never mix. The level is set at start and
 * on reload. Thread-safe. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/compiler.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);

/* log_event(LOG_LEVEL_INFO, "listener.pause", "reason=%s retry_ms=%u", …) */
void log_event(enum log_level level, const char *event, const char *format, ...) PRINTF(3, 4);

#endif
