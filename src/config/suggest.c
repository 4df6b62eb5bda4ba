#include "config/suggest.h"

#include <stdbool.h>
#include <string.h>

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, changes and swaps of neighbours; case does not count. A changed letter
 * says little in a word of three: "1.4" is not meant as "1.0". */
static size_t edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[3][SUGGEST_MAX + 1] = {{0}}, change = na > 3 ? 1 : 2;
    for (size_t j = 0; j <= nb; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *now = row[i % 3], *before = row[(i + 2) % 3], *older = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            bool same = lower(a[i - 1]) == lower(b[j - 1]);
            now[j] = least(least(now[j - 1], before[j]) + 1, before[j - 1] + (same ? 0 : change));
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                now[j] = least(now[j], older[j - 2] + 1);
        }
    }
    return row[na % 3][nb];
}

void suggest_offer(struct suggestion *s, const char *candidate, size_t length)
{
    size_t word = strlen(s->word);
    if (word == 0 || word > SUGGEST_MAX || length == 0 || length > SUGGEST_MAX)
        return;
    size_t distance = edit_distance(s->word, word, candidate, length);
    size_t near_enough = least((word + 2) / 3, 3);
    if (distance > near_enough || distance >= word ||
        (s->best[0] != '\0' && distance >= s->distance))
        return;
    memcpy(s->best, candidate, length);
    s->best[length] = '\0';
    s->distance = distance;
}
