/* A worker's counters: rows by name, bounded, and readable while they are written. */
#include "session/tally.h"
#include "suite.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tally *tally;

static void setup(void)
{
    ck_assert(tally_create(&tally));
}

static void teardown(void)
{
    tally_free(tally);
}

static uint64_t count_of(const char *listener, const char *rule, const char *protocol,
                         enum end_reason end)
{
    uint64_t count = 0;
    for (const struct tally_ends *row = NULL; (row = tally_next_ends(tally, row)) != NULL;)
        if (strcmp(row->listener, listener) == 0 && strcmp(row->rule, rule) == 0 &&
            strcmp(row->protocol, protocol) == 0 && row->end == end)
            count += tally_read(&row->count);
    return count;
}

static unsigned count_rows(void)
{
    unsigned count = 0;
    for (const struct tally_ends *row = NULL; (row = tally_next_ends(tally, row)) != NULL;)
        count++;
    return count;
}

START_TEST(ends_are_told_apart_by_every_label)
{
    char name[] = "a";
    tally_count_end(tally, name, "r", "tls", END_client_closed);
    name[0] = 'b'; /* names are copied */
    tally_count_end(tally, "a", "r", "tls", END_client_closed);
    tally_count_end(tally, name, "r", "tls", END_client_closed);
    tally_count_end(tally, "a", "s", "tls", END_client_closed);
    tally_count_end(tally, "a", "r", "fix", END_client_closed);
    tally_count_end(tally, "a", "r", "tls", END_server_closed);
    ck_assert_uint_eq(count_of("a", "r", "tls", END_client_closed), 2);
    ck_assert_uint_eq(count_of("b", "r", "tls", END_client_closed), 1);
    ck_assert_uint_eq(count_of("a", "s", "tls", END_client_closed), 1);
    ck_assert_uint_eq(count_of("a", "r", "fix", END_client_closed), 1);
    ck_assert_uint_eq(count_of("a", "r", "tls", END_server_closed), 1);
    ck_assert_uint_eq(count_rows(), 5);
}
END_TEST

START_TEST(there_is_a_bound_and_nothing_beyond_it_is_lost)
{
    char rule[32];
    for (unsigned i = 0; i < TALLY_ROWS_MAX + 100; i++) {
        (void)snprintf(rule, sizeof rule, "rule %u", i);
        tally_count_end(tally, "l", rule, "fix", END_no_rule);
    }
    ck_assert_uint_eq(count_rows(), TALLY_ROWS_MAX + 1);
    ck_assert_uint_eq(count_of(TALLY_OTHER, TALLY_OTHER, "fix", END_no_rule), 100);
    tally_count_end(tally, "l", "rule 7", "fix", END_no_rule);
    ck_assert_uint_eq(count_of("l", "rule 7", "fix", END_no_rule), 2);
}
END_TEST

START_TEST(a_listener_keeps_its_row)
{
    struct tally_traffic *row = tally_traffic_of(tally, "l", "", "");
    ck_assert_ptr_ne(tally_traffic_of(tally, "m", "", ""), row);
    ck_assert_ptr_eq(tally_traffic_of(tally, "l", "", ""), row);
    tally_add(&row->bytes[1], 7);
    tally_add(&row->sessions, 1);
    tally_add(&row->sessions, UINT64_MAX);
    ck_assert_uint_eq(tally_read(&row->sessions), 0);
    ck_assert_uint_eq(tally_read(&row->bytes[1]), 7);
}
END_TEST

START_TEST(a_session_counts_where_it_is_and_where_it_was_taken)
{
    struct tally_traffic *first = tally_traffic_of(tally, "l", "", "");
    struct tally_traffic *then = tally_traffic_of(tally, "l", "r", "fix");
    ck_assert_ptr_ne(tally_traffic_of(tally, "l", "r", "tls"), then);
    ck_assert_ptr_ne(tally_traffic_of(tally, "l", "s", "fix"), then);
    tally_add(&first->sessions, 1);
    tally_move(first, then);
    ck_assert_uint_eq(tally_read(&first->sessions), 0);
    ck_assert_uint_eq(tally_read(&then->sessions), 1);
    ck_assert_uint_eq(tally_read(&then->taken), 1);
    ck_assert_uint_eq(tally_read(&then->decided), 1);
    tally_move(then, then);
    ck_assert_uint_eq(tally_read(&then->decided), 1);
    ck_assert_uint_eq(tally_read(&then->sessions), 1);
}
END_TEST

START_TEST(beyond_the_bound_traffic_is_that_of_others)
{
    char rule[32];
    for (unsigned i = 0; i < TALLY_ROWS_MAX; i++) {
        (void)snprintf(rule, sizeof rule, "rule %u", i);
        (void)tally_traffic_of(tally, "l", rule, "fix");
    }
    const struct tally_traffic *other = tally_traffic_of(tally, "l", "one more", "fix");
    ck_assert_str_eq(other->rule, TALLY_OTHER);
    ck_assert_ptr_eq(tally_traffic_of(tally, "m", "another", "fix"), other);
    ck_assert_str_eq(tally_traffic_of(tally, "l", "rule 7", "fix")->rule, "rule 7");
}
END_TEST

START_TEST(a_time_falls_into_the_bucket_whose_bound_it_does_not_pass)
{
    const struct tally_histogram *h = &tally_counts(tally)->interval[TALLY_CONNECT];
    tally_count_time(tally, TALLY_CONNECT, 0);
    tally_count_time(tally, TALLY_CONNECT, 100);
    tally_count_time(tally, TALLY_CONNECT, 101);
    tally_count_time(tally, TALLY_CONNECT, 5000001);
    ck_assert_uint_eq(tally_read(&h->bucket[0]), 2);
    ck_assert_uint_eq(tally_read(&h->bucket[1]), 1);
    ck_assert_uint_eq(tally_read(&h->bucket[TALLY_BUCKETS]), 1);
    ck_assert_uint_eq(tally_read(&h->sum_us), 5000202);
    for (unsigned i = 0; i < TALLY_BUCKETS; i++) {
        ck_assert_uint_eq((uint32_t)(strtod(tally_buckets[i].seconds, NULL) * 1e6 + 0.5),
                          tally_buckets[i].us);
        ck_assert(i == 0 || tally_buckets[i].us > tally_buckets[i - 1].us);
    }
}
END_TEST

START_TEST(handshakes_are_told_by_version_and_result)
{
    const struct tally_counts *counts = tally_counts(tally);
    tally_count_handshake(tally, "TLSv1.3", true, TALLY_DONE);
    tally_count_handshake(tally, NULL, false, TALLY_FAILED);
    tally_count_handshake(tally, "TLSv9", false, TALLY_DONE);
    ck_assert_uint_eq(tally_read(&counts->handshakes[TALLY_TLS_1_3][1][TALLY_DONE]), 1);
    ck_assert_uint_eq(tally_read(&counts->handshakes[TALLY_TLS_NONE][0][TALLY_FAILED]), 1);
    ck_assert_uint_eq(tally_read(&counts->handshakes[TALLY_TLS_NONE][0][TALLY_DONE]), 1);
}
END_TEST

static void *write_much(void *context)
{
    char rule[32];
    (void)context;
    for (unsigned i = 0; i < 20000; i++) {
        (void)snprintf(rule, sizeof rule, "%u", i % 500);
        tally_count_end(tally, "l", rule, "tls", END_client_closed);
        tally_add(&tally_traffic_of(tally, rule, "", "")->bytes[0], 1);
        tally_count_time(tally, TALLY_INSPECT, i);
    }
    return NULL;
}

START_TEST(reading_beside_the_writer_never_sees_a_counter_go_back)
{
    pthread_t writer;
    uint64_t before = 0, now = 0;
    ck_assert_int_eq(pthread_create(&writer, NULL, write_much, NULL), 0);
    do {
        now = 0;
        for (const struct tally_ends *row = NULL; (row = tally_next_ends(tally, row)) != NULL;)
            now += tally_read(&row->count);
        ck_assert_uint_ge(now, before);
        before = now;
    } while (now < 20000);
    (void)pthread_join(writer, NULL);
    uint64_t bytes = 0;
    for (const struct tally_traffic *row = NULL; (row = tally_next_traffic(tally, row)) != NULL;)
        bytes += tally_read(&row->bytes[0]);
    ck_assert_uint_eq(bytes, 20000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session: tally");
    TCase *tests = tcase_create("tally");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, ends_are_told_apart_by_every_label);
    tcase_add_test(tests, there_is_a_bound_and_nothing_beyond_it_is_lost);
    tcase_add_test(tests, a_listener_keeps_its_row);
    tcase_add_test(tests, a_session_counts_where_it_is_and_where_it_was_taken);
    tcase_add_test(tests, beyond_the_bound_traffic_is_that_of_others);
    tcase_add_test(tests, a_time_falls_into_the_bucket_whose_bound_it_does_not_pass);
    tcase_add_test(tests, handshakes_are_told_by_version_and_result);
    tcase_add_test(tests, reading_beside_the_writer_never_sees_a_counter_go_back);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
