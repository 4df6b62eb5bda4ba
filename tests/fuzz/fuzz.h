/* fuzz: what the fuzz targets share. A broken promise aborts, which is how both libFuzzer and the
 * standalone driver notice. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline bool fuzz_inside(struct span part, struct span whole)
{
    return part.length == 0 ||
           (part.data >= whole.data && part.data + part.length <= whole.data + whole.length);
}

/* Stands for SHA-256 where the digest itself does not matter; reads what it is given. */
static inline void fuzz_no_hash(const void *bytes, size_t length, unsigned char digest[32])
{
    memset(digest, length > 0 ? *(const unsigned char *)bytes : 0, 32);
}

#endif
