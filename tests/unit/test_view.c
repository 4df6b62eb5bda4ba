#include "../../src/pool/server.h"
#include "base/text.h"
#include "pool/wishes.h"
#include "pool_support.h"
#include "suite.h"

/* --- fixture: the published pool "p" with the items a, b, c ----------------------------------- */

static struct one_pool one, other;
static struct pool_set *set, *after;
static struct pool *pool;
static unsigned changes;

static void count_change(void *context, struct pool *changed)
{
    (void)context;
    ck_assert_ptr_eq(changed, pool);
    changes++;
}

static void set_up(void)
{
    one_pool_init(&one, BALANCE_ROUND_ROBIN);
    one_pool_add(&one, "a", "127.0.0.1:1", 1);
    one_pool_add(&one, "b", "127.0.0.1:2", 1);
    one_pool_add(&one, "c", "127.0.0.1:3", 1);
    one_pool_init(&other, BALANCE_ROUND_ROBIN);
    set = compile_after(&one, NULL);
    after = NULL;
    pool = pool_set_at(set, 0);
    changes = 0;
    pool_set_observe(set, count_change, NULL);
}

static void tear_down(void)
{
    pool_set_free(set);
    pool_set_free(after);
}

static struct pool_address found_at(const char *address, const char *suffix)
{
    struct pool_address found = {.suffix = suffix, .weight = 1};
    ck_assert(address_parse(&found.address, span_text(address), NULL));
    return found;
}

static void update(unsigned item, const struct pool_address *found, size_t count)
{
    struct error error;
    ck_assert_msg(pool_update_addresses(pool, item, found, count, &error), "%s", error.text);
}

static struct server *server(const char *name)
{
    struct server *found = pool_find_server(pool, name);
    ck_assert_msg(found != NULL, "no server %s", name);
    return found;
}

/* --- addresses of an item --------------------------------------------------------------------- */

START_TEST(an_item_becomes_several_servers_in_its_place)
{
    struct pool_address found[] = {found_at("10.0.0.1:5", "x"), found_at("10.0.0.2:5", "y")};
    update(1, found, 2);
    const char *wanted[] = {"a", "b/x", "b/y", "c"};
    ck_assert_uint_eq(pool_server_count(pool), 4);
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_str_eq(server_name(pool_server_at(pool, i)), wanted[i]);
        ck_assert_uint_eq(pool_server_item(pool, i), i == 0 ? 0 : i == 3 ? 2 : 1);
    }
    ck_assert_str_eq(sequence_of(pool, 4), "ab/xb/yc");
    ck_assert_uint_eq(changes, 1);
}
END_TEST

START_TEST(servers_that_stay_keep_their_state)
{
    struct pool_address found[] = {found_at("10.0.0.1:5", "x"), found_at("10.0.0.2:5", "y")};
    update(1, found, 2);
    struct server *y = server("b/y"), *a = server("a");
    server_set_up(y, false);
    struct pool_address next[] = {found_at("10.0.0.2:5", "y"), found_at("10.0.0.3:5", "z")};
    update(1, next, 2);
    ck_assert_ptr_eq(server("b/y"), y);
    ck_assert_ptr_eq(server("a"), a);
    ck_assert(!server_is_up(y));
    ck_assert(server_is_up(server("b/z")));
    ck_assert_ptr_null(pool_find_server(pool, "b/x"));
}
END_TEST

START_TEST(a_server_at_another_address_is_another)
{
    struct server *b = server("b");
    server_set_up(b, false);
    struct pool_address found = found_at("10.0.0.9:5", NULL);
    update(1, &found, 1);
    ck_assert_uint_eq(address_port(server_address(server("b"))), 5);
    ck_assert(server_is_up(server("b")));
}
END_TEST

/* A name with one address more: the first server gets its address into its name, and no more. */
START_TEST(a_server_that_is_not_alone_any_more_is_the_same_under_another_name)
{
    struct error error;
    struct pool_address alone = found_at("10.0.0.1:5", NULL);
    struct pool_address both[] = {found_at("10.0.0.1:5", "x"), found_at("10.0.0.2:5", "y")};
    update(0, NULL, 0);
    update(2, NULL, 0);
    update(1, &alone, 1);
    struct server *held = pick(pool), *b = server("b");
    pool_set_server_state(pool, b, SERVER_DRAIN);
    ck_assert(pool_set_server_weight(pool, b, 3, &error));
    server_set_up(b, false);
    for (int round = 0; round < 2; round++) {
        update(1, both, 2);
        ck_assert_ptr_eq(server("b/x"), b);
        ck_assert_str_eq(server_name(b), "b/x");
        ck_assert_ptr_null(pool_find_server(pool, "b"));
        update(1, &alone, 1);
        ck_assert_ptr_eq(server("b"), b);
        ck_assert_str_eq(server_name(b), "b");
    }
    ck_assert_uint_eq(server_sessions(b), 1);
    ck_assert(!server_is_up(b));
    ck_assert_int_eq(server_state(b), SERVER_DRAIN);
    ck_assert_uint_eq(pool_server_weight(pool, 0), 3);
    server_release(held);
}
END_TEST

START_TEST(a_name_changes_when_the_servers_are_published)
{
    struct problems *problems = NULL;
    struct pool_address alone = found_at("10.0.0.1:5", NULL);
    struct pool_address both[] = {found_at("10.0.0.1:5", "x"), found_at("10.0.0.2:5", "y")};
    struct error error;
    update(1, &alone, 1);
    struct server *b = server("b");
    one_pool_add(&other, "a", "127.0.0.1:1", 1);
    one_pool_add(&other, "b", "127.0.0.1:2", 1);
    ck_assert(problems_create(&problems, "test.json"));
    ck_assert(pool_set_compile(&after, &other.model, set, problems));
    problems_free(problems);
    struct pool *next = pool_set_at(after, 0);
    ck_assert(pool_update_addresses(next, 1, both, 2, &error));
    ck_assert_ptr_eq(pool_find_server(next, "b/x"), b);
    ck_assert_ptr_eq(server("b"), b);
    ck_assert_str_eq(server_name(b), "b");
    pool_set_publish(after);
    ck_assert_str_eq(server_name(b), "b/x");
}
END_TEST

START_TEST(what_was_found_brings_weight_and_backup)
{
    struct pool_address found[] = {found_at("10.0.0.1:5", "x"), found_at("10.0.0.2:5", "y")};
    found[0].weight = 3;
    found[1].backup = true;
    update(2, found, 2);
    ck_assert_uint_eq(pool_server_weight(pool, 2), 3);
    ck_assert(!pool_server_is_backup(pool, 2));
    ck_assert(pool_server_is_backup(pool, 3));
}
END_TEST

START_TEST(an_item_may_be_left_without_a_server)
{
    update(0, NULL, 0);
    update(1, NULL, 0);
    update(2, NULL, 0);
    ck_assert_uint_eq(pool_server_count(pool), 0);
    ck_assert_str_eq(next_of(pool), "-");
}
END_TEST

START_TEST(a_name_that_is_there_twice_changes_nothing)
{
    struct error error;
    struct pool_address found[] = {found_at("10.0.0.1:5", "x"), found_at("10.0.0.2:5", "x")};
    ck_assert(!pool_update_addresses(pool, 1, found, 2, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "already has a server named \"b/x\""));
    ck_assert_str_eq(sequence_of(pool, 3), "abc");
    ck_assert_uint_eq(changes, 0);
}
END_TEST

START_TEST(a_name_that_an_item_behind_has_is_there_twice)
{
    struct error error;
    one_pool_add(&other, "a", "127.0.0.1:1", 1);
    one_pool_add(&other, "b", "127.0.0.1:2", 1);
    one_pool_add(&other, "b/y", "127.0.0.1:3", 1);
    after = compile_after(&other, set);
    struct pool_address found[] = {found_at("10.0.0.1:5", "x"), found_at("10.0.0.2:5", "y")};
    ck_assert(!pool_update_addresses(pool_set_at(after, 0), 1, found, 2, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "already has a server named \"b/y\""));
    ck_assert_uint_eq(pool_server_count(pool_set_at(after, 0)), 3);
}
END_TEST

START_TEST(a_server_that_goes_keeps_its_sessions_and_has_them_when_it_comes_back)
{
    struct server *held = pick(pool);
    ck_assert_str_eq(server_name(held), "a");
    struct pool_address found = found_at("127.0.0.1:1", NULL);
    update(0, NULL, 0);
    ck_assert_str_eq(sequence_of(pool, 4), "bcbc");
    ck_assert_uint_eq(server_sessions(held), 1);
    update(0, &found, 1);
    ck_assert_ptr_eq(server("a"), held);
    ck_assert_uint_eq(server_sessions(server("a")), 1);
    update(0, NULL, 0);
    server_release(held);
    update(0, &found, 1);
    ck_assert_uint_eq(server_sessions(server("a")), 0);
}
END_TEST

/* --- publishing ------------------------------------------------------------------------------- */

START_TEST(a_set_that_is_not_published_is_seen_by_no_session)
{
    struct problems *problems = NULL;
    one_pool_add(&other, "new", "127.0.0.1:9", 1);
    ck_assert(problems_create(&problems, "test.json"));
    ck_assert(pool_set_compile(&after, &other.model, set, problems));
    problems_free(problems);
    ck_assert_uint_eq(pool_server_count(pool_set_at(after, 0)), 1);
    ck_assert_uint_eq(pool_server_count(pool), 3);
    ck_assert_str_eq(sequence_of(pool, 3), "abc");
}
END_TEST

START_TEST(sessions_of_an_older_set_get_the_servers_of_the_newest)
{
    one_pool_add(&other, "a", "127.0.0.1:1", 1);
    one_pool_add(&other, "d", "127.0.0.1:4", 1);
    after = compile_after(&other, set);
    ck_assert_str_eq(sequence_of(pool, 4), "adad");
    ck_assert_uint_eq(pool_server_count(pool), 2);
}
END_TEST

/* --- state and weight ------------------------------------------------------------------------- */

START_TEST(only_a_ready_server_gets_sessions)
{
    pool_set_server_state(pool, server("b"), SERVER_DRAIN);
    pool_set_server_state(pool, server("c"), SERVER_MAINT);
    ck_assert_str_eq(sequence_of(pool, 3), "aaa");
    ck_assert_int_eq(server_state(server("b")), SERVER_DRAIN);
    pool_set_server_state(pool, server("b"), SERVER_READY);
    ck_assert_str_eq(sequence_of(pool, 4), "abab");
    ck_assert_uint_eq(changes, 3);
}
END_TEST

START_TEST(a_weight_counts_at_once)
{
    struct error error;
    ck_assert(pool_set_server_weight(pool, server("b"), 2, &error));
    ck_assert_uint_eq(pool_server_weight(pool, 1), 2);
    ck_assert_str_eq(sequence_of(pool, 8), "bacbbacb");
    ck_assert(pool_set_server_weight(pool, server("b"), 0, &error));
    ck_assert_str_eq(sequence_of(pool, 4), "acac");
    ck_assert_uint_eq(changes, 2);
}
END_TEST

/* What a reload makes of what an operator had set. */
static const struct {
    enum server_state set, configured;
    unsigned weight; /* configured; it was 1 */
    enum server_state state_after;
    unsigned weight_after;
} reloads[] = {
    {SERVER_DRAIN, SERVER_READY, 1, SERVER_DRAIN, 7},
    {SERVER_DRAIN, SERVER_READY, 4, SERVER_DRAIN, 4},
    {SERVER_DRAIN, SERVER_MAINT, 1, SERVER_MAINT, 7},
    {SERVER_READY, SERVER_DRAIN, 9, SERVER_DRAIN, 9},
    {SERVER_MAINT, SERVER_READY, 1, SERVER_MAINT, 7},
};

START_TEST(what_was_set_holds_until_its_configuration_changes)
{
    struct error error;
    pool_set_server_state(pool, server("a"), reloads[_i].set);
    ck_assert(pool_set_server_weight(pool, server("a"), 7, &error));
    other = one;
    other.model.pools = &other.pool;
    other.pool.servers = other.servers;
    other.servers[0].state = reloads[_i].configured;
    other.servers[0].weight = reloads[_i].weight;
    after = compile_after(&other, set);
    struct pool *now = pool_set_at(after, 0);
    ck_assert_int_eq(server_state(pool_server_at(now, 0)), reloads[_i].state_after);
    ck_assert_uint_eq(pool_server_weight(now, 0), reloads[_i].weight_after);
    ck_assert_uint_eq(pool_server_weight(now, 1), 1);
}
END_TEST

START_TEST(a_refused_configuration_takes_nothing_back)
{
    struct problems *problems = NULL;
    pool_set_server_state(pool, server("a"), SERVER_DRAIN);
    one_pool_add(&other, "a", "127.0.0.1:1", 1)->state = SERVER_MAINT;
    ck_assert(problems_create(&problems, "test.json"));
    ck_assert(pool_set_compile(&after, &other.model, set, problems));
    problems_free(problems);
    pool_set_free(after);
    after = NULL;
    ck_assert_int_eq(server_state(server("a")), SERVER_DRAIN);
}
END_TEST

START_TEST(a_server_starts_in_the_state_of_its_configuration)
{
    one_pool_add(&other, "x", "127.0.0.1:8", 1)->state = SERVER_MAINT;
    one_pool_add(&other, "y", "127.0.0.1:9", 1);
    after = compile_after(&other, NULL);
    ck_assert_int_eq(server_state(pool_server_at(pool_set_at(after, 0), 0)), SERVER_MAINT);
    ck_assert_str_eq(sequence_of(pool_set_at(after, 0), 2), "yy");
}
END_TEST

/* --- wishes: what was set, for another process -------------------------------------------------
 */

/* Another process's pool, of the configuration `other`, takes what was set in this one. */
static struct pool *hand_over(void)
{
    struct error error;
    struct text text = {0};
    other.model.pools = &other.pool;
    other.pool.servers = other.servers;
    after = compile_after(&other, NULL);
    struct pool *heir = pool_set_at(after, 0);
    for (unsigned i = 0; i < pool_server_count(pool); i++) {
        text_clear(&text);
        if (!pool_has_wishes(pool, i))
            continue;
        pool_write_wishes(pool, i, &text);
        ck_assert(pool_take_wishes(heir, span_of(text.data, text.length), &error));
    }
    text_release(&text);
    return heir;
}

START_TEST(another_process_goes_on_with_what_was_set_as_a_reload_does)
{
    struct error error;
    pool_set_server_state(pool, server("a"), reloads[_i].set);
    ck_assert(pool_set_server_weight(pool, server("a"), 7, &error));
    other = one;
    other.servers[0].state = reloads[_i].configured;
    other.servers[0].weight = reloads[_i].weight;
    struct pool *heir = hand_over();
    ck_assert_int_eq(server_state(pool_server_at(heir, 0)), reloads[_i].state_after);
    ck_assert_uint_eq(pool_server_weight(heir, 0), reloads[_i].weight_after);
    ck_assert_uint_eq(pool_server_weight(heir, 1), 1);
}
END_TEST

START_TEST(what_was_set_belongs_to_item_and_address)
{
    pool_set_server_state(pool, server("a"), SERVER_DRAIN);
    pool_set_server_state(pool, server("b"), SERVER_DRAIN);
    pool_set_server_state(pool, server("c"), SERVER_MAINT);
    one_pool_add(&other, "a", "127.0.0.9:1", 1);
    one_pool_add(&other, "c", "127.0.0.1:3", 1);
    one_pool_add(&other, "B", "127.0.0.1:2", 1);
    struct pool *heir = hand_over();
    ck_assert_int_eq(server_state(pool_server_at(heir, 0)), SERVER_READY);
    ck_assert_int_eq(server_state(pool_server_at(heir, 1)), SERVER_MAINT);
    ck_assert_int_eq(server_state(pool_server_at(heir, 2)), SERVER_READY);
}
END_TEST

/* What other versions may say: with a NUL for each '|'. */
static const struct {
    const char *said;
    enum server_state state;
    unsigned weight;
} sayings[] = {
    {"server=a|address=127.0.0.1:1|state=drain|state_was=ready|", SERVER_DRAIN, 1},
    {"colour=red|address=127.0.0.1:1|state=drain|x|state_was=ready|server=a|", SERVER_DRAIN, 1},
    {"server=a|address=127.0.0.1:1|weight=256|weight_was=1|", SERVER_READY, 256},
    {"server=a|address=127.0.0.1:1|weight=257|weight_was=1|", SERVER_READY, 1},
    {"server=a|address=127.0.0.1:1|weight=7x|weight_was=1|", SERVER_READY, 1},
    {"server=a|address=127.0.0.1:1|weight=|weight_was=1|", SERVER_READY, 1},
    {"server=a|address=127.0.0.1:1|weight=7|", SERVER_READY, 1},
    {"server=a|address=127.0.0.1:1|state=asleep|state_was=ready|", SERVER_READY, 1},
    {"server=a|address=127.0.0.1:1|state=drain|", SERVER_READY, 1},
    {"server=a|address=127.0.0.1:1|state_was=ready|state=drain", SERVER_READY, 1},
    {"server=a|state=drain|state_was=ready|", SERVER_READY, 1},
    {"address=127.0.0.1:1|state=drain|state_was=ready|", SERVER_READY, 1},
    {"server=a|host=a|address=127.0.0.1:1|state=drain|state_was=ready|", SERVER_READY, 1},
    {"|||", SERVER_READY, 1},
    {"", SERVER_READY, 1},
};

START_TEST(only_what_is_understood_of_what_was_set_is_taken)
{
    struct error error;
    size_t length = strlen(sayings[_i].said);
    char *said = strdup(sayings[_i].said);
    for (char *bar = said; (bar = strchr(bar, '|')) != NULL; bar++)
        *bar = '\0';
    unsigned char *exact = malloc(length + 1);
    memcpy(exact, said, length);
    exact[length] = 'x';
    ck_assert(pool_take_wishes(pool, span_of(exact, length), &error));
    ck_assert_int_eq(server_state(server("a")), sayings[_i].state);
    ck_assert_uint_eq(pool_server_weight(pool, 0), sayings[_i].weight);
    free(exact);
    free(said);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view");
    TCase *c = tcase_create("view");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, an_item_becomes_several_servers_in_its_place);
    tcase_add_test(c, servers_that_stay_keep_their_state);
    tcase_add_test(c, a_server_at_another_address_is_another);
    tcase_add_test(c, a_server_that_is_not_alone_any_more_is_the_same_under_another_name);
    tcase_add_test(c, a_name_changes_when_the_servers_are_published);
    tcase_add_test(c, what_was_found_brings_weight_and_backup);
    tcase_add_test(c, an_item_may_be_left_without_a_server);
    tcase_add_test(c, a_name_that_is_there_twice_changes_nothing);
    tcase_add_test(c, a_name_that_an_item_behind_has_is_there_twice);
    tcase_add_test(c, a_server_that_goes_keeps_its_sessions_and_has_them_when_it_comes_back);
    tcase_add_test(c, a_set_that_is_not_published_is_seen_by_no_session);
    tcase_add_test(c, sessions_of_an_older_set_get_the_servers_of_the_newest);
    tcase_add_test(c, only_a_ready_server_gets_sessions);
    tcase_add_test(c, a_weight_counts_at_once);
    tcase_add_loop_test(c, what_was_set_holds_until_its_configuration_changes, 0,
                        COUNT_OF(reloads));
    tcase_add_test(c, a_refused_configuration_takes_nothing_back);
    tcase_add_test(c, a_server_starts_in_the_state_of_its_configuration);
    tcase_add_loop_test(c, another_process_goes_on_with_what_was_set_as_a_reload_does, 0,
                        COUNT_OF(reloads));
    tcase_add_test(c, what_was_set_belongs_to_item_and_address);
    tcase_add_loop_test(c, only_what_is_understood_of_what_was_set_is_taken, 0, COUNT_OF(sayings));
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
