/* suggest: "did you mean …?" by edit distance. */
#ifndef CONFIG_SUGGEST_H
#define CONFIG_SUGGEST_H

#include <stddef.h>

#define SUGGEST_MAX 64u /* longer words get no suggestion */

/* Offer every candidate; `best` then holds the nearest one that is near enough, or "". Begin with
 * {.word = …}. */
struct suggestion {
    const char *word;
    char best[SUGGEST_MAX + 1];
    size_t distance;
};

void suggest_offer(struct suggestion *s, const char *candidate, size_t length);

#endif
