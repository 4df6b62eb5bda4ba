/* What a session holds, by phase (docs/PERFORMANCE.md): whoever makes it more must mean it. */
#include "session/session.h"
#include "suite.h"
#include "tls/connection.h"

/* On 64-bit machines; elsewhere it is less. */
START_TEST(a_session_is_one_small_allocation_until_it_needs_more)
{
    ck_assert_uint_le(sizeof(struct session), 424);
}
END_TEST

START_TEST(a_quiet_direction_holds_two_pointers_and_its_count)
{
    ck_assert_uint_le(sizeof(struct buffer), sizeof(void *));
    ck_assert_uint_le(sizeof(struct relay_lane), 32);
}
END_TEST

START_TEST(what_few_sessions_need_is_held_by_those_alone)
{
    ck_assert_uint_le(sizeof(struct notes), 120);
    ck_assert_uint_le(sizeof(struct tries), 16);
}
END_TEST

START_TEST(a_terminated_connection_adds_little_to_what_the_library_takes)
{
    ck_assert_uint_le(sizeof(struct tls_connection), 120);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tests = tcase_create("sizes");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, a_session_is_one_small_allocation_until_it_needs_more);
    tcase_add_test(tests, a_quiet_direction_holds_two_pointers_and_its_count);
    tcase_add_test(tests, what_few_sessions_need_is_held_by_those_alone);
    tcase_add_test(tests, a_terminated_connection_adds_little_to_what_the_library_takes);
    return suite_run(suite);
}
