/* One access line: its forms, and that no value breaks out of its place. */
#include "session/log_line.h"
#include "suite.h"

static struct log_values values;
static struct text line;

static void give_back(void)
{
    text_release(&values.bytes);
    text_release(&line);
}

/* A session of a client that means harm. */
static void fill(void)
{
    log_values_clear(&values);
    text_clear(&line);
    log_values_set(&values, LOG_FIELD_client, span_text("192.0.2.7:40112"));
    log_values_set(&values, LOG_FIELD_sni, span_text("a b\"\n\\.example.com"));
    log_values_format(&values, LOG_FIELD_duration_ms, "%u.%03u", 5400u, 7u);
    log_values_set(&values, LOG_FIELD_end, span_text("client_closed"));
}

static void expect_template(const char *template, const char *expected)
{
    struct log_template *t = NULL;
    struct error error;
    ck_assert_msg(log_template_compile(&t, template, &error), "%s: %s", template, error.text);
    fill();
    log_write_template(&line, &values, t);
    ck_assert_str_eq(line.data == NULL ? "" : line.data, expected);
    log_template_free(t);
}

static void expect_refused(const char *template, const char *reason)
{
    struct log_template *t;
    struct error error;
    ck_assert_msg(!log_template_compile(&t, template, &error), "%s", template);
    ck_assert_str_eq(error.text, reason);
}

START_TEST(each_form_has_what_is_known_in_the_order_of_the_table)
{
    fill();
    log_write_json(&line, &values);
    ck_assert_str_eq(line.data,
                     "{\"client\":\"192.0.2.7:40112\",\"sni\":\"a b\\\"\\n\\\\.example.com\","
                     "\"duration_ms\":5400.007,\"end\":\"client_closed\"}");
    fill();
    log_write_text(&line, &values);
    ck_assert_str_eq(line.data, "client=192.0.2.7:40112 sni=\"a b\\\"\\x0a\\\\.example.com\" "
                                "duration_ms=5400.007 end=client_closed");
}
END_TEST

START_TEST(a_field_of_the_journal_with_odd_bytes_stands_behind_its_length)
{
    fill();
    log_write_fields(&line, &values);
    static const char expected[] = "MUXGATE_CLIENT=192.0.2.7:40112\n"
                                   "MUXGATE_SNI\n\x12\0\0\0\0\0\0\0a b\"\n\\.example.com\n"
                                   "MUXGATE_DURATION_MS=5400.007\nMUXGATE_END=client_closed\n";
    ck_assert_uint_eq(line.length, sizeof expected - 1);
    ck_assert_mem_eq(line.data, expected, sizeof expected - 1);
}
END_TEST

START_TEST(values_of_one_line_do_not_show_in_the_next)
{
    fill();
    log_values_clear(&values);
    log_write_json(&line, &values);
    ck_assert_str_eq(line.data, "{}");
}
END_TEST

START_TEST(a_template_puts_values_between_its_words)
{
    expect_template("", "");
    expect_template("no value", "no value");
    expect_template("$client", "192.0.2.7:40112");
    expect_template("$client$end", "192.0.2.7:40112client_closed");
    expect_template("[${client}] ${duration_ms}ms, $end.",
                    "[192.0.2.7:40112] 5400.007ms, client_closed.");
    expect_template("${end}ing", "client_closeding");
    expect_template("$$5 $$$end$$", "$5 $client_closed$");
    expect_template("caf\xc3\xa9 $end", "caf\xc3\xa9 client_closed");
}
END_TEST

START_TEST(what_is_not_known_is_a_dash)
{
    expect_template("$client $server $end", "192.0.2.7:40112 - client_closed");
    expect_template("\"$server\"", "\"-\"");
}
END_TEST

START_TEST(no_value_leaves_its_column_or_its_quotes)
{
    expect_template("$sni $end", "a\\x20b\\\"\\x0a\\\\.example.com client_closed");
    expect_template("\"$sni\" $sni",
                    "\"a b\\\"\\x0a\\\\.example.com\" a\\x20b\\\"\\x0a\\\\.example.com");
    expect_template("\"for $sni\"", "\"for a b\\\"\\x0a\\\\.example.com\"");
}
END_TEST

START_TEST(a_template_with_a_slip_is_refused)
{
    expect_refused("$clint", "no field named \"clint\" (did you mean \"client\"?)");
    expect_refused("$end $zzzzzzzzzzzz", "no field named \"zzzzzzzzzzzz\"");
    expect_refused("$client_closed", "no field named \"client_closed\"");
    expect_refused("100$", "a $ without a field's name (write $$ for a dollar)");
    expect_refused("$ end", "a $ without a field's name (write $$ for a dollar)");
    expect_refused("${}", "a $ without a field's name (write $$ for a dollar)");
    expect_refused("${end", "a ${ without its }");
    expect_refused("${end x}", "a ${ without its }");
    expect_refused("one\ntwo", "a control byte (a line is one line)");
    expect_refused("a\tb", "a control byte (a line is one line)");
}
END_TEST

START_TEST(a_long_name_is_no_field)
{
    struct text template = {0};
    struct log_template *t;
    struct error error;
    text_add_char(&template, '$');
    for (int i = 0; i < 5000; i++)
        text_add_char(&template, 'x');
    ck_assert(!log_template_compile(&t, template.data, &error));
    text_release(&template);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session: log line");
    TCase *tests = tcase_create("log line");
    tcase_add_checked_fixture(tests, NULL, give_back);
    tcase_add_test(tests, each_form_has_what_is_known_in_the_order_of_the_table);
    tcase_add_test(tests, a_field_of_the_journal_with_odd_bytes_stands_behind_its_length);
    tcase_add_test(tests, values_of_one_line_do_not_show_in_the_next);
    tcase_add_test(tests, a_template_puts_values_between_its_words);
    tcase_add_test(tests, what_is_not_known_is_a_dash);
    tcase_add_test(tests, no_value_leaves_its_column_or_its_quotes);
    tcase_add_test(tests, a_template_with_a_slip_is_refused);
    tcase_add_test(tests, a_long_name_is_no_field);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
