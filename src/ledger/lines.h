/* lines: a table as lines of JSON, in the file and for whoever asks. */
#ifndef LEDGER_LINES_H
#define LEDGER_LINES_H

#include "table.h"

/* One row as a JSON object, without a newline. */
void lines_add_row(struct text *t, const struct row *row);

/* The whole file. */
bool lines_format(struct text *ret, const struct table *table) MUST_CHECK;

/* How a ledger of any version begins. */
#define LINES_MARK       "{\"muxgate_ledger\""
#define LINES_MARK_BYTES (sizeof LINES_MARK - 1)

/* Is it one, or was it to become one: cut anywhere, or empty? */
bool lines_begin(struct span bytes) MUST_CHECK;

/* Enters what a file says. false: it is damaged (the error names the line; what could be read is
 * entered), or ERROR_MEMORY. An empty file is an empty ledger. */
bool lines_read(struct table *ret, struct span bytes, struct error *error) MUST_CHECK;

/* A text as it comes back from a file: valid UTF-8. Freed with free(); NULL: out of memory. */
char *lines_clean(struct span text);

#endif
