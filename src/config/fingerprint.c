#include "fingerprint.h"

#include "base/compiler.h"

#include <string.h>

/* What may stand at each place, with a letter for each kind: v and w are the version. */
static const char shape[] = "tvwsnnnnaa_hhhhhhhhhhhh_hhhhhhhhhhhh";

_Static_assert(sizeof shape == FINGERPRINT_LENGTH + 1, "one letter for each place");

#define DIGITS "0123456789"
#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* NULL: the letter itself. */
static const char *allowed_at(size_t place)
{
    switch (shape[place]) {
    case 'v':
        return "1s0";
    case 'w':
        return "0123";
    case 's': /* with a server name, or by address */
        return "di";
    case 'n':
        return DIGITS;
    case 'a':
        return DIGITS LOWER UPPER;
    case 'h':
        return DIGITS "abcdef";
    default:
        return NULL;
    }
}

static bool is_version(struct span two)
{
    static const char versions[][3] = {"13", "12", "11", "10", "s3", "00"};
    for (size_t i = 0; i < COUNT_OF(versions); i++)
        if (span_equal(two, span_text(versions[i])))
            return true;
    return false;
}

bool fingerprint_begins(struct span text)
{
    if (text.length > FINGERPRINT_LENGTH)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        const char *allowed = allowed_at(i);
        char c = (char)text.data[i];
        if (allowed == NULL ? c != shape[i] : c == '\0' || strchr(allowed, c) == NULL)
            return false;
    }
    return text.length < 3 || is_version(span_of(text.data + 1, 2));
}
