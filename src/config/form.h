/* form: is each value what its key's row in keys.def says? Unknown keys, types, ranges, missing
 * keys.
 *
 * Works on the file as it was written; goes on after each error, so that all are told at once. */
#ifndef CONFIG_FORM_H
#define CONFIG_FORM_H

#include "config/problems.h"
#include "keys.h"

#include "base/text.h"

#include <jansson.h>

struct form {
    struct problems *problems;
    const char *folder;     /* what relative UNIX paths start from */
    const json_t *defaults; /* the file's "defaults"; NULL for none */
    json_t *broken;         /* paths of values that cannot be used, see draft.h */
    struct text path;       /* of the value at hand */
};

/* Checks the whole file. An unknown key that was taken for a slip stands for the one that was
 * meant: where that is not there, it gets a null that counts as broken. */
void form_check(struct form *f, json_t *root);

/* One value that is no list and no object, against its key's type. */
void form_check_scalar(struct form *f, const struct key *key, const json_t *value);

/* --- shared with the checks of relations --- */

/* Goes one step down, and back to the length that the step returned. */
size_t form_enter_key(struct form *f, const char *name);
size_t form_enter_index(struct form *f, size_t index);
void form_leave(struct form *f, size_t length);

/* The value cannot be used: later stages do not see it. */
void form_error(struct form *f, const char *format, ...) PRINTF(2, 3);
/* It does not go with others, or something is missing; in itself it is sound, and looked at. */
void form_conflict(struct form *f, const char *format, ...) PRINTF(2, 3);
void form_error_key(struct form *f, const char *format, ...)
    PRINTF(2, 3); /* at the key, likewise */

/* A value as an error shows it: "2", "\"abc\"", "a list"; cut where it is long. */
#define FORM_SHOWN_MAX 160
void form_show(const json_t *value, char ret[FORM_SHOWN_MAX]);
void form_show_text(const char *text, char ret[FORM_SHOWN_MAX]);

#endif
