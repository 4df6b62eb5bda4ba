#include "inspect/fix.h"
#include "suite.h"

#include "split.h"

#include <stdio.h>

static struct fix_logon logon;
static char text[4096];

/* A message from its body ("35=A|49=…|"), with the CheckSum right; | stands for SOH. */
static struct span message_of_length(const char *begin, size_t body_length, const char *body)
{
    unsigned sum = 0;
    int length = snprintf(text, sizeof text, "8=%s|9=%zu|%s", begin, body_length, body);
    for (int i = 0; i < length; i++) {
        if (text[i] == '|')
            text[i] = '\001';
        sum += (unsigned char)text[i];
    }
    length += snprintf(text + length, sizeof text - (size_t)length, "10=%03u\001", sum & 0xff);
    return span_of(text, (size_t)length);
}

static struct span message(const char *begin, const char *body)
{
    return message_of_length(begin, strlen(body), body);
}

/* Bytes as they are; | stands for SOH. */
static struct span raw(const char *bytes)
{
    size_t length = strlen(bytes);
    for (size_t i = 0; i <= length; i++)
        text[i] = (char)(bytes[i] == '|' ? '\001' : bytes[i]);
    return span_of(text, length);
}

static enum verdict read_message(void *context, struct span bytes)
{
    (void)context;
    fix_read(&logon, bytes, false);
    return logon.message;
}

static enum verdict read_valid(void *context, struct span bytes)
{
    (void)context;
    fix_read(&logon, bytes, false);
    return logon.valid;
}

static void expect_field(enum fix_tag tag, const char *value)
{
    ck_assert_int_eq(logon.has[tag], value != NULL);
    ck_assert(span_is(logon.field[tag], value == NULL ? "" : value));
}

#define LOGON_BODY                                                                                 \
    "35=A|49=DESK1|56=VENUE|34=1|52=20261121-09:00:00|50=TRADER|98=0|108=30|553=me|554=secret|"

START_TEST(the_fields_of_a_logon_are_read)
{
    static const char *const begins[] = {"FIX.4.0", "FIX.4.2", "FIX.4.4", "FIX.5.0", "FIXT.1.1"};
    fix_read(&logon, message(begins[_i], LOGON_BODY), false);
    ck_assert_int_eq(logon.message, VERDICT_YES);
    ck_assert_int_eq(logon.valid, VERDICT_YES);
    ck_assert(logon.complete);
    expect_field(FIX_BEGIN_STRING, begins[_i]);
    expect_field(FIX_SENDER_COMP_ID, "DESK1");
    expect_field(FIX_TARGET_COMP_ID, "VENUE");
    expect_field(FIX_SENDER_SUB_ID, "TRADER");
    expect_field(FIX_USERNAME, "me");
}
END_TEST

START_TEST(a_logon_is_known_with_the_end_of_its_message_type)
{
    struct span whole = message("FIX.4.4", LOGON_BODY);
    size_t type_end = strlen("8=FIX.4.4|9=93|35=A|");
    split_check(read_message, NULL, whole, type_end, VERDICT_YES, "message");
}
END_TEST

START_TEST(validity_is_known_with_the_last_byte)
{
    struct span whole = message("FIX.4.4", LOGON_BODY);
    split_check(read_valid, NULL, whole, whole.length, VERDICT_YES, "valid");
}
END_TEST

START_TEST(a_field_counts_once_its_end_is_there)
{
    struct span whole = message("FIX.4.4", LOGON_BODY);
    for (size_t n = 0; n <= whole.length; n++) {
        struct span bytes = span_first(whole, n);
        (void)split_ask(read_message, NULL, bytes);
        const unsigned char *sender = memmem(bytes.data, n, "49=DESK1\001", 9);
        const unsigned char *user = memmem(bytes.data, n, "553=me\001", 7);
        ck_assert_int_eq(logon.has[FIX_SENDER_COMP_ID], sender != NULL);
        ck_assert_int_eq(logon.has[FIX_USERNAME], user != NULL);
        ck_assert_int_eq(logon.complete, n == whole.length);
        if (!logon.complete)
            ck_assert_uint_eq(logon.need, n + 1);
    }
}
END_TEST

START_TEST(bytes_behind_the_message_do_not_matter)
{
    struct span whole = message("FIX.4.4", LOGON_BODY);
    memcpy(text + whole.length, "8=FIX.4.4\00149=OTHER\001", 19);
    fix_read(&logon, span_of(text, whole.length + 19), false);
    ck_assert_int_eq(logon.valid, VERDICT_YES);
    expect_field(FIX_SENDER_COMP_ID, "DESK1");
}
END_TEST

START_TEST(what_is_no_logon_is_no_on_its_byte)
{
    static const struct {
        const char *bytes;
        size_t at;
    } rows[] = {
        {"8=FIX.4.4|9=63|35=0|49=A|", 19},
        {"8=FIX.4.4|9=63|35=AE|49=A|", 20},
        {"8=FIX.4.4|9=63|49=A|35=A|", 16},
        {"8=FIX.4.4|34=1|35=A|", 12},
        {"8=FIX.4.4|35=D|", 14},
        {"8=FIX.4.4||", 11},
        {"GET / HTTP/1.1", 1},
        {"8=FIX.4.4|9=63|35=|", 19},
        {"8=FIX.4.4|9=|35=A|", 13},
        {"8=FIX.4.4|9=63|10=000|", 16},
    };
    split_check(read_message, NULL, raw(rows[_i].bytes), rows[_i].at, VERDICT_NO, rows[_i].bytes);
    ck_assert(logon.complete);
    ck_assert_int_eq(logon.valid, VERDICT_NO);
    for (size_t tag = 0; tag < FIX_TAG_COUNT; tag++)
        ck_assert(!logon.has[tag]);
}
END_TEST

START_TEST(a_missing_body_length_is_not_valid_but_a_logon)
{
    fix_read(&logon, raw("8=FIX.4.4|35=A|49=ME|10=000|"), false);
    ck_assert_int_eq(logon.message, VERDICT_YES);
    ck_assert_int_eq(logon.valid, VERDICT_NO);
    expect_field(FIX_SENDER_COMP_ID, "ME");
}
END_TEST

START_TEST(a_wrong_length_or_sum_is_not_valid)
{
    static const char *const rows[] = {
        "8=FIX.4.4|9=10|35=A|49=ME|10=012|", /* sum */
        "8=FIX.4.4|9=9|35=A|49=ME|10=000|",  /* too short */
        "8=FIX.4.4|9=11|35=A|49=ME|10=000|", /* too long */
        "8=FIX.4.4|9=x|35=A|49=ME|10=000|",          "8=FIX.4.4|9=-1|35=A|49=ME|10=000|",
        "8=FIX.4.4|9=4294967306|35=A|49=ME|10=000|", "8=FIX.4.4|9=10|35=A|49=ME|10=0|",
        "8=FIX.4.4|9=10|35=A|49=ME|10=0000|",
    };
    fix_read(&logon, raw(rows[_i]), false);
    ck_assert_int_eq(logon.message, VERDICT_YES);
    ck_assert_int_eq(logon.valid, VERDICT_NO);
    ck_assert(logon.complete);
    expect_field(FIX_SENDER_COMP_ID, "ME");
}
END_TEST

START_TEST(a_wrong_length_under_a_right_sum_is_not_valid)
{
    size_t right = strlen(LOGON_BODY);
    for (size_t length = 0; length < right + 20; length++) {
        fix_read(&logon, message_of_length("FIX.4.4", length, LOGON_BODY), false);
        ck_assert_int_eq(logon.valid, length == right ? VERDICT_YES : VERDICT_NO);
    }
}
END_TEST

START_TEST(a_body_that_overruns_its_length_is_known_early)
{
    fix_read(&logon, raw("8=FIX.4.4|9=11|35=A|49=ME|52="), false);
    ck_assert_int_eq(logon.valid, VERDICT_NO);
    ck_assert(!logon.complete);
    ck_assert_int_eq(logon.message, VERDICT_YES);
}
END_TEST

START_TEST(every_changed_byte_makes_it_not_valid)
{
    char copy[sizeof text];
    struct span whole = message("FIX.4.4", LOGON_BODY);
    for (size_t i = 0; i < whole.length; i++) {
        memcpy(copy, text, whole.length);
        copy[i] = (char)(copy[i] ^ 1);
        fix_read(&logon, span_of(copy, whole.length), true);
        ck_assert_int_eq(logon.valid, VERDICT_NO);
    }
}
END_TEST

START_TEST(the_first_occurrence_counts)
{
    fix_read(&logon, message("FIX.4.4", "35=A|49=ONE|49=TWO|56=V|56=W|"), false);
    expect_field(FIX_SENDER_COMP_ID, "ONE");
    expect_field(FIX_TARGET_COMP_ID, "V");
}
END_TEST

START_TEST(any_tag_number_is_fine)
{
    fix_read(&logon, message("FIX.4.4", "35=A|5000=x|9999=y|123456789=z|49=ME|"), false);
    ck_assert_int_eq(logon.valid, VERDICT_YES);
    expect_field(FIX_SENDER_COMP_ID, "ME");
}
END_TEST

START_TEST(a_malformed_field_ends_the_reading)
{
    static const char *const rows[] = {
        "8=FIX.4.4|9=99|35=A|x=1|49=ME|",        "8=FIX.4.4|9=99|35=A|49|49=ME|",
        "8=FIX.4.4|9=99|35=A|049=X|49=ME|",      "8=FIX.4.4|9=99|35=A|=1|49=ME|",
        "8=FIX.4.4|9=99|35=A|58=|49=ME|",        "8=FIX.4.4|9=99|35=A|1234567890=1|49=ME|",
        "8=FIX.4.4|9=99|35=A|95=2|96=abx49=ME|",
    };
    fix_read(&logon, raw(rows[_i]), false);
    ck_assert_int_eq(logon.message, VERDICT_YES);
    ck_assert_int_eq(logon.valid, VERDICT_NO);
    ck_assert(logon.complete);
    expect_field(FIX_SENDER_COMP_ID, NULL);
}
END_TEST

/* --- data fields ----------------------------------------------------------------------------- */

START_TEST(a_data_field_may_hold_an_end_of_field)
{
    static const char *const rows[] = {
        "35=A|95=9|96=|49=FAKE||49=ME|",
        "35=A|354=9|355=|49=FAKE||49=ME|",
        "35=A|1401=9|1402=|49=FAKE||49=ME|",
        "35=A|212=9|213=|10=0000||49=ME|",
    };
    fix_read(&logon, message("FIX.4.4", rows[_i]), false);
    ck_assert_int_eq(logon.valid, VERDICT_YES);
    expect_field(FIX_SENDER_COMP_ID, "ME");
}
END_TEST

START_TEST(inside_a_data_field_need_is_its_end)
{
    struct span whole = message("FIX.4.4", "35=A|95=20|96=01234567890123456789|49=ME|");
    size_t data_at = strlen("8=FIX.4.4|9=41|35=A|95=20|96=");
    for (size_t n = data_at; n <= data_at + 20; n++) {
        (void)split_ask(read_message, NULL, span_first(whole, n));
        ck_assert_uint_eq(logon.need, data_at + 21);
    }
}
END_TEST

START_TEST(a_length_counts_only_for_the_field_behind_it)
{
    fix_read(&logon, message("FIX.4.4", "35=A|95=9|58=x|96=y|49=ME|"), false);
    ck_assert_int_eq(logon.valid, VERDICT_YES);
    expect_field(FIX_SENDER_COMP_ID, "ME");
}
END_TEST

START_TEST(a_huge_data_length_asks_for_that_much_and_reads_nothing)
{
    fix_read(&logon, raw("8=FIX.4.4|9=99|35=A|95=999999999|96=x"), false);
    ck_assert_int_eq(logon.message, VERDICT_YES);
    ck_assert_uint_gt(logon.need, 999999999u);
    fix_read(&logon, raw("8=FIX.4.4|9=99|35=A|95=999999999|96=x"), true);
    ck_assert(logon.complete);
    ck_assert_int_eq(logon.valid, VERDICT_NO);
}
END_TEST

/* --- the end --------------------------------------------------------------------------------- */

START_TEST(final_leaves_nothing_open)
{
    char copy[sizeof text];
    struct span whole = message("FIX.4.4", LOGON_BODY);
    memcpy(copy, text, whole.length);
    for (size_t n = 0; n <= whole.length; n++) {
        fix_read(&logon, span_of(copy, n), true);
        ck_assert(logon.complete);
        ck_assert_int_ne(logon.message, VERDICT_MORE);
        ck_assert_int_ne(logon.valid, VERDICT_MORE);
    }
}
END_TEST

START_TEST(names_of_tags_are_found)
{
    enum fix_tag tag;
    ck_assert(fix_tag_find(&tag, LITERAL("TargetCompID")));
    ck_assert_int_eq(tag, FIX_TARGET_COMP_ID);
    ck_assert(fix_tag_find(&tag, LITERAL("Username")));
    ck_assert(!fix_tag_find(&tag, LITERAL("Password")));
    ck_assert(!fix_tag_find(&tag, LITERAL("username")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fix");
    TCase *cases = tcase_create("logon");
    tcase_add_loop_test(cases, the_fields_of_a_logon_are_read, 0, 5);
    tcase_add_test(cases, a_logon_is_known_with_the_end_of_its_message_type);
    tcase_add_test(cases, validity_is_known_with_the_last_byte);
    tcase_add_test(cases, a_field_counts_once_its_end_is_there);
    tcase_add_test(cases, bytes_behind_the_message_do_not_matter);
    tcase_add_loop_test(cases, what_is_no_logon_is_no_on_its_byte, 0, 10);
    tcase_add_test(cases, a_missing_body_length_is_not_valid_but_a_logon);
    tcase_add_loop_test(cases, a_wrong_length_or_sum_is_not_valid, 0, 8);
    tcase_add_test(cases, a_wrong_length_under_a_right_sum_is_not_valid);
    tcase_add_test(cases, a_body_that_overruns_its_length_is_known_early);
    tcase_add_test(cases, every_changed_byte_makes_it_not_valid);
    tcase_add_test(cases, the_first_occurrence_counts);
    tcase_add_test(cases, any_tag_number_is_fine);
    tcase_add_loop_test(cases, a_malformed_field_ends_the_reading, 0, 7);
    tcase_add_loop_test(cases, a_data_field_may_hold_an_end_of_field, 0, 4);
    tcase_add_test(cases, inside_a_data_field_need_is_its_end);
    tcase_add_test(cases, a_length_counts_only_for_the_field_behind_it);
    tcase_add_test(cases, a_huge_data_length_asks_for_that_much_and_reads_nothing);
    tcase_add_test(cases, final_leaves_nothing_open);
    tcase_add_test(cases, names_of_tags_are_found);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
