/* config: reads a configuration into a model.
 *
 * Everything that is wrong in form (syntax, unknown and repeated keys, types, ranges, missing keys)
 * is reported in one go. On false there is at least one error in `problems`; no model is made. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "config/model.h"
#include "config/problems.h"

struct config {
    struct model *model; /* NULL after an error */
    /* After errors other than of syntax: what they leave of the file, or NULL. Never to be run: the
     * compile steps may look at it, so that what they find is told in the same go. */
    struct model *draft;
    struct problems *problems; /* keeps its index: compile steps report into it */
    struct locations *locations;
};

/* Reads FILE. `ret` is filled in both cases (problems are there to be printed); config_free() it.
 */
bool config_read_file(struct config *ret, const char *file) MUST_CHECK;

/* The same from memory; `file` is the name in messages, `folder` what relative paths start from. */
bool config_read_text(struct config *ret, const char *file, const char *folder, const char *text,
                      size_t length) MUST_CHECK;

void config_free(struct config *config);

/* As the file writes it: "round_robin". */
#define CONFIG_CHOICE_MAX 32
void config_name_balance(enum balance balance, char ret[CONFIG_CHOICE_MAX]);

struct text;
/* The effective configuration, defaults filled in, itself a valid file. */
bool config_dump(const struct model *model, struct text *ret) MUST_CHECK;

#endif
