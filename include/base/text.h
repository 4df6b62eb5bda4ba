/* text: a growing string, for log lines, documents and messages.
 *
 * Failure is sticky: when memory runs out, `failed` is set and further calls do nothing, so a
 * caller checks once at the end. `data` is NUL-terminated whenever length > 0. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/compiler.h"
#include "base/span.h"

struct text {
    char *data; /* owned */
    size_t length, capacity;
    bool failed;
};

void text_add(struct text *t, const char *string);
void text_add_span(struct text *t, struct span bytes);
void text_add_char(struct text *t, char c);
void text_format(struct text *t, const char *format, ...) PRINTF(2, 3);

/* Adds the bytes as a JSON string with its quotes. Bytes that are not valid UTF-8 become U+FFFD,
 * control bytes \u00XX: whatever a client sent, the line stays one line of valid JSON. */
void text_add_json(struct text *t, struct span bytes);

/* Adds the bytes for a human-readable line: printable ASCII as it is, everything else as \xXX. A
 * value with a blank, a quote or nothing in it is put in double quotes. */
void text_add_plain(struct text *t, struct span bytes);

void text_clear(struct text *t);   /* keeps the memory */
void text_release(struct text *t); /* gives it back */

#endif
