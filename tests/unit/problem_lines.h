/* problem_lines: what was told of a configuration, as one text to look for words in. */
#ifndef TESTS_PROBLEM_LINES_H
#define TESTS_PROBLEM_LINES_H

#include "config/problems.h"

#include <string.h>

static inline void add_problem_line(void *context, bool warning, const char *line)
{
    char *all = context;
    (void)warning;
    strncat(all, line, 4000 - strlen(all));
    strncat(all, "\n", 4000 - strlen(all));
}

/* Errors and warnings, one a line; valid until the next call. */
static inline const char *lines_of(const struct problems *problems)
{
    static char all[4096];
    all[0] = '\0';
    problems_each(problems, add_problem_line, all);
    return all;
}

#endif
