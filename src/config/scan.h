/* scan: the words of JSON (RFC 8259), one at a time, with exact places for what is wrong.
 *
 * The scanner decides what is a syntax error and where: jansson, which reads the values afterwards,
 * counts characters, not bytes, stops at the first repeated key and forgets the places. */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include "base/compiler.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

struct scanner {
    const unsigned char *text;
    size_t length, at;
    /* after a failure: */
    bool too_large; /* the last number is more than C can hold */
    size_t fault_at;
    char fault[160];
};

/* The byte at the scanner, or -1 at the end. */
static inline int scan_peek(const struct scanner *s)
{
    return s->at < s->length ? s->text[s->at] : -1;
}

/* Notes the fault and returns false. */
bool scan_fail(struct scanner *s, size_t at, const char *format, ...) PRINTF(3, 4);

/* "expected WHAT, got …" at the scanner; false. */
bool scan_expected(struct scanner *s, const char *what);

void scan_space(struct scanner *s);

/* A string, from its opening quote on. `decoded` (may be NULL) gets its bytes appended. */
bool scan_string(struct scanner *s, struct text *decoded) MUST_CHECK;

/* A number, true, false or null. One that is too large is no fault of syntax: too_large tells. */
bool scan_plain(struct scanner *s) MUST_CHECK;

#endif
