/* What no rule took: alike ones are one, and there is a bound. */
#include "session/unknowns.h"
#include "suite.h"

#include <stdio.h>
#include <string.h>

static struct unknowns *unknowns;

static void setup(void)
{
    ck_assert(unknowns_create(&unknowns));
}

static void teardown(void)
{
    unknowns_free(unknowns);
}

static void note(const char *sni, uint64_t at)
{
    struct unknown seen = {.listener = "l", .protocol = "tls", .last_ms = at};
    (void)snprintf(seen.sni, sizeof seen.sni, "%s", sni);
    unknowns_note(unknowns, &seen);
}

START_TEST(alike_ones_are_counted_with_their_first_and_last_time)
{
    struct unknown all[UNKNOWNS_MAX];
    note("b", 1);
    note("a", 2);
    note("a", 5);
    ck_assert_uint_eq(unknowns_copy(unknowns, all), 2);
    ck_assert_str_eq(all[0].sni, "a");
    ck_assert_uint_eq(all[0].count, 2);
    ck_assert_uint_eq(all[0].first_ms, 2);
    ck_assert_uint_eq(all[0].last_ms, 5);
    ck_assert_uint_eq(all[1].count, 1);
}
END_TEST

START_TEST(a_flood_of_single_ones_displaces_none_that_come_again)
{
    struct unknown all[UNKNOWNS_MAX];
    char name[32];
    for (unsigned i = 0; i < UNKNOWNS_MAX / 2; i++)
        for (unsigned again = 0; again < 2; again++) {
            (void)snprintf(name, sizeof name, "often%u", i);
            note(name, 1);
        }
    for (unsigned i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof name, "once%u", i);
        note(name, 10 + i);
    }
    ck_assert_uint_eq(unknowns_copy(unknowns, all), UNKNOWNS_MAX);
    for (unsigned i = 0; i < UNKNOWNS_MAX; i++)
        ck_assert_uint_eq(all[i].count, i < UNKNOWNS_MAX / 2 ? 2 : 1);
    ck_assert_str_eq(all[UNKNOWNS_MAX / 2].sni, "once4999");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unknowns");
    TCase *all = tcase_create("unknowns");
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, alike_ones_are_counted_with_their_first_and_last_time);
    tcase_add_test(all, a_flood_of_single_ones_displaces_none_that_come_again);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
