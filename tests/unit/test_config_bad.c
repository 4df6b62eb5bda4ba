/* Every file in tests/data/config/bad gives exactly the lines beside it, and no model. */
#include "config_kit.h"
#include "suite.h"

#include <stdlib.h>
#include <unistd.h>

static size_t file_count, line_count;

/* As `cd` there and `muxgate -c NAME.json -t` would have it. */
static struct text problems_of(const char *path, const char *name, bool *ret_done)
{
    char file[300];
    struct config config;
    struct text text = kit_read(path);
    snprintf(file, sizeof file, "%s.json", name);
    *ret_done = config_read_text(&config, file, "/etc/muxgate", text.data, text.length);
    ck_assert_int_eq(*ret_done, config.model != NULL);
    struct text lines = kit_problems(&config);
    config_free(&config);
    text_release(&text);
    return lines;
}

static struct text expected_beside(const char *path)
{
    char beside[4300];
    snprintf(beside, sizeof beside, "%.*s.expected", (int)(strlen(path) - strlen(".json")), path);
    if (access(beside, F_OK) == 0)
        return kit_read(beside);
    struct text none = {0};
    text_add(&none, "");
    return none;
}

static void check_bad(const char *path, const char *name)
{
    bool done;
    struct text lines = problems_of(path, name, &done);
    struct text expected = expected_beside(path);
    ck_assert_str_eq(lines.data, expected.data);
    ck_assert_msg(!done, "%s was read", name);
    file_count++;
    for (const char *c = lines.data; *c != '\0'; c++)
        line_count += *c == '\n';
    text_release(&lines);
    text_release(&expected);
}

static void check_good(const char *path, const char *name)
{
    bool done;
    struct text lines = problems_of(path, name, &done);
    struct text expected = expected_beside(path);
    ck_assert_str_eq(lines.data, expected.data);
    ck_assert_msg(done, "%s was refused", name);
    file_count++;
    text_release(&lines);
    text_release(&expected);
}

START_TEST(bad_files_give_exactly_their_lines)
{
    file_count = line_count = 0;
    kit_each_file("bad", check_bad);
    ck_assert_uint_ge(file_count, 200);
    ck_assert_uint_gt(line_count, file_count);
}
END_TEST

START_TEST(good_files_give_no_errors_and_only_their_warnings)
{
    file_count = 0;
    kit_each_file("good", check_good);
    ck_assert_uint_ge(file_count, 6);
}
END_TEST

static void expect_unreadable(const char *file, const char *line)
{
    struct config config;
    ck_assert(!config_read_file(&config, file));
    struct text lines = kit_problems(&config);
    ck_assert_str_eq(lines.data, line);
    ck_assert_ptr_null(config.model);
    text_release(&lines);
    config_free(&config);
}

START_TEST(what_cannot_be_read_is_one_line_without_a_place)
{
    expect_unreadable("/nowhere/gate.json",
                      "/nowhere/gate.json: cannot read: No such file or directory\n");
    expect_unreadable("/", "/: cannot read: Is a directory\n");
    expect_unreadable("", ": cannot read: No such file or directory\n");
}
END_TEST

START_TEST(a_file_beyond_64_mib_is_refused_unread)
{
    char name[] = "/tmp/muxgate-test-XXXXXX", line[100];
    int fd = mkstemp(name);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 64 * 1024 * 1024 + 1), 0);
    snprintf(line, sizeof line, "%s: cannot read: File too large\n", name);
    expect_unreadable(name, line);
    close(fd);
    unlink(name);
}
END_TEST

START_TEST(more_values_than_the_index_holds_are_refused)
{
    struct config config;
    struct text text = {0};
    text_add(&text, "[0");
    for (int i = 0; i < 2 * 1024 * 1024; i++)
        text_add(&text, ",0");
    text_add(&text, "]");
    ck_assert(!config_read_text(&config, "gate.json", "/", text.data, text.length));
    struct text lines = kit_problems(&config);
    ck_assert_str_eq(lines.data, "gate.json:1:4194304: more than 2097152 values\n");
    text_release(&lines);
    text_release(&text);
    config_free(&config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config: bad and good files");
    TCase *tests = tcase_create("files");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, bad_files_give_exactly_their_lines);
    tcase_add_test(tests, good_files_give_no_errors_and_only_their_warnings);
    tcase_add_test(tests, what_cannot_be_read_is_one_line_without_a_place);
    tcase_add_test(tests, a_file_beyond_64_mib_is_refused_unread);
    tcase_add_test(tests, more_values_than_the_index_holds_are_refused);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
