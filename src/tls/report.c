#include "tls/report.h"

#include <stdarg.h>

#define PATH_MAX_LENGTH 512
#define LINE_MAX_LENGTH 700

typedef void teller(struct problems *problems, const char *path, const char *format, ...);

static void report(struct problems *problems, teller *tell, const char *path, const char *key,
                   const char *format, va_list arguments)
{
    char place[PATH_MAX_LENGTH], line[LINE_MAX_LENGTH];
    vsnprintf(line, sizeof line, format, arguments);
    snprintf(place, sizeof place, "%s.%s", path, key);
    tell(problems, place, "%s", line);
}

bool tls_report(struct problems *problems, const char *path, const char *key, const char *format,
                ...)
{
    va_list arguments;
    va_start(arguments, format);
    report(problems, problems_error, path, key, format, arguments);
    va_end(arguments);
    return false;
}

void tls_report_warning(struct problems *problems, const char *path, const char *key,
                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    report(problems, problems_warning, path, key, format, arguments);
    va_end(arguments);
}
