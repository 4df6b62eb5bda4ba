/* What a check makes of an answer: pure, at every split. */
#include "../../src/pool/health_talk.h"
#include "suite.h"

#include "base/compiler.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *bytes;
    enum verdict verdict;
    unsigned status;
} lines[] = {
    {"HTTP/1.1 200 OK\r\n", VERDICT_YES, 200},
    {"HTTP/1.0 404\r\n", VERDICT_YES, 404},
    {"HTTP/1.1 599\n", VERDICT_YES, 599},
    {"HTTP/1.1 204 ", VERDICT_YES, 204},
    {"HTTP/1.1 204", VERDICT_MORE, 0},
    {"", VERDICT_MORE, 0},
    {"HTTP/1.1 2000 x", VERDICT_NO, 0},
    {"HTTP/1.1  200 x", VERDICT_NO, 0},
    {"HTTP/1.1 20x ", VERDICT_NO, 0},
    {"HTTP/11 200 ", VERDICT_NO, 0},
    {"http/1.1 200 ", VERDICT_NO, 0},
    {"HTTP/1.1\t200 ", VERDICT_NO, 0},
    {"X", VERDICT_NO, 0},
};

START_TEST(a_status_line_is_read_at_every_split)
{
    uint16_t status = 0;
    struct span whole = span_text(lines[_i].bytes);
    ck_assert_int_eq(talk_parse_status(&status, whole), lines[_i].verdict);
    ck_assert_uint_eq(status, lines[_i].status);
    for (size_t i = 0; i < whole.length; i++) {
        enum verdict verdict = talk_parse_status(&status, span_first(whole, i));
        ck_assert(verdict == VERDICT_MORE || verdict == lines[_i].verdict);
    }
}
END_TEST

/* An answer that lies at the very end of its memory: a sanitizer sees what is read behind it. */
START_TEST(nothing_behind_the_answer_is_read)
{
    static const char answer[] = "HTTP/1.1 200";
    uint16_t status;
    for (size_t length = 0; length < sizeof answer; length++) {
        char *exact = malloc(length + 1);
        memcpy(exact, answer, length);
        exact = realloc(exact, length > 0 ? length : 1);
        ck_assert_int_eq(talk_parse_status(&status, span_of(exact, length)), VERDICT_MORE);
        free(exact);
    }
}
END_TEST

static struct talk script_of(struct model_health *settings, char *expect)
{
    struct talk talk;
    *settings = (struct model_health){.type = HEALTH_SCRIPT, .expect = expect};
    ck_assert(talk_init(&talk, settings, "h"));
    return talk;
}

START_TEST(a_script_waits_until_all_that_is_expected_is_there)
{
    static const char answer[] = "ababac!";
    char expect[] = "abac", reason[TALK_REASON_MAX];
    struct model_health settings;
    struct talk talk = script_of(&settings, expect);
    for (size_t i = 0; i < sizeof answer; i++) {
        enum verdict verdict = talk_judge(&talk, span_of(answer, i), false, reason);
        ck_assert_int_eq(verdict, i < 6 ? VERDICT_MORE : VERDICT_YES);
        verdict = talk_judge(&talk, span_of(answer, i), true, reason);
        ck_assert_int_eq(verdict, i < 6 ? VERDICT_NO : VERDICT_YES);
    }
    talk_release(&talk);
}
END_TEST

START_TEST(statuses_are_numbers_and_ranges)
{
    char path[] = "/", reason[TALK_REASON_MAX];
    struct model_health settings = {.type = HEALTH_HTTP, .http_path = path};
    static const unsigned wanted[][2] = {{200, 299}, {404, 404}};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        settings.statuses.range[i].low = (uint16_t)wanted[i][0];
        settings.statuses.range[i].high = (uint16_t)wanted[i][1];
    }
    settings.statuses.count = 2;
    struct talk talk;
    ck_assert(talk_init(&talk, &settings, "h"));
    for (unsigned status = 100; status < 1000; status++) {
        char answer[32];
        snprintf(answer, sizeof answer, "HTTP/1.1 %u \r\n", status);
        bool good = (status >= 200 && status <= 299) || status == 404;
        ck_assert_int_eq(talk_judge(&talk, span_text(answer), false, reason),
                         good ? VERDICT_YES : VERDICT_NO);
    }
    talk_release(&talk);
}
END_TEST

START_TEST(a_request_names_the_host_it_was_told)
{
    char path[] = "/x", host[] = "app.example.com";
    struct model_health settings = {.type = HEALTH_HTTP, .http_path = path, .http_host = host};
    struct talk talk;
    ck_assert(talk_init(&talk, &settings, "10.0.0.5:80"));
    struct span say = buffer_span(&talk.say);
    ck_assert(span_begins(say, span_text("GET /x HTTP/1.1\r\nHost: app.example.com\r\n")));
    ck_assert_mem_eq(say.data + say.length - 4, "\r\n\r\n", 4);
    talk_release(&talk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("health: talk");
    TCase *tests = tcase_create("talk");
    tcase_add_loop_test(tests, a_status_line_is_read_at_every_split, 0, COUNT_OF(lines));
    tcase_add_test(tests, nothing_behind_the_answer_is_read);
    tcase_add_test(tests, a_script_waits_until_all_that_is_expected_is_there);
    tcase_add_test(tests, statuses_are_numbers_and_ranges);
    tcase_add_test(tests, a_request_names_the_host_it_was_told);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
