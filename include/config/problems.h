/* problems: the errors and warnings of one configuration file, each with its place.
 *
 * Every compile step (rules, TLS, pools) reports here by path; the place is found through the index
 * that the reader made. One line each: FILE:LINE:COL: PATH: text, or FILE:LINE:COL: warning: PATH:
 * text. */
#ifndef CONFIG_PROBLEMS_H
#define CONFIG_PROBLEMS_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct problems;
struct locations;
struct place;

bool problems_create(struct problems **ret, const char *file) MUST_CHECK;
void problems_free(struct problems *problems); /* accepts NULL */

/* The index to look paths up in; borrowed until the problems are freed. */
void problems_locate(struct problems *problems, const struct locations *locations);

/* The second that warnings about dates are judged at: now, unless it was set. */
void problems_set_now(struct problems *problems, uint64_t seconds);
uint64_t problems_now(const struct problems *problems);

/* Parts of the file were taken out, as they had errors: a warning about what goes together would be
 * no more than a guess. */
void problems_set_partial(struct problems *problems);
bool problems_are_partial(const struct problems *problems);

/* At the value of PATH; the nearest parent that exists where it is missing. */
void problems_error(struct problems *p, const char *path, const char *format, ...) PRINTF(3, 4);
void problems_warning(struct problems *p, const char *path, const char *format, ...) PRINTF(3, 4);
/* At the key of PATH (unknown and repeated keys). */
void problems_error_key(struct problems *p, const char *path, const char *format, ...) PRINTF(3, 4);
/* At a place that the caller knows. */
void problems_error_at(struct problems *p, int line, int column, const char *path,
                       const char *format, ...) PRINTF(5, 6);
/* About the file as a whole ("cannot read: …"): no place. */
void problems_file(struct problems *p, const char *format, ...) PRINTF(2, 3);
/* A syntax error: no path, and it ends the list. */
void problems_syntax(struct problems *p, int line, int column, const char *format, ...)
    PRINTF(4, 5);

/* NULL stands for problems for which there was no memory: one error, "out of memory". */
size_t problems_errors(const struct problems *p);
size_t problems_warnings(const struct problems *p);

/* Takes over the errors of `from` whose places are from `first` on and before `end`. */
void problems_take_errors(struct problems *p, struct problems *from, struct place first,
                          struct place end);

/* In the order of their places. */
void problems_print(const struct problems *p, FILE *stream);
/* Calls `each` with every line (no newline), errors and warnings in order of place. */
void problems_each(const struct problems *p,
                   void (*each)(void *context, bool warning, const char *line), void *context);

#endif
