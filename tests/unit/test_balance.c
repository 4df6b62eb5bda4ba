#include "../../src/pool/server.h"
#include "pool_support.h"
#include "suite.h"

#include <pthread.h>

/* --- fixture: a pool of three servers a, b, c; weights by the test ---------------------------- */

static struct one_pool one;
static struct pool_set *set;
static struct pool *pool;

static void compile_with(enum balance balance, unsigned a, unsigned b, unsigned c)
{
    one_pool_init(&one, balance);
    one_pool_add(&one, "a", "127.0.0.1:1", a);
    one_pool_add(&one, "b", "127.0.0.1:2", b);
    one_pool_add(&one, "c", "127.0.0.1:3", c);
    set = compile_after(&one, NULL);
    pool = pool_set_find(set, "p");
}

static void set_up(const char *name, bool up)
{
    for (unsigned i = 0; i < pool_server_count(pool); i++) {
        struct server *server = pool_server_at(pool, i);
        if (strcmp(server_name(server), name) == 0)
            atomic_store(&server->up, up);
    }
}

static void tear_down(void)
{
    pool_set_free(set);
    set = NULL;
}

/* --- round_robin ----------------------------------------------------------------------------- */

static const struct {
    unsigned a, b, c;
    const char *sequence;
} rotations[] = {
    {1, 1, 1, "abcabcabc"},    {5, 1, 1, "aabacaaaabacaa"}, {2, 1, 1, "abcaabca"},
    {3, 2, 0, "ababaababa"},   {0, 0, 1, "cccc"},           {0, 0, 0, "----"},
    {256, 256, 256, "abcabc"},
};

START_TEST(rotation_is_smooth_and_exact)
{
    compile_with(BALANCE_ROUND_ROBIN, rotations[_i].a, rotations[_i].b, rotations[_i].c);
    const char *wanted = rotations[_i].sequence;
    ck_assert_str_eq(sequence_of(pool, (unsigned)strlen(wanted)), wanted);
}
END_TEST

START_TEST(a_server_that_is_down_gives_its_turns_to_the_others)
{
    compile_with(BALANCE_ROUND_ROBIN, 1, 1, 1);
    set_up("b", false);
    ck_assert_str_eq(sequence_of(pool, 6), "acacac");
    set_up("a", false);
    set_up("c", false);
    ck_assert_str_eq(next_of(pool), "-");
    set_up("b", true);
    ck_assert_str_eq(sequence_of(pool, 2), "bb");
}
END_TEST

START_TEST(a_server_that_was_tried_is_not_picked_again)
{
    compile_with(BALANCE_ROUND_ROBIN, 5, 1, 1);
    struct server *tried[3];
    for (unsigned i = 0; i < 3; i++) {
        tried[i] = pool_pick(pool, &(struct pool_key){0}, tried, i);
        ck_assert_ptr_nonnull(tried[i]);
        for (unsigned j = 0; j < i; j++)
            ck_assert_ptr_ne(tried[i], tried[j]);
    }
    ck_assert_ptr_null(pool_pick(pool, &(struct pool_key){0}, tried, 3));
    for (unsigned i = 0; i < 3; i++)
        server_release(tried[i]);
}
END_TEST

START_TEST(a_backup_is_picked_only_when_no_other_is_eligible)
{
    compile_with(BALANCE_ROUND_ROBIN, 1, 1, 1);
    tear_down();
    one.servers[0].backup = true;
    one.servers[1].backup = true;
    set = compile_after(&one, NULL);
    pool = pool_set_find(set, "p");
    ck_assert_str_eq(sequence_of(pool, 3), "ccc");
    set_up("c", false);
    ck_assert_str_eq(sequence_of(pool, 4), "abab");
    set_up("c", true);
    ck_assert_str_eq(sequence_of(pool, 2), "cc");
    struct server *first = pick(pool);
    struct server *second = pool_pick(pool, &(struct pool_key){0}, &first, 1);
    ck_assert_str_eq(server_name(first), "c");
    ck_assert(strcmp(server_name(second), "c") != 0);
    server_release(first);
    server_release(second);
}
END_TEST

START_TEST(a_backup_with_weight_0_is_never_picked)
{
    compile_with(BALANCE_LEAST_CONN, 0, 0, 0);
    tear_down();
    one.servers[0].backup = true;
    set = compile_after(&one, NULL);
    ck_assert_ptr_null(pick(pool_set_find(set, "p")));
}
END_TEST

/* --- least_conn ------------------------------------------------------------------------------ */

START_TEST(least_conn_picks_the_fewest_sessions_per_weight)
{
    struct server *held[12];
    unsigned picked[3] = {0};
    compile_with(BALANCE_LEAST_CONN, 2, 1, 1);
    for (unsigned i = 0; i < COUNT_OF(held); i++) {
        held[i] = pick(pool);
        picked[server_name(held[i])[0] - 'a']++;
        if (i % 4 == 3)
            ck_assert_uint_eq(picked[0], 2 * picked[1]);
    }
    ck_assert_uint_eq(picked[0], 6);
    ck_assert_uint_eq(picked[1], 3);
    ck_assert_uint_eq(picked[2], 3);
    for (unsigned i = 0; i < COUNT_OF(held); i++)
        server_release(held[i]);
}
END_TEST

START_TEST(least_conn_goes_where_a_session_ended)
{
    compile_with(BALANCE_LEAST_CONN, 1, 1, 1);
    struct server *a = pick(pool), *b = pick(pool);
    struct server *c = pick(pool);
    ck_assert_str_eq(server_name(b), "b");
    server_release(b);
    b = pick(pool);
    ck_assert_str_eq(server_name(b), "b");
    server_release(a);
    server_release(b);
    server_release(c);
}
END_TEST

START_TEST(least_conn_rotates_among_equals)
{
    compile_with(BALANCE_LEAST_CONN, 1, 1, 1);
    ck_assert_str_eq(sequence_of(pool, 6), "abcabc");
}
END_TEST

/* --- slots ----------------------------------------------------------------------------------- */

START_TEST(a_slot_has_one_owner)
{
    compile_with(BALANCE_ROUND_ROBIN, 1, 0, 0);
    struct server *first = pick(pool), *second = pick(pool);
    ck_assert_ptr_eq(first, second);
    ck_assert_uint_eq(server_sessions(first), 2);
    server_release(first);
    ck_assert_uint_eq(server_sessions(second), 1);
    server_release(second);
    ck_assert_uint_eq(server_sessions(pool_server_at(pool, 0)), 0);
}
END_TEST

START_TEST(a_picked_server_outlives_its_set)
{
    struct address address;
    compile_with(BALANCE_ROUND_ROBIN, 1, 0, 0);
    struct server *server = pick(pool);
    tear_down();
    ck_assert(address_parse(&address, span_text("127.0.0.1:1"), NULL));
    ck_assert_str_eq(server_name(server), "a");
    ck_assert_str_eq(server_pool_name(server), "p");
    ck_assert(address_equal(server_address(server), &address));
    ck_assert_uint_eq(server_sessions(server), 1);
    server_release(server);
}
END_TEST

/* --- many workers ---------------------------------------------------------------------------- */

#define WORKERS 4
#define ROUNDS  5000u /* of seven picks, by all workers together */

struct worker {
    pthread_t thread;
    struct pool *pool;
    unsigned picked[3];
};

static atomic_uint picks_left;

static void *work(void *context)
{
    struct worker *worker = context;
    unsigned left = atomic_load(&picks_left);
    for (;;) {
        while (left > 0 && !atomic_compare_exchange_weak(&picks_left, &left, left - 1))
            continue;
        if (left == 0)
            return NULL;
        struct server *server = pick(worker->pool);
        worker->picked[server_name(server)[0] - 'a']++;
        server_release(server);
        left = atomic_load(&picks_left);
    }
}

/* Half of the workers pick from `other`, where there is one. */
static void run_workers(struct pool *other, unsigned total[3])
{
    struct worker workers[WORKERS] = {0};
    atomic_store(&picks_left, 7 * ROUNDS);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].pool = i % 2 == 0 || other == NULL ? pool : other;
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
        for (unsigned j = 0; j < 3; j++)
            total[j] += workers[i].picked[j];
    }
}

START_TEST(rotation_is_exact_over_all_workers)
{
    unsigned total[3] = {0};
    compile_with(BALANCE_ROUND_ROBIN, 5, 1, 1);
    run_workers(NULL, total);
    ck_assert_uint_eq(total[0], 5 * ROUNDS);
    ck_assert_uint_eq(total[1], ROUNDS);
    ck_assert_uint_eq(total[2], ROUNDS);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(server_sessions(pool_server_at(pool, i)), 0);
}
END_TEST

START_TEST(rotation_is_exact_while_two_sets_are_in_use)
{
    unsigned total[3] = {0};
    compile_with(BALANCE_ROUND_ROBIN, 5, 1, 1);
    struct pool_set *after = compile_after(&one, set);
    run_workers(pool_set_find(after, "p"), total);
    ck_assert_uint_eq(total[0], 5 * ROUNDS);
    ck_assert_uint_eq(total[1], ROUNDS);
    ck_assert_uint_eq(total[2], ROUNDS);
    pool_set_free(after);
}
END_TEST

struct leaver {
    pthread_t thread;
    struct server *held[500];
};

static void *leave(void *context)
{
    struct leaver *leaver = context;
    for (size_t i = 0; i < COUNT_OF(leaver->held); i++) {
        server_note_connect_failure(leaver->held[i], (int)(i % 100) + 1);
        server_release(leaver->held[i]);
    }
    return NULL;
}

START_TEST(sessions_end_on_every_worker_while_their_set_goes_away)
{
    static struct leaver leavers[WORKERS];
    compile_with(BALANCE_LEAST_CONN, 5, 1, 1);
    for (unsigned i = 0; i < WORKERS; i++) {
        for (size_t j = 0; j < COUNT_OF(leavers[i].held); j++)
            leavers[i].held[j] = pick(pool);
    }
    struct pool_set *after = compile_after(&one, set);
    for (unsigned i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&leavers[i].thread, NULL, leave, &leavers[i]), 0);
    tear_down();
    for (unsigned i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_join(leavers[i].thread, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(server_sessions(pool_server_at(pool_set_at(after, 0), i)), 0);
    pool_set_free(after);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("balance");
    TCase *c = tcase_create("balance");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, NULL, tear_down);
    tcase_add_loop_test(c, rotation_is_smooth_and_exact, 0, COUNT_OF(rotations));
    tcase_add_test(c, a_server_that_is_down_gives_its_turns_to_the_others);
    tcase_add_test(c, a_server_that_was_tried_is_not_picked_again);
    tcase_add_test(c, a_backup_is_picked_only_when_no_other_is_eligible);
    tcase_add_test(c, a_backup_with_weight_0_is_never_picked);
    tcase_add_test(c, least_conn_picks_the_fewest_sessions_per_weight);
    tcase_add_test(c, least_conn_goes_where_a_session_ended);
    tcase_add_test(c, least_conn_rotates_among_equals);
    tcase_add_test(c, a_slot_has_one_owner);
    tcase_add_test(c, a_picked_server_outlives_its_set);
    tcase_add_test(c, rotation_is_exact_over_all_workers);
    tcase_add_test(c, rotation_is_exact_while_two_sets_are_in_use);
    tcase_add_test(c, sessions_end_on_every_worker_while_their_set_goes_away);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
