/* Patterns over bytes that are still arriving. */
#include "../../src/route/patterns.h"
#include "suite.h"

#define NO   VERDICT_NO
#define YES  VERDICT_YES
#define MORE VERDICT_MORE

static struct pattern *compiled(const char *text)
{
    struct pattern *pattern = NULL;
    struct error error = {0};
    ck_assert_msg(pattern_compile(&pattern, text, &error), "%s: %s", text, error.text);
    return pattern;
}

static const struct {
    const char *pattern, *bytes;
    enum verdict open, final;
} cases[] = {
    {"^abc", "", MORE, NO},          {"^abc", "ab", MORE, NO},      {"^abc", "abc", YES, YES},
    {"^abc", "abd", NO, NO},         {"^abc", "x", NO, NO},         {"^(abc|xyz)", "xy", MORE, NO},
    {"^a+", "aaa", YES, YES},        {"^a.*b", "a..b..", YES, YES}, {"^a.*b", "a....", MORE, NO},
    {"^a.*b", "a\nb", NO, NO},       {"^abc$", "abc", MORE, YES},   {"^abc$", "abcd", NO, NO},
    {"^abc\\z", "abc", MORE, YES},   {"^abc\\b", "abc", MORE, YES}, {"^abc\\b", "abc.", YES, YES},
    {"^abc(?!d)", "abc", MORE, YES}, {"^abc(?!d)", "abcd", NO, NO}, {"^abc(?!d)", "abce", YES, YES},
    {"^abc(?=d)", "abc", MORE, NO},  {"^", "", YES, YES},           {"abc", "", MORE, NO},
    {"abc", "x", MORE, NO},          {"abc", "xab", MORE, NO},      {"abc", "xabc", YES, YES},
    {"^\\$\\\\b", "$\\b", YES, YES}, {"^[$]a", "$", MORE, NO},
};

START_TEST(more_is_the_answer_exactly_while_it_is_open)
{
    struct pattern *pattern = compiled(cases[_i].pattern);
    struct span bytes = span_text(cases[_i].bytes);
    ck_assert_int_eq(pattern_ask(pattern, bytes, false), cases[_i].open);
    ck_assert_int_eq(pattern_ask(pattern, bytes, true), cases[_i].final);
    pattern_free(pattern);
}
END_TEST

static const char *const properties[] = {
    "^a*b",    "^(a|ab)(c|bcd)$", "^(?>a+)b?", "^a{2,3}c", "b(?=c)",    "^(?!ab)a.",
    "^a\\b.c", "(?<=a)b",         "^.*?c$",    "^[^a]",    "^(?:ab)*c", "^a++b",
};

/* Every word of up to six letters out of three, by its number. */
static struct span word_of(unsigned number, unsigned length, unsigned char room[8])
{
    for (unsigned i = 0; i < length; i++, number /= 3)
        room[i] = (unsigned char)("abc"[number % 3]);
    return span_of(room, length);
}

/* Once it is answered, no byte that follows and no end turns it round. */
START_TEST(an_answer_holds_whatever_follows)
{
    struct pattern *pattern = compiled(properties[_i]);
    for (unsigned number = 0; number < 729; number++) {
        unsigned char room[8];
        struct span whole = word_of(number, 6, room);
        enum verdict before = MORE;
        for (size_t length = 0; length <= whole.length; length++) {
            struct span bytes = span_first(whole, length);
            enum verdict now = pattern_ask(pattern, bytes, false);
            if (before != MORE)
                ck_assert_msg(now == before, "%s on %.*s", properties[_i], (int)length, room);
            if (now != MORE)
                ck_assert_int_eq(pattern_ask(pattern, bytes, true), now);
            before = now;
        }
    }
    pattern_free(pattern);
}
END_TEST

START_TEST(what_cannot_be_compiled_says_what_and_where)
{
    struct pattern *pattern = NULL;
    struct error error = {0};
    ck_assert(!pattern_compile(&pattern, "^a(b", &error));
    ck_assert_str_eq(error.text, "no regular expression: missing closing parenthesis (at byte 5)");
    ck_assert(!pattern_compile(&pattern, "(*UTF)a", &error));
    ck_assert_ptr_null(pattern);
}
END_TEST

START_TEST(only_what_begins_at_the_first_byte_is_anchored)
{
    static const struct {
        const char *pattern;
        bool anchored;
    } anchors[] = {{"^a", true}, {"^a|^b", true}, {"a", false}, {"^a|b", false}, {"\\Aa", true}};
    for (size_t i = 0; i < COUNT_OF(anchors); i++) {
        struct pattern *pattern = compiled(anchors[i].pattern);
        ck_assert_int_eq(pattern_is_anchored(pattern), anchors[i].anchored);
        pattern_free(pattern);
    }
}
END_TEST

START_TEST(a_search_without_end_is_cut_short)
{
    static unsigned char many[65536];
    struct pattern *pattern = compiled("^(a+)+b$");
    memset(many, 'a', sizeof many);
    many[sizeof many - 1] = 'c';
    ck_assert_int_eq(pattern_ask(pattern, span_of(many, sizeof many), false), NO);
    ck_assert_int_eq(pattern_ask(pattern, span_of(many, sizeof many), true), NO);
    pattern_free(pattern);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("patterns");
    TCase *c = tcase_create("patterns");
    tcase_add_loop_test(c, more_is_the_answer_exactly_while_it_is_open, 0, COUNT_OF(cases));
    tcase_add_loop_test(c, an_answer_holds_whatever_follows, 0, COUNT_OF(properties));
    tcase_add_test(c, what_cannot_be_compiled_says_what_and_where);
    tcase_add_test(c, only_what_begins_at_the_first_byte_is_anchored);
    tcase_add_test(c, a_search_without_end_is_cut_short);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
