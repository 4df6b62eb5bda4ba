/* split: holds a pure parser against every beginning of its input.
 *
 * Each beginning is copied to a heap block of exactly its length, so that AddressSanitizer sees a
 * read beyond it. */
#ifndef TESTS_SPLIT_H
#define TESTS_SPLIT_H

#include "base/span.h"
#include "inspect/verdict.h"

#include <check.h>
#include <stdlib.h>

#define LITERAL(text) ((struct span){(const unsigned char *)(text), sizeof(text) - 1})

typedef enum verdict split_parser(void *context, struct span bytes);

static inline const char *split_name(enum verdict verdict)
{
    static const char *const names[] = {"NO", "YES", "MORE", "BROKEN"};
    return names[verdict];
}

static inline enum verdict split_ask(split_parser *parser, void *context, struct span bytes)
{
    unsigned char *copy = malloc(bytes.length + (bytes.length == 0));
    ck_assert_ptr_nonnull(copy);
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    enum verdict verdict = parser(context, span_of(copy, bytes.length));
    free(copy);
    return verdict;
}

/* MORE for every beginning shorter than `decides_at` bytes, `verdict` for that and all longer. */
static inline void split_check(split_parser *parser, void *context, struct span whole,
                               size_t decides_at, enum verdict verdict, const char *what)
{
    for (size_t n = 0; n <= whole.length; n++) {
        enum verdict expected = n < decides_at ? VERDICT_MORE : verdict;
        enum verdict got = split_ask(parser, context, span_first(whole, n));
        ck_assert_msg(got == expected, "%s: %s after %zu of %zu bytes, expected %s", what,
                      split_name(got), n, whole.length, split_name(expected));
    }
}

#endif
