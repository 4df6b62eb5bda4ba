#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The one setting that every floor shares; read on each event, written at start and reload. */
static _Atomic int threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&threshold, (int)level);
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    char line[1024];
    int used = snprintf(line, sizeof line - 1, "%-17s ", event);
    if (used < 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(line + used, sizeof line - 1 - (size_t)used, format, arguments);
    va_end(arguments);
    size_t length = more < 0 ? (size_t)used : (size_t)used + (size_t)more;
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    /* Whatever was put in, an event is one line. */
    for (size_t i = 0; i < length; i++)
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    line[length] = '\n';
    ssize_t written = write(STDERR_FILENO, line, length + 1);
    (void)written; /* nobody is left to be told */
}
