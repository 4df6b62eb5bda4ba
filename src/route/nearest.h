/* nearest: of some known names the one that a mistyped name was probably meant to be. */
#ifndef ROUTE_NEAREST_H
#define ROUTE_NEAREST_H

#include <stddef.h>

#define NEAREST_MAX 64u /* longer names are neither asked about nor offered */

/* Begin with {.wanted = …}, offer every known name; `name` is then the nearest, NULL where none is
 * near enough. Borrows both. */
struct nearest {
    const char *wanted;
    const char *name;
    size_t distance;
};

void nearest_offer(struct nearest *nearest, const char *known);

#endif
