#include "nearest.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, changes, and two neighbours swapped; three rows of the table are enough.
 */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    size_t rows[3][NEAREST_MAX + 1] = {{0}};
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t changed = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = least(changed, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], second[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

void nearest_offer(struct nearest *nearest, const char *known)
{
    size_t wanted = strlen(nearest->wanted), length = strlen(known);
    if (wanted == 0 || wanted > NEAREST_MAX || length == 0 || length > NEAREST_MAX)
        return;
    size_t distance = edit_distance(nearest->wanted, wanted, known, length);
    if (distance > least((wanted + 2) / 3, 3))
        return;
    if (nearest->name != NULL && nearest->distance <= distance)
        return;
    nearest->name = known;
    nearest->distance = distance;
}
