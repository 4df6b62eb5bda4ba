/* table: rows of cells in columns that are as wide as they need to be. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include "base/text.h"

#include <jansson.h>

#define TABLE_COLUMNS_MAX 12u

struct table {
    const char *const *titles; /* ended by NULL; one that begins with '>' is set to the right */
    struct text cells;         /* each ended by a NUL, row after row */
    size_t columns, count, width[TABLE_COLUMNS_MAX];
};

void table_begin(struct table *ret, const char *const *titles);

/* The next cell. Whatever would move a terminal's cursor is shown as \xXX. */
void table_add(struct table *table, const char *text);
void table_add_format(struct table *table, const char *format, ...) PRINTF(2, 3);

/* A member of an object: a text as it is, numbers and truth as JSON writes them, "" where it is
 * not. */
void table_add_member(struct table *table, const json_t *object, const char *key);

/* Text outside of a table; what a terminal would obey is spelled out, as in cells. */
void table_add_visible(struct text *ret, const char *text);

/* Appends the table to `ret` and releases it. */
void table_end(struct table *table, struct text *ret);

#endif
