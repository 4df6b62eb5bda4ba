/* error: why a call failed, by value, ready to be shown to a person.
 *
 * A function that can fail returns bool (must be checked) and fills the caller's struct error on
 * false; on true it leaves it alone. The text is one line, names the thing and, where there is one,
 * the remedy. No allocation, so that out-of-memory can be reported too. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/compiler.h"

#include <stdbool.h>

enum error_kind {
    ERROR_NONE,
    ERROR_INPUT,  /* what the user gave is wrong */
    ERROR_SYSTEM, /* a system call failed; `number` is its errno */
    ERROR_MEMORY,
    ERROR_TLS, /* OpenSSL refused */
};

struct error {
    enum error_kind kind;
    int number;
    char text[480];
};

/* Each fills `error` (which may be NULL) and returns false, so that a failing function can end with
 * `return error_input(error, …)`. */
bool error_input(struct error *error, const char *format, ...) PRINTF(2, 3);
bool error_tls(struct error *error, const char *format, ...) PRINTF(2, 3);
bool error_system(struct error *error, int number, const char *format, ...) PRINTF(3, 4);
bool error_memory(struct error *error);

/* Puts "TEXT: " in front of what is there. */
void error_prefix(struct error *error, const char *format, ...) PRINTF(2, 3);

#endif
