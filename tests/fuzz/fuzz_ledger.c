/* A ledger's file: whatever is in it, what was taken from it is whole and the same when it is
 * written and read once more. */
#include "fuzz.h"

#include "../../src/ledger/lines.h"

static void write_table(struct text *ret, const struct table *table)
{
    PROMISE(lines_format(ret, table));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct table *first, *second;
    struct text once = {0}, twice = {0};
    struct error error;
    PROMISE(table_create(&first, 64) && table_create(&second, 64));
    if (!lines_read(first, span_of(data, size), &error))
        PROMISE(error.kind == ERROR_INPUT && error.text[0] != '\0');
    PROMISE(table_count(first) <= 64);
    write_table(&once, first);
    PROMISE(lines_read(second, span_of(once.data, once.length), &error));
    write_table(&twice, second);
    PROMISE(span_equal(span_of(once.data, once.length), span_of(twice.data, twice.length)));
    text_release(&once);
    text_release(&twice);
    table_free(first);
    table_free(second);
    return 0;
}
