/* Broken and random files: one clear line, never a crash, never a model that does not read back. */
#include "config_kit.h"
#include "suite.h"

#include <stdlib.h>

static struct text good;

static void setup(void)
{
    good = kit_read(kit_path("good/everything.json"));
}

static void teardown(void)
{
    text_release(&good);
}

/* "gate.json:LINE:COL: text": with digits where they belong. */
static bool is_placed_line(const char *line)
{
    int row, column, used = 0;
    return sscanf(line, "gate.json:%d:%d: %n", &row, &column, &used) == 2 && used > 0 && row > 0 &&
           column > 0 && line[used] != '\0';
}

START_TEST(a_file_cut_anywhere_has_exactly_one_syntax_error)
{
    size_t end = good.length;
    while (good.data[end - 1] != '}')
        end--;
    for (size_t length = 0; length < end; length++) {
        struct config config;
        char *cut = malloc(length + 1); /* no byte behind the end, for the sanitizer to see */
        memcpy(cut, good.data, length);
        char *exact = realloc(cut, length == 0 ? 1 : length);
        ck_assert(!config_read_text(&config, "gate.json", "/", exact, length));
        struct text lines = kit_problems(&config);
        ck_assert_msg(is_placed_line(lines.data), "%zu: %s", length, lines.data);
        ck_assert_ptr_eq(strchr(lines.data, '\n'), lines.data + lines.length - 1);
        ck_assert_uint_eq(problems_errors(config.problems), 1);
        text_release(&lines);
        config_free(&config);
        free(exact);
    }
}
END_TEST

static uint64_t seed;

static size_t random_below(size_t limit)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return limit == 0 ? 0 : (size_t)(seed >> 33) % limit;
}

/* Whatever a mutation made of it, the lines are lines; and what is read can be read again. */
static void read_mutant(const char *text, size_t length)
{
    struct config config, again;
    struct text dump = {0};
    bool done = config_read_text(&config, "gate.json", "/", text, length);
    struct text lines = kit_problems(&config);
    ck_assert_int_eq(done, problems_errors(config.problems) == 0);
    for (const char *line = lines.data; *line != '\0'; line = strchr(line, '\n') + 1)
        ck_assert_msg(is_placed_line(line), "%s", line);
    if (done) {
        ck_assert(config_dump(config.model, &dump));
        ck_assert(config_read_text(&again, "dump.json", "/", dump.data, dump.length));
        config_free(&again);
    } else if (config.draft != NULL) {
        ck_assert(config_dump(config.draft, &dump));
    }
    text_release(&dump);
    text_release(&lines);
    config_free(&config);
}

START_TEST(random_bytes_do_no_harm)
{
    static const char bytes[] = "{}[]\",:0123456789tfn\\u.-eE \n\x01\x80\xff/#*";
    seed = 1;
    for (int round = 0; round < 1500; round++) {
        char *text = malloc(good.length);
        memcpy(text, good.data, good.length);
        for (size_t changes = 1 + random_below(3); changes > 0; changes--)
            text[random_below(good.length)] = bytes[random_below(sizeof bytes)];
        read_mutant(text, good.length);
        free(text);
    }
}
END_TEST

/* The next token at or after `at`: a string, a word, a bracket. */
static struct span token_at(const struct text *text, size_t at)
{
    static const char ends[] = " \t\n,:{}[]\"";
    while (at < text->length && strchr(" \t\n,:", text->data[at]) != NULL)
        at++;
    const char *start = text->data + at;
    size_t length = *start == '"' ? strcspn(start + 1, "\"") + 2 : strcspn(start, ends);
    if (at + length > text->length)
        length = text->length - at;
    return span_of(start, length == 0 && at < text->length ? 1 : length);
}

/* Valid JSON more often than not, so that the checks behind the scanner get their share. */
START_TEST(exchanged_words_do_no_harm)
{
    static const char *const words[] = {
        "null", "true", "false",         "[]",    "{}",   "-1",           "1e300",
        "0",    "\"\"", "\"listeners\"", "\"x\"", "[[]]", "{\"tls\": {}}"};
    seed = 2;
    for (int round = 0; round < 3000; round++) {
        struct text text = {0};
        struct span out = token_at(&good, random_below(good.length));
        struct span in = token_at(&good, random_below(good.length));
        size_t before = (size_t)((const char *)out.data - good.data);
        if (random_below(2) == 0)
            in = span_text(words[random_below(COUNT_OF(words))]);
        text_add_span(&text, span_of(good.data, before));
        text_add_span(&text, in);
        text_add(&text, good.data + before + out.length);
        read_mutant(text.data, text.length);
        text_release(&text);
    }
}
END_TEST

START_TEST(a_model_comes_from_a_mutant_now_and_then)
{
    /* Guards the tests above: they would be worth little if nothing got past the scanner. */
    kit_expect(
        "{\"listeners\":{\"a\":{\"bind\":\"*:0\",\"rules\":[{\"reject\":true}]}},\"pools\":{}}",
        "");
    kit_expect(
        "{\"listeners\":{\"a\":{\"bind\":\"*:0\",\"rules\":[{\"reject\":{}}]}},\"pools\":[]}",
        "gate.json:1:52: listeners.a.rules[0].reject: expected true, got an object\n"
        "gate.json:1:67: pools: expected an object of names, got a list\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config: hostile files");
    TCase *tests = tcase_create("hostile");
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_file_cut_anywhere_has_exactly_one_syntax_error);
    tcase_add_test(tests, random_bytes_do_no_harm);
    tcase_add_test(tests, exchanged_words_do_no_harm);
    tcase_add_test(tests, a_model_comes_from_a_mutant_now_and_then);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
