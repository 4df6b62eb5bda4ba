#include "tls/report.h"

#include <stdarg.h>

#define PATH_MAX_LENGTH 512
#define LINE_MAX_LENGTH 700

bool tls_report(struct problems *problems, const char *path, const char *key, const char *format,
                ...)
{
    char place[PATH_MAX_LENGTH], line[LINE_MAX_LENGTH];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    snprintf(place, sizeof place, "%s.%s", path, key);
    problems_error(problems, place, "%s", line);
    return false;
}

void tls_report_warning(struct problems *problems, const char *path, const char *key,
                        const char *format, ...)
{
    char place[PATH_MAX_LENGTH], line[LINE_MAX_LENGTH];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    snprintf(place, sizeof place, "%s.%s", path, key);
    problems_warning(problems, place, "%s", line);
}
