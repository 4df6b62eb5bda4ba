/* The table of keys: each row holds together, and the reference page says what it says. */
#include "config_kit.h"
#include "suite.h"

#include "../../src/config/form.h"
#include "../../src/config/keys.h"
#include "base/units.h"
#include "config/suggest.h"

#include <inttypes.h>
#include <stdlib.h>

static bool is_choice(const struct key *k, const char *text)
{
    const char *cursor = k->values;
    struct key_value v;
    while (key_next_value(&cursor, &v))
        if (v.supported && strlen(text) == v.length && memcmp(text, v.text, v.length) == 0)
            return true;
    return false;
}

static bool is_in_range(const struct key *k)
{
    uint64_t value = 0;
    if (k->type == TYPE_DURATION && !duration_parse(&value, span_text(k->fallback)))
        return false;
    if (k->type == TYPE_SIZE && !size_parse(&value, span_text(k->fallback)))
        return false;
    if (k->type == TYPE_COUNT)
        value = strtoull(k->fallback, NULL, 10);
    return value >= k->min && value <= k->max;
}

START_TEST(every_default_is_a_value_that_the_key_takes)
{
    for (int i = 0; i < KEY_COUNT; i++) {
        const struct key *k = key_at((enum key_id)i);
        if (k->fallback == NULL)
            continue;
        if (k->type == TYPE_DURATION || k->type == TYPE_SIZE || k->type == TYPE_COUNT)
            ck_assert_msg(is_in_range(k), "%s", k->name);
        if (k->type == TYPE_CHOICE || k->type == TYPE_ACCESS)
            ck_assert_msg(is_choice(k, k->fallback), "%s", k->name);
    }
}
END_TEST

START_TEST(the_keys_of_an_object_stand_together_and_are_told_apart)
{
    size_t all = 0, count;
    for (int kind = OBJECT_top; kind < OBJECT_KINDS; kind++) {
        const struct key *keys = keys_of((enum object_kind)kind, &count);
        ck_assert_uint_gt(count, 0);
        for (size_t i = 0; i < count; i++)
            ck_assert_ptr_eq(key_find((enum object_kind)kind, keys[i].name), &keys[i]);
        all += count;
    }
    ck_assert_uint_eq(all, KEY_COUNT);
}
END_TEST

/* One line of the page's tables: | `key` | what | default | meaning | */
static void add_type(struct text *t, const struct key *k)
{
    char low[24], high[24];
    static const char *const names[] = {[TYPE_BOOLEAN] = "`true` or `false`",
                                        [TYPE_TRUE] = "`true`",
                                        [TYPE_FALSE] = "`false`",
                                        [TYPE_STAPLE] = "`false`, `\"auto\"` or a file",
                                        [TYPE_STRING] = "text",
                                        [TYPE_FILE] = "file",
                                        [TYPE_SOCKET] = "file",
                                        [TYPE_MODE] = "octal digits in a text",
                                        [TYPE_HOST] = "host name",
                                        [TYPE_BIND] = "address",
                                        [TYPE_ADDRESS] = "address",
                                        [TYPE_ORIGIN] = "IP address, with or without ports",
                                        [TYPE_RESOLVER] = "name server",
                                        [TYPE_TLV] = "PROXY v2 field",
                                        [TYPE_CIDR] = "network",
                                        [TYPE_SNI] = "host name",
                                        [TYPE_NAME] = "host name",
                                        [TYPE_ALPN] = "text",
                                        [TYPE_PROTOCOL] = "protocol",
                                        [TYPE_HEX] = "hexadecimal",
                                        [TYPE_TIME] = "time",
                                        [TYPE_HTTP_PATH] = "path",
                                        [TYPE_HTTP_HOST] = "host name",
                                        [TYPE_STATUS] = "HTTP statuses",
                                        [TYPE_JA4] = "JA4",
                                        [TYPE_OBJECT] = "object",
                                        [TYPE_SERVER] = "address or object",
                                        [TYPE_WORKERS] = "`\"auto\"` or number"};
    if (k->type == TYPE_LATER)
        text_add(t, k->values);
    else if (k->type == TYPE_DURATION || k->type == TYPE_SIZE) {
        (k->type == TYPE_SIZE ? size_format : duration_format)(k->min, low);
        (k->type == TYPE_SIZE ? size_format : duration_format)(k->max, high);
        text_format(t, "%s, %s to %s", k->type == TYPE_SIZE ? "size" : "duration", low,
                    strcmp(high, "1m") == 0 ? "60s" : high);
    } else if (k->type == TYPE_COUNT)
        text_format(t, "number, %" PRIu64 " to %" PRIu64, k->min, k->max);
    else if (k->type == TYPE_RATE)
        text_format(t, "rate, %" PRIu64 " to %" PRIu64, k->min, k->max);
    else if (k->type != TYPE_CHOICE && k->type != TYPE_ACCESS)
        text_add(t, names[k->type]);
}

static void add_values(struct text *t, const struct key *k)
{
    const char *cursor = k->type == TYPE_LATER ? NULL : k->values;
    struct key_value v;
    for (bool first = true; key_next_value(&cursor, &v); first = false)
        text_format(t, "%s`\"%.*s\"`%s", first ? "" : ", ", (int)v.length, v.text,
                    v.supported ? "" : " (later)");
    if (k->type == TYPE_ACCESS)
        text_add(t, " or a file");
    if ((k->flags & FLAG_OR_FALSE) != 0)
        text_add(t, " or `false`");
    if ((k->flags & FLAG_MAP) != 0)
        text_add(t, "s by name");
    if ((k->flags & FLAG_LIST) != 0)
        text_add(t, ", in a list");
    if ((k->flags & FLAG_ONE_OR_LIST) != 0)
        text_add(t, ", or a list");
}

static void add_row(struct text *t, const struct key *k)
{
    text_format(t, "\n| `%s` | ", k->name);
    add_type(t, k);
    add_values(t, k);
    if ((k->flags & FLAG_REQUIRED) != 0)
        text_add(t, " | required");
    else if (k->fallback != NULL)
        text_format(t, " | `%s`", k->fallback);
    else
        text_add(t, " | ");
    text_format(t, " | %s%s |\n", k->type == TYPE_LATER ? "*not yet:* " : "", k->help);
}

START_TEST(the_reference_page_has_a_row_for_every_key)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/docs/reference/configuration.md",
             getenv("srcdir") == NULL ? "." : getenv("srcdir"));
    struct text page = kit_read(path);
    const char *at = page.data;
    for (int i = 0; i < KEY_COUNT; i++) {
        struct text row = {0};
        add_row(&row, key_at((enum key_id)i));
        const char *found = strstr(at, row.data);
        ck_assert_msg(found != NULL, "not in %s, or not in its order:%s", path, row.data);
        at = found + row.length - 1;
        text_release(&row);
    }
    text_release(&page);
}
END_TEST

START_TEST(no_key_takes_just_any_value)
{
    for (int i = 0; i < KEY_COUNT; i++) {
        const struct key *k = key_at((enum key_id)i);
        struct form form = {.folder = "/"};
        if (k->type == TYPE_OBJECT || k->type == TYPE_LATER)
            continue;
        ck_assert(problems_create(&form.problems, "gate.json"));
        (void)form_enter_key(&form, k->name);
        form_check_scalar(&form, k, json_null());
        ck_assert_msg(problems_errors(form.problems) == 1, "%s takes null", k->name);
        text_release(&form.path);
        problems_free(form.problems);
    }
}
END_TEST

static const char *nearest(const char *word, const char *candidate)
{
    static struct suggestion s;
    s = (struct suggestion){.word = word};
    suggest_offer(&s, candidate, strlen(candidate));
    return s.best;
}

START_TEST(only_near_words_are_suggested)
{
    ck_assert_str_eq(nearest("fxi", "fix"), "fix");
    ck_assert_str_eq(nearest("bnd", "bind"), "bind");
    ck_assert_str_eq(nearest("BIND", "bind"), "bind");
    ck_assert_str_eq(nearest("inspect-dealy", "inspect_delay"), "inspect_delay");
    ck_assert_str_eq(nearest("v3", "v1"), "");
    ck_assert_str_eq(nearest("a", "b"), "");
    ck_assert_str_eq(nearest("listener", "timeouts"), "");
    ck_assert_str_eq(nearest("", "x"), "");
}
END_TEST

START_TEST(of_several_near_words_the_nearest_is_suggested)
{
    struct suggestion s = {.word = "timeout"};
    suggest_offer(&s, "timeXXt", 7);
    suggest_offer(&s, "timeouts", 8);
    suggest_offer(&s, "timeots", 7);
    ck_assert_str_eq(s.best, "timeouts");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config: keys");
    TCase *tests = tcase_create("keys");
    tcase_add_test(tests, every_default_is_a_value_that_the_key_takes);
    tcase_add_test(tests, the_keys_of_an_object_stand_together_and_are_told_apart);
    tcase_add_test(tests, the_reference_page_has_a_row_for_every_key);
    tcase_add_test(tests, no_key_takes_just_any_value);
    tcase_add_test(tests, only_near_words_are_suggested);
    tcase_add_test(tests, of_several_near_words_the_nearest_is_suggested);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
