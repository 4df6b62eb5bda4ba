/* max_sessions, the queue, slow_start. */
#include "../../src/pool/pool_private.h"
#include "base/clock.h"
#include "pool_support.h"
#include "suite.h"

#include <pthread.h>

static struct one_pool one, other;
static struct pool_set *set, *after;
static struct pool *pool;

static void tear_down(void)
{
    pool_set_free(set);
    pool_set_free(after);
    set = after = NULL;
}

/* Servers a, b, … with these limits, and a queue of so many. */
static void compile(unsigned queue, unsigned a, unsigned b)
{
    one_pool_init(&one, BALANCE_ROUND_ROBIN);
    one.pool.queue_max = queue;
    one_pool_add(&one, "a", "127.0.0.1:1", 1)->max_sessions = a;
    if (b > 0)
        one_pool_add(&one, "b", "127.0.0.1:2", 1)->max_sessions = b;
    set = compile_after(&one, NULL);
    pool = pool_set_at(set, 0);
}

static struct server *server(const char *name)
{
    return pool_find_server(pool, name);
}

/* --- waiters: what they were granted, in order ------------------------------------------------ */

static char granted_order[64];

struct client {
    struct pool_waiter waiter;
    char name[2];
};

static void on_granted(struct pool_waiter *waiter)
{
    strcat(granted_order, CONTAINER_OF(waiter, struct client, waiter)->name);
}

static struct client clients[10];

static enum pool_wait join(unsigned number)
{
    struct client *client = &clients[number];
    *client = (struct client){.waiter.granted = on_granted, .name = {(char)('0' + number)}};
    return pool_wait(pool, &client->waiter);
}

static enum pool_wait join_having_tried(unsigned number, struct server *const *tried)
{
    struct client *client = &clients[number];
    *client = (struct client){.waiter = {.granted = on_granted, .tried = tried, .tried_count = 1},
                              .name = {(char)('0' + number)}};
    return pool_wait(pool, &client->waiter);
}

static void set_up(void)
{
    granted_order[0] = '\0';
}

/* --- max_sessions ----------------------------------------------------------------------------- */

START_TEST(a_full_server_is_passed_over)
{
    struct server *held[5];
    compile(0, 1, 3);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_ptr_nonnull(held[i] = pick(pool));
    ck_assert_uint_eq(server_sessions(server("a")), 1);
    ck_assert_uint_eq(server_sessions(server("b")), 3);
    ck_assert_ptr_null(pick(pool));
    server_release(held[0]);
    ck_assert_ptr_eq(held[0] = pick(pool), server("a"));
    for (unsigned i = 0; i < 4; i++)
        server_release(held[i]);
}
END_TEST

START_TEST(a_backup_serves_when_the_others_are_full)
{
    compile(5, 1, 1);
    one.servers[1].backup = true;
    after = compile_after(&one, set);
    struct server *first = pick(pool), *second = pick(pool);
    ck_assert_str_eq(server_name(first), "a");
    ck_assert_str_eq(server_name(second), "b");
    server_release(first);
    server_release(second);
}
END_TEST

START_TEST(a_limit_holds_for_the_sessions_of_all_configurations)
{
    compile(0, 2, 0);
    struct server *first = pick(pool);
    after = compile_after(&one, set);
    struct server *second = pick(pool_set_at(after, 0));
    ck_assert_ptr_eq(first, second);
    ck_assert_ptr_null(pick(pool_set_at(after, 0)));
    ck_assert_ptr_null(pick(pool));
    server_release(first);
    server_release(second);
}
END_TEST

/* --- the queue -------------------------------------------------------------------------------- */

START_TEST(who_came_first_is_served_first)
{
    compile(9, 2, 0);
    struct server *a = pick(pool);
    (void)pick(pool);
    for (unsigned i = 1; i <= 4; i++)
        ck_assert_int_eq(join(i), POOL_WAIT_QUEUED);
    ck_assert_uint_eq(pool_waiting(pool), 4);
    for (unsigned i = 0; i < 6; i++) {
        server_release(a);
        ck_assert_uint_eq(server_sessions(a), i < 4 ? 2 : 5 - i);
    }
    ck_assert_str_eq(granted_order, "1234");
    ck_assert_uint_eq(pool_waiting(pool), 0);
    ck_assert_uint_eq(server_sessions(a), 0);
}
END_TEST

START_TEST(a_newcomer_does_not_overtake)
{
    compile(9, 1, 0);
    struct server *a = pick(pool);
    ck_assert_int_eq(join(1), POOL_WAIT_QUEUED);
    server_set_state(a, SERVER_DRAIN); /* so that the slot lies free for a moment */
    server_release(a);
    ck_assert_ptr_null(pick(pool));
    ck_assert_uint_eq(server_sessions(a), 0);
    atomic_store(&a->state, SERVER_READY);
    ck_assert_ptr_null(pick(pool));
    ck_assert_int_eq(join(2), POOL_WAIT_QUEUED);
    ck_assert_str_eq(granted_order, "1");
    server_release(a);
    server_release(a);
    ck_assert_str_eq(granted_order, "12");
}
END_TEST

START_TEST(a_slot_that_becomes_free_in_between_is_taken_at_once)
{
    compile(9, 1, 0);
    ck_assert_int_eq(join(1), POOL_WAIT_GRANTED);
    ck_assert_str_eq(granted_order, ""); /* who joins is answered, not called */
    ck_assert_ptr_eq(clients[1].waiter.server, server("a"));
    ck_assert_uint_eq(pool_waiting(pool), 0);
    server_release(clients[1].waiter.server);
}
END_TEST

START_TEST(a_full_queue_refuses)
{
    compile(2, 1, 0);
    struct server *a = pick(pool);
    ck_assert_int_eq(join(1), POOL_WAIT_QUEUED);
    ck_assert_int_eq(join(2), POOL_WAIT_QUEUED);
    ck_assert_int_eq(join(3), POOL_WAIT_REFUSED);
    ck_assert(pool_leave(pool, &clients[1].waiter));
    ck_assert_int_eq(join(4), POOL_WAIT_QUEUED);
    for (unsigned i = 0; i < 3; i++)
        server_release(a);
    ck_assert_str_eq(granted_order, "24");
}
END_TEST

START_TEST(without_a_queue_nobody_waits)
{
    compile(0, 1, 0);
    struct server *a = pick(pool);
    ck_assert_int_eq(join(1), POOL_WAIT_REFUSED);
    server_release(a);
}
END_TEST

START_TEST(nobody_waits_for_servers_that_could_not_serve_him)
{
    compile(9, 1, 1);
    struct server *a = pick(pool), *b = pick(pool);
    server_set_up(a, false);
    ck_assert_int_eq(join_having_tried(1, &b), POOL_WAIT_REFUSED);
    server_set_state(b, SERVER_MAINT);
    ck_assert_int_eq(join(2), POOL_WAIT_REFUSED);
    ck_assert_uint_eq(pool_waiting(pool), 0);
    server_release(a);
    server_release(b);
}
END_TEST

START_TEST(who_has_tried_a_server_waits_for_another_and_lets_others_by)
{
    compile(9, 1, 1);
    struct server *a = pick(pool), *b = pick(pool);
    ck_assert_str_eq(server_name(a), "a");
    ck_assert_int_eq(join_having_tried(1, &a), POOL_WAIT_QUEUED);
    ck_assert_int_eq(join(2), POOL_WAIT_QUEUED);
    server_release(a);
    ck_assert_str_eq(granted_order, "2");
    server_release(b);
    ck_assert_str_eq(granted_order, "21");
    ck_assert_ptr_eq(clients[1].waiter.server, b);
    server_release(clients[1].waiter.server);
    server_release(clients[2].waiter.server);
}
END_TEST

START_TEST(who_leaves_is_not_granted_anything)
{
    compile(9, 1, 0);
    struct server *a = pick(pool);
    ck_assert_int_eq(join(1), POOL_WAIT_QUEUED);
    ck_assert_int_eq(join(2), POOL_WAIT_QUEUED);
    ck_assert(pool_leave(pool, &clients[1].waiter));
    server_release(a);
    ck_assert_str_eq(granted_order, "2");
    ck_assert(!pool_leave(pool, &clients[2].waiter)); /* too late: the slot is his */
    server_release(a);
    ck_assert_uint_eq(server_sessions(server("a")), 0);
}
END_TEST

/* Whatever makes room serves who waits: a server that comes up, is made ready, gets a weight, a
 * higher limit, or is new. */
START_TEST(whatever_makes_room_serves_who_waits)
{
    struct error error;
    struct pool_address found = {.weight = 1};
    compile(9, 1, 1);
    struct server *a = server("a"), *b = server("b"), *held = NULL;
    if (_i == 0)
        server_set_up(b, false);
    if (_i == 1)
        pool_set_server_state(pool, b, SERVER_DRAIN);
    if (_i == 2)
        ck_assert(pool_set_server_weight(pool, b, 0, &error));
    held = pick(pool);
    struct server *second = _i < 3 ? NULL : pick(pool);
    ck_assert_int_eq(join(1), POOL_WAIT_QUEUED);
    if (_i == 0)
        server_set_up(b, true);
    if (_i == 1)
        pool_set_server_state(pool, b, SERVER_READY);
    if (_i == 2)
        ck_assert(pool_set_server_weight(pool, b, 1, &error));
    if (_i == 3) {
        one.servers[0].max_sessions = 2;
        after = compile_after(&one, set);
    }
    if (_i == 4) {
        ck_assert(address_parse(&found.address, span_text("127.0.0.1:9"), NULL));
        ck_assert(pool_update_addresses(pool, 1, &found, 1, &error));
    }
    ck_assert_str_eq(granted_order, "1");
    ck_assert_ptr_eq(clients[1].waiter.server, _i == 3 ? a : server("b"));
    server_release(clients[1].waiter.server);
    server_release(held);
    if (second != NULL)
        server_release(second);
}
END_TEST

START_TEST(who_waits_is_served_by_the_servers_of_the_next_configuration)
{
    compile(9, 1, 0);
    struct server *a = pick(pool);
    ck_assert_int_eq(join(1), POOL_WAIT_QUEUED);
    one_pool_init(&other, BALANCE_ROUND_ROBIN);
    one_pool_add(&other, "c", "127.0.0.1:3", 1);
    after = compile_after(&other, set);
    ck_assert_str_eq(granted_order, "1");
    ck_assert_str_eq(server_name(clients[1].waiter.server), "c");
    server_release(clients[1].waiter.server);
    server_release(a);
}
END_TEST

/* --- over threads ----------------------------------------------------------------------------- */

#define WORKERS  4
#define SESSIONS 3000u /* of each worker */
#define LIMIT    3u

struct worker {
    pthread_t thread;
    unsigned served, left;
};

struct thread_client {
    struct pool_waiter waiter;
    atomic_bool is_granted;
};

static atomic_uint over_the_limit, limit;

static void tell_thread(struct pool_waiter *waiter)
{
    atomic_store(&CONTAINER_OF(waiter, struct thread_client, waiter)->is_granted, true);
}

/* Some are impatient and leave the queue after a few looks. */
static struct server *wait_for_slot(struct thread_client *client, bool impatient)
{
    *client = (struct thread_client){.waiter.granted = tell_thread};
    switch (pool_wait(pool, &client->waiter)) {
    case POOL_WAIT_GRANTED:
        return client->waiter.server;
    case POOL_WAIT_REFUSED:
        return NULL;
    case POOL_WAIT_QUEUED:
        break;
    }
    for (unsigned looks = 0; !atomic_load(&client->is_granted); looks++) {
        if (impatient && looks > 20 && pool_leave(pool, &client->waiter))
            return NULL;
        sched_yield();
    }
    return client->waiter.server;
}

static void *work(void *context)
{
    struct worker *worker = context;
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct thread_client client;
        struct server *slot = pick(pool);
        if (slot == NULL)
            slot = wait_for_slot(&client, i % 5 == 0);
        if (slot == NULL) {
            worker->left++;
            continue;
        }
        if (server_sessions(slot) > atomic_load(&limit))
            atomic_fetch_add(&over_the_limit, 1);
        if (i % 3 == 0)
            sched_yield();
        server_release(slot);
        worker->served++;
    }
    return NULL;
}

START_TEST(no_slot_is_lost_and_none_given_twice_over_many_threads)
{
    struct worker workers[WORKERS] = {0};
    unsigned served = 0, left = 0;
    compile(2, LIMIT, 0); /* two of four wait at most: some are refused, some queue */
    one.servers[0].max_sessions = 1;
    if (_i == 1)
        after = compile_after(&one, set);
    atomic_store(&limit, _i == 1 ? 1 : LIMIT);
    for (unsigned i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
        served += workers[i].served;
        left += workers[i].left;
    }
    printf("queue: %u served, %u left or refused\n", served, left);
    ck_assert_uint_eq(served + left, WORKERS * SESSIONS);
    ck_assert_uint_gt(served, WORKERS * SESSIONS / 4);
    ck_assert_uint_eq(atomic_load(&over_the_limit), 0);
    ck_assert_uint_eq(pool_waiting(pool), 0);
    ck_assert_uint_eq(server_sessions(server("a")), 0);
}
END_TEST

/* Who joins takes a number; grants, which the pool's lock puts in one order, must come by number.
 */
struct numbered {
    struct pool_waiter waiter;
    unsigned number;
    atomic_bool is_granted;
};

static pthread_mutex_t joining = PTHREAD_MUTEX_INITIALIZER;
static unsigned next_number, last_granted, out_of_turn;

static void note_turn(const struct numbered *client)
{
    out_of_turn += client->number < last_granted;
    last_granted = client->number;
}

static void grant_number(struct pool_waiter *waiter)
{
    struct numbered *client = CONTAINER_OF(waiter, struct numbered, waiter);
    note_turn(client);
    atomic_store(&client->is_granted, true);
}

static void *take_turns(void *context)
{
    (void)context;
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct numbered client = {.waiter.granted = grant_number};
        pthread_mutex_lock(&joining);
        client.number = ++next_number;
        enum pool_wait answer = pool_wait(pool, &client.waiter);
        if (answer == POOL_WAIT_GRANTED) {
            pthread_mutex_lock(&pool->core->mutex);
            note_turn(&client);
            pthread_mutex_unlock(&pool->core->mutex);
        }
        pthread_mutex_unlock(&joining);
        while (answer == POOL_WAIT_QUEUED && !atomic_load(&client.is_granted))
            sched_yield();
        sched_yield();
        server_release(client.waiter.server);
    }
    return NULL;
}

START_TEST(turns_are_kept_over_many_threads)
{
    pthread_t threads[WORKERS];
    compile(WORKERS, 1, 1);
    for (unsigned i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_turns, NULL), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(next_number, WORKERS * SESSIONS);
    ck_assert_uint_eq(out_of_turn, 0);
    ck_assert_uint_eq(pool_waiting(pool), 0);
}
END_TEST

/* --- slow_start ------------------------------------------------------------------------------- */

static void returned_ago(struct server *of, uint64_t ms)
{
    atomic_store(&of->returned_us, clock_monotonic_us() - ms * 1000);
}

static unsigned share_of_b(unsigned picks)
{
    unsigned count = 0;
    for (unsigned i = 0; i < picks; i++)
        count += next_of(pool)[0] == 'b';
    return count;
}

START_TEST(a_server_that_came_back_begins_slowly)
{
    compile(0, 0, 0);
    tear_down();
    one.pool.slow_start_ms = 3600 * 1000;
    one_pool_add(&one, "b", "127.0.0.1:2", 1);
    set = compile_after(&one, NULL);
    pool = pool_set_at(set, 0);
    ck_assert_uint_eq(share_of_b(100), 50); /* from the beginning: whole */
    server_set_up(server("b"), false);
    server_set_up(server("b"), true);
    ck_assert_uint_le(share_of_b(1000), 2);
    returned_ago(server("b"), 900 * 1000); /* a quarter: 1 to 4 */
    ck_assert_int_le(abs((int)share_of_b(1000) - 200), 2);
    returned_ago(server("b"), 1800 * 1000); /* half: 1 to 2 */
    ck_assert_int_le(abs((int)share_of_b(900) - 300), 2);
    returned_ago(server("b"), 3601 * 1000);
    ck_assert_int_le(abs((int)share_of_b(1000) - 500), 2);
    server_set_up(server("b"), true); /* was up: no return */
    ck_assert_int_le(abs((int)share_of_b(1000) - 500), 2);
}
END_TEST

START_TEST(a_server_made_ready_or_new_begins_slowly_too)
{
    compile(0, 0, 0);
    one.pool.slow_start_ms = 3600 * 1000;
    one_pool_add(&one, "b", "127.0.0.1:2", 1);
    after = compile_after(&one, set);
    pool = pool_set_at(after, 0);
    ck_assert_uint_le(share_of_b(100), 1);
    returned_ago(server("b"), 3601 * 1000);
    ck_assert_int_le(abs((int)share_of_b(100) - 50), 1);
    pool_set_server_state(pool, server("b"), SERVER_MAINT);
    pool_set_server_state(pool, server("b"), SERVER_READY);
    ck_assert_uint_le(share_of_b(100), 1);
}
END_TEST

START_TEST(a_server_alone_serves_however_slowly_it_begins)
{
    compile(0, 0, 0);
    one.pool.slow_start_ms = 3600 * 1000;
    after = compile_after(&one, set);
    server_set_up(server("a"), false);
    server_set_up(server("a"), true);
    ck_assert_str_eq(sequence_of(pool, 3), "aaa");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue");
    TCase *c = tcase_create("queue");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, a_full_server_is_passed_over);
    tcase_add_test(c, a_backup_serves_when_the_others_are_full);
    tcase_add_test(c, a_limit_holds_for_the_sessions_of_all_configurations);
    tcase_add_test(c, who_came_first_is_served_first);
    tcase_add_test(c, a_newcomer_does_not_overtake);
    tcase_add_test(c, a_slot_that_becomes_free_in_between_is_taken_at_once);
    tcase_add_test(c, a_full_queue_refuses);
    tcase_add_test(c, without_a_queue_nobody_waits);
    tcase_add_test(c, nobody_waits_for_servers_that_could_not_serve_him);
    tcase_add_test(c, who_has_tried_a_server_waits_for_another_and_lets_others_by);
    tcase_add_test(c, who_leaves_is_not_granted_anything);
    tcase_add_loop_test(c, whatever_makes_room_serves_who_waits, 0, 5);
    tcase_add_test(c, who_waits_is_served_by_the_servers_of_the_next_configuration);
    tcase_add_loop_test(c, no_slot_is_lost_and_none_given_twice_over_many_threads, 0, 2);
    tcase_add_test(c, turns_are_kept_over_many_threads);
    tcase_add_test(c, a_server_that_came_back_begins_slowly);
    tcase_add_test(c, a_server_made_ready_or_new_begins_slowly_too);
    tcase_add_test(c, a_server_alone_serves_however_slowly_it_begins);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
