/* redact: what may be shown of bytes that somebody sent, whatever they are.
 *
 * They may be a password, so that nothing of them is kept but
 * - the longest known beginning (signatures.def): a constant of the program;
 * - otherwise what stands before the first printable byte, four bytes at most: no text is in it.
 * Everything behind is one asterisk per word, up to the end of the first line: neither bytes nor
 * their number. */
#ifndef INSPECT_REDACT_H
#define INSPECT_REDACT_H

#include "base/span.h"

#define REDACTED_KEPT_MAX  24u
#define REDACTED_BEGIN_MAX 192u /* with its NUL */

struct redacted {
    const char *looks_like; /* static; NULL: nothing known */
    unsigned char kept[REDACTED_KEPT_MAX];
    uint8_t kept_length;
    char begin[REDACTED_BEGIN_MAX]; /* for people: "PASS *\r\n", "\x12\x01\x00*" */
};

/* Looks at the first 64 bytes at most. */
void redact(struct redacted *ret, struct span bytes);

#endif
