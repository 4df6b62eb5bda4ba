/* The index from path to place: every value, every key, what is inherited, what is missing. */
#include "config_kit.h"
#include "suite.h"

#include "../../src/config/locate.h"

#include <stdlib.h>

static struct locations *index_of(const char *text)
{
    struct locations *l;
    struct place where;
    char fault[160] = "";
    bool done = locations_create(&l, text, strlen(text), &where, fault, sizeof fault);
    ck_assert_msg(done, "%s", fault);
    return l;
}

static size_t offset_of(const char *text, struct place place)
{
    const char *at = text;
    for (int line = 1; line < place.line; line++)
        at = strchr(at, '\n') + 1;
    return (size_t)(at - text) + (size_t)place.column - 1;
}

/* Every string in this text is the path that leads to it. */
static const char self_describing[] =
    "{ \"a\": \"a\",\n"
    "\t\"b\" :{\"c\": \"b.c\", \"d\":[ \"b.d[0]\",[\"b.d[1][0]\" ,\n"
    "   \"b.d[1][1]\"], {} , [], {\"\\u00e4\": \"b.d[4].\xc3\xa4\", \"e\":\"b.d[4].e\"}]\r\n"
    ",\"f.g\":\"b.f.g\"},\n\n\n"
    "\"h[0]\": \"h[0]\", \"\": {\"x\": \".x\"}, \"i\": "
    "[[[[\"i[0][0][0][0]\"]]]],\"10\":[0,1,2,3,4,5,6,7,8,9,"
    "\"10[10]\"]}";

START_TEST(every_value_is_found_at_its_first_byte)
{
    struct locations *l = index_of(self_describing);
    size_t found = 0;
    for (const char *at = self_describing; (at = strchr(at, '"')) != NULL; at++) {
        char path[64];
        size_t length = strcspn(at + 1, "\"");
        struct location location;
        snprintf(path, sizeof path, "%.*s", (int)length, at + 1);
        if (locations_find(l, path, &location) &&
            offset_of(self_describing, location.value) == (size_t)(at - self_describing))
            found++;
        at += length + 1;
    }
    ck_assert_uint_eq(found, 12);
    locations_free(l);
}
END_TEST

START_TEST(keys_are_found_at_their_opening_quote)
{
    static const char text[] = "{\"a\":  1,\n \"bc\" : {\"d\": [true]}}";
    struct locations *l = index_of(text);
    struct location location;
    ck_assert(locations_find(l, "bc", &location));
    ck_assert_int_eq(location.key.line, 2);
    ck_assert_int_eq(location.key.column, 2);
    ck_assert_int_eq(location.value.column, 9);
    ck_assert(locations_find(l, "bc.d[0]", &location));
    ck_assert_int_eq(location.value.column, 16);
    ck_assert_int_eq(location.key.column, 16);
    ck_assert(locations_find(l, "", &location));
    ck_assert_int_eq(location.value.column, 1);
    ck_assert(!locations_find(l, "bc.d[1]", &location));
    ck_assert(!locations_find(l, "bc.", &location));
    ck_assert(!locations_find(l, "bcd", &location));
    locations_free(l);
}
END_TEST

static void expect_place(const struct locations *l, const char *path, bool exists, int column,
                         const char *told)
{
    struct location location;
    char *found;
    ck_assert_int_eq(locations_resolve(l, path, &location, &found), exists);
    ck_assert_str_eq(found, told);
    ck_assert_int_eq(location.value.column, column);
    free(found);
}

/* Found by fuzz_config: there is no memory behind keys that are all empty. */
START_TEST(empty_keys_have_places_like_any_other)
{
    struct locations *l = index_of("{\"\": {\"\": 1}}");
    struct location location;
    ck_assert(locations_find(l, ".", &location));
    ck_assert_int_eq(location.value.column, 11);
    locations_free(l);
}
END_TEST

START_TEST(what_is_missing_is_placed_at_its_nearest_parent)
{
    struct locations *l = index_of("{\"a\": {\"b\": [7]}}");
    expect_place(l, "a.b[0]", true, 14, "a.b[0]");
    expect_place(l, "a.b[1].c", false, 13, "a.b[1].c");
    expect_place(l, "a.c[2].d.e", false, 7, "a.c[2].d.e");
    expect_place(l, "z", false, 1, "z");
    locations_free(l);
}
END_TEST

START_TEST(element_0_of_a_bare_value_is_that_value)
{
    struct locations *l = index_of("{\"a\": \"x\", \"b\": [\"y\"], \"c\": {}}");
    expect_place(l, "a[0]", true, 7, "a");
    expect_place(l, "a[1]", false, 7, "a[1]");
    expect_place(l, "b[0]", true, 18, "b[0]");
    expect_place(l, "c[0]", false, 29, "c[0]");
    locations_free(l);
}
END_TEST

START_TEST(what_is_inherited_is_placed_where_it_was_written)
{
    static const char text[] =
        "{\"d\": {\"t\": {\"x\": 1, \"y\": 2, \"l\": [3]}},"
        " \"a\": {\"t\": {\"y\": 4, \"l\": []}, \"r\": [{\"p\": {\"z\": 5}}]}}";
    struct locations *l = index_of(text);
    locations_inherit(l, "a", "d");
    locations_inherit(l, "a.t", "d.t");
    locations_inherit(l, "a.r[0].p", "a.t");
    expect_place(l, "a.t.y", true, 59, "a.t.y");
    expect_place(l, "a.t.x", true, 19, "d.t.x");
    expect_place(l, "a.t.l[0]", false, 67, "a.t.l[0]"); /* lists are replaced, not merged */
    expect_place(l, "a.r[0].p.z", true, 90, "a.r[0].p.z");
    expect_place(l, "a.r[0].p.y", true, 59, "a.t.y");
    expect_place(l, "a.r[0].p.x", true, 19, "d.t.x");
    expect_place(l, "a.r[0].p.w", false, 84, "a.r[0].p.w");
    locations_free(l);
}
END_TEST

static void note_repeated(void *context, const char *path, struct place key, struct place first)
{
    text_format(context, "%s %d %d;", path, key.column, first.column);
}

START_TEST(every_repeated_key_is_told_once)
{
    struct locations *l = index_of(
        "{\"a\":1,\"b\":{\"a\":1,\"\\u0061\":2},\"a\":3,\"a\":4,\"c\":[{\"x\":1},{\"x\":1}]}");
    struct text told = {0};
    locations_repeated(l, note_repeated, &told);
    ck_assert_str_eq(told.data, "b.a 19 13;a 31 2;a 37 31;");
    text_release(&told);
    locations_free(l);
}
END_TEST

START_TEST(ten_thousand_rules_are_all_found)
{
    struct text text = {0};
    text_add(&text, "{\"rules\": [");
    for (int i = 0; i < 10000; i++)
        text_format(&text, "%s\n{\"match\": {\"sni\": \"h%d.example.com\"}, \"pool\": \"p\"}",
                    i == 0 ? "" : ",", i);
    text_add(&text, "]}");
    struct locations *l = index_of(text.data);
    for (int i = 0; i < 10000; i++) {
        char path[64];
        struct location location;
        snprintf(path, sizeof path, "rules[%d].match.sni", i);
        ck_assert(locations_find(l, path, &location));
        ck_assert_int_eq(location.value.line, i + 2);
        ck_assert_int_eq(location.value.column, 19);
    }
    locations_free(l);
    text_release(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config: places");
    TCase *tests = tcase_create("locate");
    tcase_add_test(tests, every_value_is_found_at_its_first_byte);
    tcase_add_test(tests, keys_are_found_at_their_opening_quote);
    tcase_add_test(tests, empty_keys_have_places_like_any_other);
    tcase_add_test(tests, what_is_missing_is_placed_at_its_nearest_parent);
    tcase_add_test(tests, element_0_of_a_bare_value_is_that_value);
    tcase_add_test(tests, what_is_inherited_is_placed_where_it_was_written);
    tcase_add_test(tests, every_repeated_key_is_told_once);
    tcase_add_test(tests, ten_thousand_rules_are_all_found);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
