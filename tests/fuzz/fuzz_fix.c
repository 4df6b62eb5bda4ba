#include "fuzz.h"

#include "inspect/fix.h"

/* What a beginning told stays true with more bytes. */
static void check_kept(const struct fix_logon *before, const struct fix_logon *after)
{
    PROMISE(before->message == VERDICT_MORE || before->message == after->message);
    PROMISE(before->valid == VERDICT_MORE || before->valid == after->valid);
    PROMISE(!before->complete || after->complete);
    if (after->message == VERDICT_NO)
        return;
    for (size_t tag = 0; tag < FIX_TAG_COUNT; tag++) {
        PROMISE(!before->has[tag] || after->has[tag]);
        if (before->has[tag] || before->complete)
            PROMISE(span_equal(before->field[tag], after->field[tag]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_of(data, size);
    struct fix_logon open, final, part;
    fix_read(&open, bytes, false);
    fix_read(&final, bytes, true);
    PROMISE(open.complete || open.need > size);
    PROMISE(final.complete && final.message != VERDICT_MORE && final.valid != VERDICT_MORE);
    for (size_t tag = 0; tag < FIX_TAG_COUNT; tag++)
        PROMISE(fuzz_inside(open.field[tag], bytes));
    size_t step = size / 64 + 1;
    for (size_t n = 0; n < size; n += step) {
        fix_read(&part, span_first(bytes, n), false);
        check_kept(&part, &open);
        if (!part.complete && part.need <= size) { /* nothing new before `need` */
            struct fix_logon before_need;
            fix_read(&before_need, span_first(bytes, part.need - 1), false);
            PROMISE(before_need.message == part.message && before_need.complete == part.complete);
        }
    }
    return 0;
}
