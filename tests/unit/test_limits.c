/* The books: limits are exact, sources are told apart, rates hold, and what was taken is given
 * back.
 */
#include "app/audit.h"
#include "session/limits.h"
#include "suite.h"

#include <pthread.h>
#include <string.h>

static struct ip_address source_of(const char *text)
{
    struct address a;
    ck_assert_msg(address_parse_ip(&a, span_text(text)), "%s", text);
    return address_to_ip(&a);
}

static struct ip_address nobody(void)
{
    struct ip_address none;
    memset(&none, 0, sizeof none);
    return none;
}

/* --- counters --------------------------------------------------------------------------------- */

#define TAKERS 4
#define ROUNDS 20000

struct crowd {
    _Atomic uint64_t counter, inside, most_seen, taken;
};

static void *take_and_give(void *context)
{
    struct crowd *crowd = context;
    for (int i = 0; i < ROUNDS; i++) {
        if (!limit_take(&crowd->counter, 3))
            continue;
        uint64_t now = atomic_fetch_add(&crowd->inside, 1) + 1,
                 seen = atomic_load(&crowd->most_seen);
        while (now > seen && !atomic_compare_exchange_weak(&crowd->most_seen, &seen, now))
            ;
        atomic_fetch_add(&crowd->taken, 1);
        atomic_fetch_sub(&crowd->inside, 1);
        limit_give(&crowd->counter);
    }
    return NULL;
}

START_TEST(a_limit_is_never_exceeded_by_threads_that_take_at_once)
{
    pthread_t takers[TAKERS];
    struct crowd crowd = {0};
    for (int i = 0; i < TAKERS; i++)
        ck_assert_int_eq(pthread_create(&takers[i], NULL, take_and_give, &crowd), 0);
    for (int i = 0; i < TAKERS; i++)
        ck_assert_int_eq(pthread_join(takers[i], NULL), 0);
    ck_assert_uint_le(atomic_load(&crowd.most_seen), 3);
    ck_assert_uint_gt(atomic_load(&crowd.taken), 0);
    ck_assert_uint_eq(atomic_load(&crowd.counter), 0);
}
END_TEST

START_TEST(no_limit_lets_everyone_in)
{
    _Atomic uint64_t counter = UINT64_C(1) << 40;
    ck_assert(limit_take(&counter, 0));
    ck_assert(!limit_take(&counter, 1));
}
END_TEST

/* --- sources ---------------------------------------------------------------------------------- */

static const struct {
    const char *first, *second;
    bool same;
} pairs[] = {
    {"10.0.0.1", "10.0.0.1", true},
    {"10.0.0.1", "10.0.0.2", false},
    {"2001:db8:1:1::1", "2001:db8:1:1:ffff:ffff:ffff:ffff", true},
    {"2001:db8:1:1::1", "2001:db8:1:2::1", false},
    {"10.0.0.1", "a00:1::1", false},
    {"0.0.0.0", "::", false},
};

START_TEST(a_source_is_an_ipv4_address_or_a_64)
{
    struct sources *sources;
    struct ip_address first = source_of(pairs[_i].first), second = source_of(pairs[_i].second);
    ck_assert(sources_create(&sources));
    ck_assert(sources_take(sources, &first, 1));
    ck_assert_msg(sources_take(sources, &second, 1) != pairs[_i].same, "%s and %s", pairs[_i].first,
                  pairs[_i].second);
    sources_free(sources);
}
END_TEST

static struct ip_address numbered(uint32_t number)
{
    struct ip_address a = source_of("10.0.0.0");
    a.v4.s_addr = htonl(0x0a000000u + number);
    return a;
}

START_TEST(many_sources_are_counted_apart_and_leave_nothing)
{
    enum { MANY = 50000 };
    struct sources *sources;
    ck_assert(sources_create(&sources));
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < MANY; i++) {
            struct ip_address a = numbered(i);
            ck_assert(sources_take(sources, &a, 2));
        }
    ck_assert_uint_eq(sources_count(sources), MANY);
    for (uint32_t i = 0; i < MANY; i++) {
        struct ip_address a = numbered(i);
        ck_assert(!sources_take(sources, &a, 2));
        sources_give(sources, &a);
        ck_assert(sources_take(sources, &a, 2));
        sources_give(sources, &a);
        sources_give(sources, &a);
    }
    ck_assert_uint_eq(sources_count(sources), 0);
    sources_free(sources);
}
END_TEST

START_TEST(a_source_that_is_refused_has_no_entry)
{
    struct sources *sources;
    struct ip_address a = source_of("10.0.0.1");
    ck_assert(sources_create(&sources));
    ck_assert(!sources_take(sources, &a, 0));
    ck_assert_uint_eq(sources_count(sources), 0);
    sources_free(sources);
}
END_TEST

/* --- rates ------------------------------------------------------------------------------------ */

#define SECOND_US UINT64_C(1000000)

static unsigned burst(struct rates *rates, const struct ip_address *source, const struct rate *rate,
                      uint64_t now_us)
{
    unsigned count = 0;
    while (count < 100000 && rates_admit(rates, source, rate, now_us))
        count++;
    return count;
}

static const struct rate rate_rows[] = {
    {1, 1000}, {3, 1000}, {7, 60000}, {20, 1000}, {20, 3600000}, {999, 60000}, {30000, 1000},
};

START_TEST(a_burst_is_the_number_and_then_it_is_the_rate)
{
    const struct rate *rate = &rate_rows[_i];
    struct rates *rates;
    struct ip_address a = source_of("192.0.2.1");
    uint64_t now = 12345 * SECOND_US, interval = rate->period_ms * 1000 / rate->count + 1;
    ck_assert(rates_create(&rates));
    ck_assert_uint_eq(burst(rates, &a, rate, now), rate->count);
    ck_assert(!rates_admit(rates, &a, rate, now + interval / 2));
    ck_assert_uint_eq(burst(rates, &a, rate, now + interval), 1);
    ck_assert_uint_eq(burst(rates, &a, rate, now + rate->period_ms * 1000 * 3), rate->count);
    rates_free(rates);
}
END_TEST

START_TEST(over_a_long_time_it_is_the_rate_and_trying_costs_nothing)
{
    const struct rate rate = {20, 1000};
    struct rates *rates;
    struct ip_address a = source_of("192.0.2.1");
    unsigned admitted = 0;
    ck_assert(rates_create(&rates));
    for (uint64_t ms = 0; ms < 60000; ms++)
        admitted += rates_admit(rates, &a, &rate, SECOND_US + ms * 1000);
    ck_assert_uint_ge(admitted, 20 * 60);
    ck_assert_uint_le(admitted, 20 * 61);
    rates_free(rates);
}
END_TEST

START_TEST(a_faster_rate_after_a_reload_holds_at_once)
{
    const struct rate slow = {1, 3600000}, fast = {10, 1000};
    struct rates *rates;
    struct ip_address a = source_of("192.0.2.1");
    uint64_t now = 50 * SECOND_US;
    ck_assert(rates_create(&rates));
    ck_assert(rates_admit(rates, &a, &slow, now));
    ck_assert(!rates_admit(rates, &a, &slow, now + SECOND_US));
    ck_assert(!rates_admit(rates, &a, &fast, now + SECOND_US));
    ck_assert_uint_ge(burst(rates, &a, &fast, now + 3 * SECOND_US), 10);
    rates_free(rates);
}
END_TEST

/* Far more sources than entries: the table stays as it is, and who was over the rate still is. */
START_TEST(a_crowd_does_not_wash_away_a_source_over_its_rate)
{
    const struct rate rate = {50, 3600000};
    struct rates *rates;
    struct ip_address greedy = source_of("2001:db8::1");
    uint64_t now = 50 * SECOND_US;
    ck_assert(rates_create(&rates));
    ck_assert_uint_eq(burst(rates, &greedy, &rate, now), 50);
    for (uint32_t i = 0; i < 4 * RATES_ENTRIES; i++) {
        struct ip_address a = numbered(i);
        ck_assert(rates_admit(rates, &a, &rate, now + i));
    }
    ck_assert(!rates_admit(rates, &greedy, &rate, now + 4 * RATES_ENTRIES));
    rates_free(rates);
}
END_TEST

/* --- books ------------------------------------------------------------------------------------ */

START_TEST(what_is_not_given_back_is_told)
{
    struct books *books;
    struct text text = {0};
    struct ip_address a = nobody();
    ck_assert(books_create(&books, "combined", 2));
    ck_assert(!books_imbalance(books, &text));
    ck_assert_uint_eq(text.length, 0);
    ck_assert(limit_take(&books->sessions, 0) && limit_take(&books->handshakes, 0));
    ck_assert(sources_take(books->sessions_by_source, &a, 1));
    atomic_store(&books->undecided, UINT64_MAX); /* given back twice */
    desk_set_first(&books->waiting_desks->desk[1], 5);
    ck_assert(books_imbalance(books, &text));
    ck_assert_str_eq(text.data, " sessions=1 undecided=18446744073709551615 handshakes=1 sources=1"
                                " waiting_queued=1");
    text_release(&text);
    books_unref(books);
}
END_TEST

START_TEST(a_process_that_keeps_a_session_is_told)
{
    struct gauge gauge = {0};
    struct text text = {0};
    ck_assert(!audit_imbalance(&text, &gauge, NULL));
    ck_assert(limit_take(&gauge.sessions, 0));
    ck_assert(audit_imbalance(&text, &gauge, NULL));
    ck_assert_str_eq(text.data, " process=1");
    text_release(&text);
}
END_TEST

START_TEST(the_oldest_of_all_desks_is_found)
{
    struct desks *desks = desks_create(3);
    ck_assert_ptr_null(desks_oldest(desks));
    desk_set_first(&desks->desk[0], 30);
    desk_set_first(&desks->desk[2], 20);
    ck_assert_uint_eq(desk_index(desks, desks_oldest(desks)), 2);
    desk_set_first(&desks->desk[2], DESK_EMPTY);
    ck_assert_uint_eq(desk_index(desks, desks_oldest(desks)), 0);
    desks_free(desks);
}
END_TEST

START_TEST(every_limit_says_which_it_is)
{
    ck_assert_int_eq(limit_end(LIMIT_denied), END_denied);
    for (int i = 0; i < LIMIT_COUNT; i++) {
        if (i == LIMIT_denied)
            continue;
        ck_assert_int_eq(limit_end((enum limit)i), END_limit);
        ck_assert_uint_gt(strlen(limit_detail((enum limit)i)), 0);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *counters = tcase_create("counters"), *sources = tcase_create("sources"),
          *rates = tcase_create("rates"), *books = tcase_create("books");
    suite_add_tcase(suite, counters);
    suite_add_tcase(suite, sources);
    suite_add_tcase(suite, rates);
    suite_add_tcase(suite, books);
    tcase_set_timeout(sources, 60);
    tcase_set_timeout(rates, 60);
    tcase_add_test(counters, a_limit_is_never_exceeded_by_threads_that_take_at_once);
    tcase_add_test(counters, no_limit_lets_everyone_in);
    tcase_add_loop_test(sources, a_source_is_an_ipv4_address_or_a_64, 0, COUNT_OF(pairs));
    tcase_add_test(sources, many_sources_are_counted_apart_and_leave_nothing);
    tcase_add_test(sources, a_source_that_is_refused_has_no_entry);
    tcase_add_loop_test(rates, a_burst_is_the_number_and_then_it_is_the_rate, 0,
                        COUNT_OF(rate_rows));
    tcase_add_test(rates, over_a_long_time_it_is_the_rate_and_trying_costs_nothing);
    tcase_add_test(rates, a_faster_rate_after_a_reload_holds_at_once);
    tcase_add_test(rates, a_crowd_does_not_wash_away_a_source_over_its_rate);
    tcase_add_test(books, what_is_not_given_back_is_told);
    tcase_add_test(books, a_process_that_keeps_a_session_is_told);
    tcase_add_test(books, the_oldest_of_all_desks_is_found);
    tcase_add_test(books, every_limit_says_which_it_is);
    return suite_run(suite);
}
