/* merge: "defaults" put into every listener and pool. */
#ifndef CONFIG_MERGE_H
#define CONFIG_MERGE_H

#include "locate.h"

#include <jansson.h>

/* `root` with the defaults merged in; a new reference, NULL when memory is out. Objects merge key
 * by key, everything else is replaced, and a key that excludes one of the defaults displaces it.
 * Tells `locations` where merged keys come from. */
json_t *merge_defaults(const json_t *root, struct locations *locations) MUST_CHECK;

#endif
