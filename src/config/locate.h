/* locate: an index from path to place ("listeners.combined.rules[1].pool" → line and column).
 *
 * Made by one pass over the text, which also finds every syntax error and every repeated key.
 * Linear in the text; a look-up is linear in the path. Depth, size and number of values are
 * bounded. */
#ifndef CONFIG_LOCATE_H
#define CONFIG_LOCATE_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOCATE_MAX_BYTES  (64u * 1024u * 1024u)
#define LOCATE_MAX_DEPTH  64u
#define LOCATE_MAX_VALUES (2u * 1024u * 1024u)

struct locations;

/* Line and column count from 1, the column in bytes. */
struct place {
    int line, column;
};

struct location {
    struct place value;
    struct place key; /* of a list's element and of the whole file: the value's */
};

/* False with a syntax error: `where` and `fault` (`size` bytes) then say which. */
bool locations_create(struct locations **ret, const char *text, size_t length, struct place *where,
                      char *fault, size_t size) MUST_CHECK;
void locations_free(struct locations *l); /* accepts NULL */

/* True where PATH is in the file itself; of repeated keys the last counts. */
bool locations_find(const struct locations *l, const char *path, struct location *ret) MUST_CHECK;

/* What objects lack may come from elsewhere: keys that are not in the object at `path` are looked
 * up in the one at `source` ("listeners.combined" → "defaults.listener"). Both must be in the file.
 */
void locations_inherit(struct locations *l, const char *path, const char *source);

/* The place of PATH, following inheritance; where it is nowhere, its nearest parent that exists.
 * `*ret_path` (owned by the caller; NULL when memory is out) is the path that names the place: PATH
 * itself or, inherited, the path there. Element 0 of a value that could have been a list is that
 * value. True: PATH exists, there or elsewhere. */
bool locations_resolve(const struct locations *l, const char *path, struct location *ret,
                       char **ret_path) MUST_CHECK;

/* Calls `each` for every repeated key, in the order of the file. */
void locations_repeated(const struct locations *l,
                        void (*each)(void *context, const char *path, struct place key,
                                     struct place first),
                        void *context);

/* Calls `each` for every number that is too large to be read; it begins at byte `at`. */
void locations_too_large(const struct locations *l,
                         void (*each)(void *context, const char *path, size_t at), void *context);

/* Calls `each` for every value that a later one of the same key hides; it begins at byte `at`. */
void locations_hidden(const struct locations *l,
                      void (*each)(void *context, const char *path, size_t at), void *context);

/* Calls `each` for all that keeps the value at byte `at` hidden: the other members of its key, and
 * of the keys of all that it lies in. Key and value begin at the bytes given, the key's with its
 * quote. */
void locations_rivals(const struct locations *l, size_t at,
                      void (*each)(void *context, size_t key_at, size_t value_at), void *context);

/* Line and column of a byte of the text. */
struct place locations_place(const struct locations *l, uint32_t at);

#endif
