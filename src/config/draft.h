/* draft: what is left of a file with errors once everything that they touch is taken out.
 *
 * Good for one thing: the compile steps of other floors can look at it, so that their errors are
 * told in the same go. Nothing is left that could make them tell a second time what was told
 * already. */
#ifndef CONFIG_DRAFT_H
#define CONFIG_DRAFT_H

#include "base/compiler.h"

#include <jansson.h>

/* Notes that there is an error at `path`, and so below each of its parents. `broken` is an object
 * whose keys are paths. */
void draft_note(json_t *broken, const char *path);

/* A new reference; NULL where nothing sensible is left or memory is out. Rules and servers that
 * were taken out are null, so that the others keep their places. */
json_t *draft_prune(const json_t *merged, const json_t *broken) MUST_CHECK;

#endif
