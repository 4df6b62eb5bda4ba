#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void write_text(struct error *error, enum error_kind kind, const char *format,
                       va_list arguments) __attribute__((format(printf, 3, 0)));

static void write_text(struct error *error, enum error_kind kind, const char *format,
                       va_list arguments)
{
    error->kind = kind;
    error->number = 0;
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
}

bool error_input(struct error *error, const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        write_text(error, ERROR_INPUT, format, arguments);
        va_end(arguments);
    }
    return false;
}

bool error_tls(struct error *error, const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        write_text(error, ERROR_TLS, format, arguments);
        va_end(arguments);
    }
    return false;
}

bool error_system(struct error *error, int number, const char *format, ...)
{
    if (error == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    write_text(error, ERROR_SYSTEM, format, arguments);
    va_end(arguments);
    error->number = number;
    char reason[128];
    size_t used = strlen(error->text);
    (void)snprintf(error->text + used, sizeof error->text - used, ": %s",
                   strerror_r(number, reason, sizeof reason));
    return false;
}

bool error_memory(struct error *error)
{
    error_input(error, "out of memory");
    if (error != NULL)
        error->kind = ERROR_MEMORY;
    return false;
}

void error_prefix(struct error *error, const char *format, ...)
{
    if (error == NULL)
        return;
    char front[sizeof error->text / 2], rest[sizeof error->text];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(front, sizeof front, format, arguments);
    va_end(arguments);
    memcpy(rest, error->text, sizeof rest);
    int room = (int)(sizeof error->text - strlen(front) - sizeof ": ");
    (void)snprintf(error->text, sizeof error->text, "%s: %.*s", front, room, rest);
}
