/* draft: what is left of a file once every value that cannot be used is taken out.
 *
 * Each stage looks at what the one before left sound, so that all errors of a file are told in one
 * go: relations at what has its form, the compile steps of other floors at both. In place of what
 * was taken out stands null: something is there, and nobody knows what. A stage tells nothing that
 * such a value could make untrue. */
#ifndef CONFIG_DRAFT_H
#define CONFIG_DRAFT_H

#include "locate.h"

#include <jansson.h>

/* Notes that the value at `path` cannot be used. `broken` is an object whose keys are paths. */
void draft_note(json_t *broken, const char *path);

bool draft_is_noted(const json_t *broken, const char *path);

/* A new reference; NULL when memory is out. `merged` has values of "defaults" in it: they are known
 * by the paths where they stand in the file. */
json_t *draft_prune(json_t *merged, const json_t *broken,
                    const struct locations *locations) MUST_CHECK;

/* Is something there that cannot be used? */
static inline bool draft_is_unknown(const json_t *object, const char *key)
{
    return json_is_null(json_object_get(object, key));
}

#endif
