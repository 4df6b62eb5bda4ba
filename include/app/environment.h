/* environment: what a service manager says in variables. */
#ifndef APP_ENVIRONMENT_H
#define APP_ENVIRONMENT_H

#include <stdint.h>
#include <stdlib.h>

/* 0 where there is none, or something else. */
static inline uint64_t environment_number(const char *name)
{
    char *end;
    const char *text = getenv(name);
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return 0;
    uint64_t number = strtoull(text, &end, 10);
    return *end == '\0' ? number : 0;
}

#endif
