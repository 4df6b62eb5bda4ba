/* What is shown of bytes that nobody knew: constants of the program, and no text of a client. */
#include "fuzz.h"

#include "inspect/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct redacted r;
    redact(&r, span_of(data, size));
    PROMISE(r.kept_length <= REDACTED_KEPT_MAX && r.kept_length <= size);
    PROMISE(r.kept_length == 0 || memcmp(r.kept, data, r.kept_length) == 0);
    PROMISE(memchr(r.begin, '\0', sizeof r.begin) != NULL);
    if (r.looks_like != NULL)
        return 0;
    PROMISE(r.kept_length <= 4);
    for (size_t i = 0; i < r.kept_length; i++)
        PROMISE(r.kept[i] < 0x20 || r.kept[i] > 0x7e);
    const char *behind = r.begin + (size_t)r.kept_length * 4;
    PROMISE(strspn(behind, "* \\rn") == strlen(behind));
    return 0;
}
