#include "inspect/facts.h"
#include "suite.h"

#include "openssl_hello.h"
#include "split.h"

static unsigned char scratch[CLIENT_HELLO_MAX];
static struct facts facts;

static void read_open(struct span bytes)
{
    facts_read(&facts, bytes, false, true, scratch);
}

static void read_final(struct span bytes)
{
    facts_read(&facts, bytes, true, true, scratch);
}

static enum verdict ask_tls(void *context, struct span bytes)
{
    (void)context;
    read_open(bytes);
    return facts.tls;
}

START_TEST(one_byte_is_enough_for_plain)
{
    for (unsigned first = 0; first < 256; first++) {
        unsigned char byte = (unsigned char)first;
        read_open(span_of(&byte, 1));
        ck_assert_int_eq(facts.tls, first == 0x16 ? VERDICT_MORE : VERDICT_NO);
    }
}
END_TEST

START_TEST(six_bytes_are_tls_and_no_plain_protocol)
{
    unsigned char made[4096];
    size_t length = hello_make(&hello_configs[0], made, sizeof made);
    split_check(ask_tls, NULL, span_of(made, length), 6, VERDICT_YES, "tls");
    for (size_t n = 1; n <= length; n++) {
        read_open(span_of(made, n));
        for (size_t p = 0; p < PROTOCOL_COUNT; p++)
            ck_assert_int_eq(facts.protocol[p], VERDICT_NO);
        ck_assert_int_eq(facts.hello, n < 6 ? VERDICT_NO : n < length ? VERDICT_MORE : VERDICT_YES);
        if (n >= 6 && n < length)
            ck_assert_uint_eq(facts_need(&facts), n < 9 ? 9 : length);
    }
    ck_assert_str_eq(facts.client_hello.sni, "example.com");
}
END_TEST

START_TEST(decrypted_bytes_stay_plain_whatever_they_look_like)
{
    facts_read(&facts, LITERAL("\x16\3\1\2\0\1"), false, false, scratch);
    ck_assert_int_eq(facts.tls, VERDICT_NO);
    ck_assert_int_eq(facts.hello, VERDICT_NO);
}
END_TEST

START_TEST(fewer_fitting_bytes_at_the_end_are_plain)
{
    static const struct span hello = LITERAL("\x16\3\1\2\0\1");
    for (size_t n = 0; n < 6; n++) {
        read_final(span_first(hello, n));
        ck_assert_int_eq(facts.tls, VERDICT_NO);
        ck_assert_int_eq(facts.silent, n == 0);
    }
    read_final(hello);
    ck_assert_int_eq(facts.tls, VERDICT_YES);
    ck_assert_int_eq(facts.hello, VERDICT_MORE);
}
END_TEST

START_TEST(only_no_byte_at_the_end_is_silent)
{
    read_open(LITERAL(""));
    ck_assert(!facts.silent);
    ck_assert_int_eq(facts.tls, VERDICT_MORE);
    for (size_t p = 0; p < PROTOCOL_COUNT; p++)
        ck_assert_int_eq(facts.protocol[p], VERDICT_MORE);
    ck_assert_uint_eq(facts_need(&facts), 1);
    read_final(LITERAL(""));
    ck_assert(facts.silent);
}
END_TEST

START_TEST(a_fix_logon_tells_its_names)
{
    read_open(LITERAL("8=FIX.4.4\0019=63\00135=A\00149=ME\00156=YOU\001"));
    ck_assert_int_eq(facts.protocol[PROTOCOL_fix], VERDICT_YES);
    ck_assert_int_eq(facts.fix.message, VERDICT_YES);
    ck_assert(span_is(facts.fix.field[FIX_SENDER_COMP_ID], "ME"));
    ck_assert(span_is(facts.fix.field[FIX_TARGET_COMP_ID], "YOU"));
    ck_assert_uint_eq(facts_need(&facts), facts.bytes.length + 1);
}
END_TEST

START_TEST(what_is_not_fix_has_no_logon)
{
    read_open(LITERAL("GET /"));
    ck_assert_int_eq(facts.fix.message, VERDICT_NO);
    ck_assert(facts.fix.complete);
    ck_assert_int_eq(facts.protocol[PROTOCOL_http], VERDICT_YES);
}
END_TEST

START_TEST(a_long_data_field_is_waited_for_in_one_go)
{
    read_open(LITERAL("8=FIX.4.4\0019=630\00135=A\00195=500\00196=x"));
    ck_assert_uint_eq(facts_need(&facts), facts.bytes.length - 1 + 500 + 1);
}
END_TEST

START_TEST(need_is_always_more_than_is_there)
{
    static const struct span rows[] = {
        LITERAL(""),
        LITERAL("x"),
        LITERAL("\x16"),
        LITERAL("\x16\3\1"),
        LITERAL("8=FIX"),
        LITERAL("GET / HTTP/1.1\r\n"),
        LITERAL("\x16\3\1\0\4\1\0\0\0"),
        LITERAL("\0\0\0\x08\4\322\26\57"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t n = 0; n <= rows[i].length; n++) {
            read_open(span_first(rows[i], n));
            ck_assert_uint_gt(facts_need(&facts), n);
        }
    }
}
END_TEST

START_TEST(the_callers_facts_are_left_alone)
{
    struct address source;
    facts.source = &source;
    facts.terminated = true;
    facts.sni = "example.com";
    facts.alpn = LITERAL("h2");
    read_open(LITERAL("GET /"));
    ck_assert(facts.source == &source && facts.terminated && span_is(facts.alpn, "h2"));
    ck_assert_str_eq(facts.sni, "example.com");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("facts");
    TCase *cases = tcase_create("facts");
    tcase_add_test(cases, one_byte_is_enough_for_plain);
    tcase_add_test(cases, six_bytes_are_tls_and_no_plain_protocol);
    tcase_add_test(cases, decrypted_bytes_stay_plain_whatever_they_look_like);
    tcase_add_test(cases, fewer_fitting_bytes_at_the_end_are_plain);
    tcase_add_test(cases, only_no_byte_at_the_end_is_silent);
    tcase_add_test(cases, a_fix_logon_tells_its_names);
    tcase_add_test(cases, what_is_not_fix_has_no_logon);
    tcase_add_test(cases, a_long_data_field_is_waited_for_in_one_go);
    tcase_add_test(cases, need_is_always_more_than_is_there);
    tcase_add_test(cases, the_callers_facts_are_left_alone);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
