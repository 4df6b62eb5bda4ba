#include "../../src/pool/server.h"
#include "pool_support.h"
#include "suite.h"

#include <errno.h>

static struct one_pool one, other;
static struct pool_set *before, *after;

static void set_up(void)
{
    one_pool_init(&one, BALANCE_ROUND_ROBIN);
    one_pool_add(&one, "a", "127.0.0.1:1", 1);
    one_pool_add(&one, "b", "127.0.0.1:2", 1);
    one_pool_init(&other, BALANCE_ROUND_ROBIN);
    before = after = NULL;
}

static void tear_down(void)
{
    pool_set_free(before);
    pool_set_free(after);
}

static struct server *server_at(const struct pool_set *set, unsigned at)
{
    return pool_server_at(pool_set_at(set, 0), at);
}

/* Compiles `one`, which must fail with exactly these lines' parts. */
static void refuse(size_t errors, const char *part)
{
    struct problems *problems = NULL;
    struct pool_set *set = NULL;
    ck_assert(problems_create(&problems, "test.json"));
    ck_assert(!pool_set_compile(&set, &one.model, NULL, problems));
    ck_assert_ptr_null(set);
    ck_assert_uint_eq(problems_errors(problems), errors);
    ck_assert_msg(strstr(lines_of(problems), part) != NULL, "%s", lines_of(problems));
    problems_free(problems);
}

/* --- what a set shows ------------------------------------------------------------------------ */

START_TEST(a_set_finds_its_pools_by_name)
{
    before = compile_after(&one, NULL);
    ck_assert_uint_eq(pool_set_count(before), 1);
    ck_assert_ptr_eq(pool_set_find(before, "p"), pool_set_at(before, 0));
    ck_assert_ptr_null(pool_set_find(before, "q"));
    ck_assert_ptr_eq(pool_model(pool_set_at(before, 0)), &one.pool);
    ck_assert_str_eq(pool_name(pool_set_at(before, 0)), "p");
    ck_assert_uint_eq(pool_server_count(pool_set_at(before, 0)), 2);
}
END_TEST

START_TEST(servers_begin_up_and_without_an_error)
{
    char text[SERVER_ERROR_MAX];
    before = compile_after(&one, NULL);
    ck_assert(server_is_up(server_at(before, 0)));
    server_last_error(server_at(before, 0), text);
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(a_failed_connect_is_noted_and_changes_nothing_else)
{
    char text[SERVER_ERROR_MAX];
    before = compile_after(&one, NULL);
    server_note_connect_failure(server_at(before, 0), ECONNREFUSED);
    server_last_error(server_at(before, 0), text);
    ck_assert_str_eq(text, "connect: Connection refused");
    ck_assert(server_is_up(server_at(before, 0)));
}
END_TEST

/* --- from set to set ------------------------------------------------------------------------- */

START_TEST(live_state_is_carried_by_name_and_address)
{
    before = compile_after(&one, NULL);
    struct server *held = pick(pool_set_at(before, 0));
    struct server *a = server_at(before, 0), *b = server_at(before, 1);
    atomic_store(&b->up, false);
    one_pool_add(&other, "b", "127.0.0.1:2", 7);
    one_pool_add(&other, "a", "127.0.0.1:1", 1)->backup = true;
    one_pool_add(&other, "new", "127.0.0.1:3", 1);
    after = compile_after(&other, before);
    const struct pool *pool = pool_set_at(after, 0);
    ck_assert_ptr_eq(server_at(after, 0), b);
    ck_assert_ptr_eq(server_at(after, 1), a);
    ck_assert(!server_is_up(server_at(after, 0)));
    ck_assert(server_is_up(server_at(after, 2)));
    ck_assert_uint_eq(server_sessions(server_at(after, 1)), 1);
    ck_assert_uint_eq(pool_server_weight(pool, 0), 7);
    ck_assert(!pool_server_is_backup(pool, 0));
    ck_assert(pool_server_is_backup(pool, 1));
    server_release(held);
    ck_assert_uint_eq(server_sessions(server_at(after, 1)), 0);
}
END_TEST

START_TEST(a_server_at_a_new_address_is_a_new_server)
{
    before = compile_after(&one, NULL);
    atomic_store(&server_at(before, 0)->up, false);
    one_pool_add(&other, "a", "127.0.0.1:9", 1);
    after = compile_after(&other, before);
    ck_assert(server_is_up(server_at(after, 0)));
    ck_assert_uint_eq(address_port(server_address(server_at(after, 0))), 9);
}
END_TEST

START_TEST(servers_of_another_pool_are_not_taken_over)
{
    static char name[] = "q";
    before = compile_after(&one, NULL);
    one_pool_add(&other, "a", "127.0.0.1:1", 1);
    other.pool.name = name;
    struct server *a = server_at(before, 0);
    after = compile_after(&other, before);
    ck_assert_ptr_ne(server_at(after, 0), a);
    ck_assert_str_eq(server_pool_name(server_at(after, 0)), "q");
}
END_TEST

START_TEST(the_rotation_goes_on_over_a_reload)
{
    before = compile_after(&one, NULL);
    ck_assert_str_eq(next_of(pool_set_at(before, 0)), "a");
    after = compile_after(&one, before);
    ck_assert_str_eq(next_of(pool_set_at(after, 0)), "b");
    ck_assert_str_eq(next_of(pool_set_at(before, 0)), "a");
    ck_assert_str_eq(next_of(pool_set_at(after, 0)), "b");
}
END_TEST

START_TEST(a_set_lives_on_without_the_one_before)
{
    before = compile_after(&one, NULL);
    after = compile_after(&one, before);
    pool_set_free(before);
    before = NULL;
    ck_assert_str_eq(sequence_of(pool_set_at(after, 0), 4), "abab");
}
END_TEST

START_TEST(a_set_that_is_refused_leaves_the_one_before_alone)
{
    struct problems *problems = NULL;
    before = compile_after(&one, NULL);
    one_pool_add(&other, "a", "127.0.0.1:1", 1);
    one_pool_add(&other, "a", "127.0.0.1:1", 1);
    ck_assert(problems_create(&problems, "test.json"));
    ck_assert(!pool_set_compile(&after, &other.model, before, problems));
    problems_free(problems);
    ck_assert_str_eq(sequence_of(pool_set_at(before, 0), 4), "abab");
}
END_TEST

/* --- names ----------------------------------------------------------------------------------- */

static void make_name(struct model_server *server, char *name)
{
    server->address.kind = HOST_NAME;
    server->address.name = name;
    server->address.port = 4711;
}

START_TEST(a_name_becomes_its_addresses)
{
    static char name[] = "localhost";
    one_pool_init(&one, BALANCE_ROUND_ROBIN);
    make_name(one_pool_add(&one, "local", "127.0.0.1:1", 3), name);
    before = compile_after(&one, NULL);
    unsigned count = pool_server_count(pool_set_at(before, 0));
    ck_assert_uint_ge(count, 1);
    for (unsigned i = 0; i < count; i++) {
        struct server *server = server_at(before, i);
        char wanted[256] = "local", text[ADDRESS_TEXT_MAX];
        address_format(server_address(server), text);
        if (count > 1)
            snprintf(wanted, sizeof wanted, "local/%s", text);
        ck_assert_str_eq(server_name(server), wanted);
        ck_assert_uint_eq(address_port(server_address(server)), 4711);
        ck_assert_uint_eq(pool_server_weight(pool_set_at(before, 0), i), 3);
    }
}
END_TEST

START_TEST(a_name_that_does_not_resolve_is_an_error_at_its_server)
{
    static char first[] = "no-such-host.invalid", second[] = "nor-this.invalid";
    make_name(&one.servers[0], first);
    make_name(&one.servers[1], second);
    refuse(2, "pools.p.servers[1]: cannot resolve \"nor-this.invalid\": ");
}
END_TEST

START_TEST(any_address_is_none_to_connect_to)
{
    one.servers[1].address.kind = HOST_ANY;
    refuse(1, "pools.p.servers[1]: ");
}
END_TEST

START_TEST(two_servers_of_a_pool_cannot_share_a_name)
{
    one_pool_add(&one, "a", "127.0.0.1:3", 1);
    refuse(1, "pools.p.servers[2]: the pool already has a server named \"a\"");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pool");
    TCase *c = tcase_create("pool");
    tcase_set_timeout(c, 60); /* a resolver may take its time to say no */
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, a_set_finds_its_pools_by_name);
    tcase_add_test(c, servers_begin_up_and_without_an_error);
    tcase_add_test(c, a_failed_connect_is_noted_and_changes_nothing_else);
    tcase_add_test(c, live_state_is_carried_by_name_and_address);
    tcase_add_test(c, a_server_at_a_new_address_is_a_new_server);
    tcase_add_test(c, servers_of_another_pool_are_not_taken_over);
    tcase_add_test(c, the_rotation_goes_on_over_a_reload);
    tcase_add_test(c, a_set_lives_on_without_the_one_before);
    tcase_add_test(c, a_set_that_is_refused_leaves_the_one_before_alone);
    tcase_add_test(c, a_name_becomes_its_addresses);
    tcase_add_test(c, a_name_that_does_not_resolve_is_an_error_at_its_server);
    tcase_add_test(c, any_address_is_none_to_connect_to);
    tcase_add_test(c, two_servers_of_a_pool_cannot_share_a_name);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
