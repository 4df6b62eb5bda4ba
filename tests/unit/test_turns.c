/* Steps of handshakes between messages, and when others are let run. */
#include "base/clock.h"
#include "session/turns.h"
#include "suite.h"

#define NOW UINT64_C(1000000000)

static struct turns turns;

static void set_up(void)
{
    turns = (struct turns){.lively_us = NOW - 1};
    turns_begin(&turns, NOW);
}

static void set_up_quiet(void)
{
    turns = (struct turns){.lively_us = NOW - TURNS_QUIET_US};
    turns_begin(&turns, NOW);
}

START_TEST(a_step_is_due_in_a_turn_that_passes_nothing_on)
{
    ck_assert(turns_step_is_due(&turns, NOW));
    ck_assert(turns_step_is_due(&turns, NOW + 1));
}
END_TEST

START_TEST(a_message_goes_before_a_step)
{
    turns_note_bytes(&turns, 120, true);
    ck_assert(!turns_step_is_due(&turns, NOW + 100));
    ck_assert(turns_step_is_due(&turns, NOW + 200)); /* the next turn had none */
}
END_TEST

START_TEST(messages_put_a_step_off_for_a_while_only)
{
    turns_note_bytes(&turns, 120, true);
    ck_assert(!turns_step_is_due(&turns, NOW + TURNS_PUT_OFF_US - 1));
    turns_note_bytes(&turns, 120, true);
    ck_assert(turns_step_is_due(&turns, NOW + TURNS_PUT_OFF_US));
    turns_note_bytes(&turns, 120, true);
    ck_assert(!turns_step_is_due(&turns, NOW + TURNS_PUT_OFF_US + 1));
}
END_TEST

START_TEST(bulk_puts_no_step_off)
{
    turns_note_bytes(&turns, TURNS_MESSAGE_BYTES, true);
    turns_note_bytes(&turns, 0, true);
    ck_assert(turns_step_is_due(&turns, NOW));
    turns_note_bytes(&turns, TURNS_MESSAGE_BYTES - 1, true);
    turns_note_bytes(&turns, TURNS_MESSAGE_BYTES, true);
    ck_assert(!turns_step_is_due(&turns, NOW));
}
END_TEST

START_TEST(what_was_passed_on_before_anyone_waited_counts_for_nothing)
{
    turns_note_bytes(&turns, 120, true);
    turns_begin(&turns, NOW + 5000);
    ck_assert(turns_step_is_due(&turns, NOW + 5000));
}
END_TEST

START_TEST(with_live_sessions_a_turn_does_one_step)
{
    ck_assert(turns_step_is_due(&turns, NOW));
    ck_assert(!turns_next_is_due(&turns, NOW));
}
END_TEST

START_TEST(without_them_it_does_what_fits_into_its_time)
{
    ck_assert(turns_step_is_due(&turns, NOW));
    ck_assert(turns_next_is_due(&turns, NOW + TURNS_STEPS_US - 1));
    ck_assert(!turns_next_is_due(&turns, NOW + TURNS_STEPS_US));
}
END_TEST

static void pass_on(uint64_t now)
{
    turns_note_bytes(&turns, 120, true);
    (void)turns_step_is_due(&turns, now);
}

START_TEST(nothing_is_offered_where_nobody_has_anything_to_say)
{
    ck_assert(!turns_may_offer(&turns, NOW));
    pass_on(NOW);
    ck_assert(turns_may_offer(&turns, NOW));
    ck_assert(turns_may_offer(&turns, NOW + TURNS_QUIET_US - 1));
    ck_assert(!turns_may_offer(&turns, NOW + TURNS_QUIET_US));
}
END_TEST

START_TEST(a_first_answer_makes_no_live_session)
{
    turns_note_bytes(&turns, 120, false);
    ck_assert(turns_step_is_due(&turns, NOW));
    ck_assert(turns_next_is_due(&turns, NOW));
    ck_assert(!turns_may_offer(&turns, NOW));
}
END_TEST

START_TEST(live_sessions_are_remembered_until_handshakes_come)
{
    turns_note_bytes(&turns, 120, true);
    turns_begin(&turns, NOW + 5000);
    ck_assert(turns_step_is_due(&turns, NOW + 5000));
    ck_assert(turns_may_offer(&turns, NOW + 5000));
}
END_TEST

START_TEST(who_comes_back_soon_goes_on_offering)
{
    pass_on(NOW);
    ck_assert(turns_may_offer(&turns, NOW));
    turns_note_offer(&turns, NOW, NOW + TURNS_LATE_US - 1);
    ck_assert(turns_may_offer(&turns, NOW + TURNS_LATE_US - 1));
}
END_TEST

START_TEST(who_comes_back_late_offers_nothing_for_as_long)
{
    pass_on(NOW);
    turns_note_offer(&turns, NOW, NOW + 4000);
    ck_assert(!turns_may_offer(&turns, NOW + 4000));
    ck_assert(!turns_may_offer(&turns, NOW + 7999));
    ck_assert(turns_may_offer(&turns, NOW + 8000));
}
END_TEST

START_TEST(an_offer_is_made_in_real_time)
{
    pass_on(clock_monotonic_us());
    turns_offer(&turns);
    turns.offers_from_us = UINT64_MAX;
    turns_offer(&turns);
    ck_assert_uint_eq(turns.offers_from_us, UINT64_MAX);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turns");
    TCase *c = tcase_create("turns");
    tcase_add_checked_fixture(c, set_up, NULL);
    tcase_add_test(c, a_step_is_due_in_a_turn_that_passes_nothing_on);
    tcase_add_test(c, a_message_goes_before_a_step);
    tcase_add_test(c, messages_put_a_step_off_for_a_while_only);
    tcase_add_test(c, bulk_puts_no_step_off);
    tcase_add_test(c, what_was_passed_on_before_anyone_waited_counts_for_nothing);
    tcase_add_test(c, who_comes_back_soon_goes_on_offering);
    tcase_add_test(c, who_comes_back_late_offers_nothing_for_as_long);
    tcase_add_test(c, an_offer_is_made_in_real_time);
    tcase_add_test(c, with_live_sessions_a_turn_does_one_step);
    suite_add_tcase(suite, c);
    TCase *q = tcase_create("quiet");
    tcase_add_checked_fixture(q, set_up_quiet, NULL);
    tcase_add_test(q, without_them_it_does_what_fits_into_its_time);
    tcase_add_test(q, nothing_is_offered_where_nobody_has_anything_to_say);
    tcase_add_test(q, a_first_answer_makes_no_live_session);
    tcase_add_test(q, live_sessions_are_remembered_until_handshakes_come);
    suite_add_tcase(suite, q);
    return suite_run(suite);
}
