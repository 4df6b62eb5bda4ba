/* balance hash and random2: who gets what share, and who moves when a server goes. The figures are
 * printed, so that a run shows them. */
#include "../../src/pool/maglev.h"
#include "../../src/pool/pool_private.h"
#include "pool_support.h"
#include "suite.h"

#include <stdio.h>

#define KEYS 100000u

static struct one_pool one, other;
static struct pool_set *set, *after;
static struct pool *pool;

static void tear_down(void)
{
    pool_set_free(set);
    pool_set_free(after);
    set = after = NULL;
}

static struct model_server *add(struct one_pool *to, unsigned number, unsigned weight)
{
    char name[32], address[32];
    snprintf(name, sizeof name, "server-%u", number);
    snprintf(address, sizeof address, "10.0.0.%u:5001", number + 1);
    return one_pool_add(to, name, address, weight);
}

static void fill(struct one_pool *to, enum hash_on on, unsigned servers)
{
    one_pool_init(to, BALANCE_HASH);
    to->pool.hash_on = on;
    for (unsigned i = 0; i < servers; i++)
        add(to, i, 1);
}

static void compile(enum hash_on on, unsigned servers)
{
    fill(&one, on, servers);
    set = compile_after(&one, NULL);
    pool = pool_set_at(set, 0);
}

static struct server *pick_for(struct pool *from, const struct pool_key *key)
{
    struct server *server = pool_pick(from, key, NULL, 0);
    if (server != NULL)
        server_release(server); /* the pool's view keeps it alive */
    return server;
}

static struct server *of_sender(struct pool *from, unsigned number)
{
    char name[32];
    snprintf(name, sizeof name, "TRADER%u", number);
    struct pool_key key = {.fix_sender = span_text(name)};
    return pick_for(from, &key);
}

static void remember(struct server **where)
{
    for (unsigned i = 0; i < KEYS; i++)
        where[i] = of_sender(pool, i);
}

static const struct maglev *table(const struct pool *of)
{
    return pool_view(of)->tables[false];
}

static const char *owner_of_slot(const struct pool *of, uint32_t slot)
{
    return server_name(pool_view(of)->items[maglev_slot(table(of), slot)].server);
}

/* --- shares ----------------------------------------------------------------------------------- */

START_TEST(every_server_gets_its_share_of_slots_and_keys)
{
    const unsigned servers = (unsigned)_i;
    unsigned slots[64] = {0}, keys[64] = {0};
    compile(HASH_ON_FIX_SENDER, servers);
    ck_assert_uint_ge(maglev_size(table(pool)), 100 * servers);
    for (uint32_t i = 0; i < maglev_size(table(pool)); i++)
        slots[maglev_slot(table(pool), i)]++;
    for (unsigned i = 0; i < KEYS; i++)
        keys[strtoul(server_name(of_sender(pool, i)) + strlen("server-"), NULL, 10)]++;
    unsigned least = KEYS, most = 0;
    for (unsigned i = 0; i < servers; i++) {
        unsigned share = maglev_size(table(pool)) / servers;
        ck_assert_uint_ge(slots[i], share);
        ck_assert_uint_le(slots[i], share + 1);
        least = keys[i] < least ? keys[i] : least;
        most = keys[i] > most ? keys[i] : most;
    }
    printf("hash: %u servers, %u keys: fewest %u, most %u (most/fewest %.3f)\n", servers, KEYS,
           least, most, (double)most / least);
    ck_assert_double_lt((double)most / least, servers <= 10 ? 1.1 : 1.25);
}
END_TEST

START_TEST(slots_are_shared_by_weight)
{
    unsigned slots[3] = {0};
    one_pool_init(&one, BALANCE_HASH);
    add(&one, 0, 256);
    add(&one, 1, 64);
    add(&one, 2, 1);
    set = compile_after(&one, NULL);
    pool = pool_set_at(set, 0);
    for (uint32_t i = 0; i < maglev_size(table(pool)); i++)
        slots[maglev_slot(table(pool), i)]++;
    printf("hash: weights 256, 64, 1: %u, %u, %u slots of %u\n", slots[0], slots[1], slots[2],
           maglev_size(table(pool)));
    ck_assert_int_le(abs((int)slots[0] - 65537 * 256 / 321), 2);
    ck_assert_int_le(abs((int)slots[1] - 65537 * 64 / 321), 2);
    ck_assert_int_le(abs((int)slots[2] - 65537 * 1 / 321), 2);
}
END_TEST

/* --- agreement -------------------------------------------------------------------------------- */

START_TEST(the_order_in_the_file_does_not_matter)
{
    compile(HASH_ON_SOURCE, 12);
    one_pool_init(&other, BALANCE_HASH);
    for (unsigned i = 12; i > 0; i--)
        add(&other, (i * 5) % 12, 1);
    after = compile_after(&other, NULL);
    struct pool *turned = pool_set_at(after, 0);
    for (uint32_t i = 0; i < maglev_size(table(pool)); i++)
        ck_assert_str_eq(owner_of_slot(pool, i), owner_of_slot(turned, i));
}
END_TEST

/* So that gateways of different versions and machines agree, too. */
START_TEST(the_table_is_what_it_has_always_been)
{
    static const struct {
        const char *sender, *server;
    } rows[] = {
        {"A", "server-1"},      {"TRADER1", "server-2"},   {"TRADER2", "server-1"},
        {"CLIENT", "server-3"}, {"BANK_OF_X", "server-2"}, {"9", "server-0"},
    };
    compile(HASH_ON_FIX_SENDER, 5);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pool_key key = {.fix_sender = span_text(rows[i].sender)};
        ck_assert_str_eq(server_name(pick_for(pool, &key)), rows[i].server);
    }
}
END_TEST

/* --- who moves -------------------------------------------------------------------------------- */

START_TEST(only_the_keys_of_a_server_that_is_down_move_and_they_come_back)
{
    static struct server *before[KEYS];
    unsigned moved = 0, shares[10] = {0};
    compile(HASH_ON_FIX_SENDER, 10);
    struct server *gone = pool_server_at(pool, 3);
    remember(before);
    server_set_up(gone, false);
    for (unsigned i = 0; i < KEYS; i++) {
        struct server *now = of_sender(pool, i);
        ck_assert_ptr_ne(now, gone);
        if (before[i] != gone) {
            ck_assert_ptr_eq(now, before[i]);
            continue;
        }
        moved++;
        shares[server_name(now)[strlen("server-")] - '0']++;
    }
    printf("hash: 1 of 10 servers down: %u of %u keys moved (%.4f)\n", moved, KEYS,
           (double)moved / KEYS);
    ck_assert_double_eq_tol((double)moved / KEYS, 0.1, 0.005);
    for (unsigned i = 0; i < 10; i++) /* to all the others alike */
        ck_assert(i == 3 ? shares[i] == 0 : shares[i] > moved / 9 * 8 / 10);
    server_set_up(gone, true);
    for (unsigned i = 0; i < KEYS; i++)
        ck_assert_ptr_eq(of_sender(pool, i), before[i]);
}
END_TEST

START_TEST(a_key_that_moved_stays_when_another_server_goes)
{
    static struct server *before[KEYS];
    compile(HASH_ON_FIX_SENDER, 10);
    server_set_up(pool_server_at(pool, 3), false);
    remember(before);
    struct server *second = pool_server_at(pool, 7);
    server_set_up(second, false);
    for (unsigned i = 0; i < KEYS; i++) {
        if (before[i] != second)
            ck_assert_ptr_eq(of_sender(pool, i), before[i]);
    }
}
END_TEST

START_TEST(a_drained_server_loses_its_keys_like_one_that_is_down)
{
    static struct server *before[KEYS];
    compile(HASH_ON_FIX_SENDER, 4);
    struct server *gone = pool_server_at(pool, 1);
    remember(before);
    pool_set_server_state(pool, gone, SERVER_DRAIN);
    for (unsigned i = 0; i < KEYS; i++) {
        struct server *now = of_sender(pool, i);
        ck_assert(before[i] == gone ? now != gone : now == before[i]);
    }
}
END_TEST

START_TEST(a_configuration_with_one_server_less_moves_little_else)
{
    static char before[KEYS][32];
    unsigned own = 0, others = 0;
    const unsigned servers = 20;
    compile(HASH_ON_FIX_SENDER, servers);
    for (unsigned i = 0; i < KEYS; i++)
        snprintf(before[i], sizeof before[i], "%s", server_name(of_sender(pool, i)));
    fill(&other, HASH_ON_FIX_SENDER, servers - 1);
    after = compile_after(&other, set);
    for (unsigned i = 0; i < KEYS; i++) {
        bool was_its = strcmp(before[i], "server-19") == 0;
        bool moved = strcmp(server_name(of_sender(pool_set_at(after, 0), i)), before[i]) != 0;
        own += moved && was_its;
        others += moved && !was_its;
    }
    printf("hash: 1 of %u servers taken out of the file: %u of its keys and %u others of %u moved "
           "(%.4f, 1/N is %.4f)\n",
           servers, own, others, KEYS, (double)(own + others) / KEYS, 1. / servers);
    ck_assert_double_lt((double)(own + others) / KEYS, 2. / servers);
    ck_assert_double_gt((double)own / KEYS, 0.8 / servers);
}
END_TEST

START_TEST(one_server_of_many_that_is_left_gets_every_key)
{
    compile(HASH_ON_FIX_SENDER, 60);
    for (unsigned i = 0; i < 60; i++)
        server_set_up(pool_server_at(pool, i), i == 41);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_str_eq(server_name(of_sender(pool, i)), "server-41");
    server_set_up(pool_server_at(pool, 41), false);
    ck_assert_ptr_null(of_sender(pool, 1));
}
END_TEST

START_TEST(a_try_that_failed_goes_where_the_key_would_go_without_that_server)
{
    compile(HASH_ON_FIX_SENDER, 5);
    struct pool_key key = {.fix_sender = span_text("TRADER7")};
    struct server *first = pick_for(pool, &key);
    struct server *second = pool_pick(pool, &key, &first, 1);
    server_release(second);
    server_set_up(first, false);
    ck_assert_ptr_eq(pick_for(pool, &key), second);
}
END_TEST

START_TEST(a_weight_of_0_and_a_backup_are_not_in_the_table)
{
    fill(&one, HASH_ON_FIX_SENDER, 4);
    one.servers[1].weight = 0;
    one.servers[2].backup = true;
    set = compile_after(&one, NULL);
    pool = pool_set_at(set, 0);
    for (unsigned i = 0; i < 1000; i++) {
        const char *name = server_name(of_sender(pool, i));
        ck_assert(strcmp(name, "server-0") == 0 || strcmp(name, "server-3") == 0);
    }
    server_set_up(pool_server_at(pool, 0), false);
    server_set_up(pool_server_at(pool, 3), false);
    ck_assert_str_eq(server_name(of_sender(pool, 1)), "server-2");
}
END_TEST

/* --- what is hashed --------------------------------------------------------------------------- */

static struct ip_address ip(const char *text)
{
    struct address address;
    ck_assert(address_parse_ip(&address, span_text(text)));
    return address_to_ip(&address);
}

START_TEST(each_pool_goes_by_its_own_fact)
{
    struct ip_address source = ip("192.0.2.77");
    const enum hash_on on = (enum hash_on)_i;
    compile(on, 8);
    unsigned by_source = 0, by_sni = 0, by_sender = 0;
    struct pool_key key = {&source, span_text("a.example.com"), span_text("TRADER")};
    struct server *first = pick_for(pool, &key);
    for (unsigned i = 0; i < 100; i++) {
        char text[32];
        snprintf(text, sizeof text, "other%u", i);
        struct ip_address moved = source;
        moved.v4.s_addr += i + 1;
        struct pool_key changed[] = {key, key, key};
        changed[HASH_ON_SOURCE].source = &moved;
        changed[HASH_ON_SNI].sni = span_text(text);
        changed[HASH_ON_FIX_SENDER].fix_sender = span_text(text);
        by_source += pick_for(pool, &changed[HASH_ON_SOURCE]) != first;
        by_sni += pick_for(pool, &changed[HASH_ON_SNI]) != first;
        by_sender += pick_for(pool, &changed[HASH_ON_FIX_SENDER]) != first;
    }
    ck_assert(on == HASH_ON_SOURCE ? by_source > 50 : by_source == 0);
    ck_assert(on == HASH_ON_SNI ? by_sni > 50 : by_sni == 0);
    ck_assert(on == HASH_ON_FIX_SENDER ? by_sender > 50 : by_sender == 0);
}
END_TEST

START_TEST(without_its_fact_the_source_counts)
{
    compile((enum hash_on)_i, 8);
    unsigned different = 0;
    for (unsigned i = 0; i < 100; i++) {
        struct ip_address source = ip("192.0.2.0");
        source.v4.s_addr += htonl(i);
        source.port = htons(4711);
        struct pool_key key = {.source = &source};
        struct server *first = pick_for(pool, &key);
        source.port = htons(4712); /* another connection of the same client */
        ck_assert_ptr_eq(pick_for(pool, &key), first);
        different += first != pool_server_at(pool, 0);
    }
    ck_assert_uint_gt(different, 50);
}
END_TEST

START_TEST(of_an_ipv6_source_the_whole_address_counts)
{
    compile(HASH_ON_SOURCE, 8);
    struct ip_address source = ip("2001:db8::1");
    struct pool_key key = {.source = &source};
    struct server *first = pick_for(pool, &key);
    unsigned different = 0;
    for (unsigned char i = 2; i < 100; i++) {
        source.v6.s6_addr[15] = i;
        different += pick_for(pool, &key) != first;
    }
    ck_assert_uint_gt(different, 50);
}
END_TEST

START_TEST(a_source_without_an_address_has_a_server_too)
{
    struct ip_address none = {0};
    struct pool_key key = {.source = &none};
    compile(HASH_ON_SOURCE, 8);
    ck_assert_ptr_nonnull(pick_for(pool, &key));
    ck_assert_ptr_eq(pick_for(pool, &key), pick_for(pool, &(struct pool_key){0}));
}
END_TEST

/* --- random2 ---------------------------------------------------------------------------------- */

/* Sessions that stay: the two choices keep everybody within a few of the others, where one choice
 * would leave them √ apart. */
START_TEST(random2_keeps_loads_close_together)
{
    enum { SERVERS = 10, SESSIONS = 10000 };
    static struct server *held[SESSIONS];
    one_pool_init(&one, BALANCE_RANDOM2);
    for (unsigned i = 0; i < SERVERS; i++)
        add(&one, i, 1);
    set = compile_after(&one, NULL);
    pool = pool_set_at(set, 0);
    for (unsigned i = 0; i < SESSIONS; i++)
        held[i] = pick(pool);
    unsigned least = SESSIONS, most = 0;
    for (unsigned i = 0; i < SERVERS; i++) {
        unsigned now = server_sessions(pool_server_at(pool, i));
        least = now < least ? now : least;
        most = now > most ? now : most;
    }
    printf("random2: %d sessions on %d servers: fewest %u, most %u\n", SESSIONS, SERVERS, least,
           most);
    ck_assert_uint_le(most - least, 20);
    for (unsigned i = 0; i < SESSIONS; i++)
        server_release(held[i]);
}
END_TEST

START_TEST(random2_goes_by_weight)
{
    enum { SESSIONS = 4000 };
    static struct server *held[SESSIONS];
    one_pool_init(&one, BALANCE_RANDOM2);
    add(&one, 0, 6);
    add(&one, 1, 1);
    add(&one, 2, 1);
    add(&one, 3, 0);
    set = compile_after(&one, NULL);
    pool = pool_set_at(set, 0);
    for (unsigned i = 0; i < SESSIONS; i++)
        held[i] = pick(pool);
    ck_assert_double_eq_tol(server_sessions(pool_server_at(pool, 0)), SESSIONS * 6. / 8, 100);
    ck_assert_double_eq_tol(server_sessions(pool_server_at(pool, 1)), SESSIONS * 1. / 8, 60);
    ck_assert_uint_eq(server_sessions(pool_server_at(pool, 3)), 0);
    for (unsigned i = 0; i < SESSIONS; i++)
        server_release(held[i]);
}
END_TEST

START_TEST(random2_takes_the_only_one_there_is)
{
    one_pool_init(&one, BALANCE_RANDOM2);
    add(&one, 0, 1);
    add(&one, 1, 1);
    set = compile_after(&one, NULL);
    pool = pool_set_at(set, 0);
    server_set_up(pool_server_at(pool, 0), false);
    ck_assert_str_eq(next_of(pool), "server-1");
    server_set_up(pool_server_at(pool, 1), false);
    ck_assert_str_eq(next_of(pool), "-");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hash");
    TCase *c = tcase_create("hash");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, NULL, tear_down);
    tcase_add_loop_test(c, every_server_gets_its_share_of_slots_and_keys, 1, 2);
    tcase_add_loop_test(c, every_server_gets_its_share_of_slots_and_keys, 3, 4);
    tcase_add_loop_test(c, every_server_gets_its_share_of_slots_and_keys, 10, 11);
    tcase_add_loop_test(c, every_server_gets_its_share_of_slots_and_keys, 60, 61);
    tcase_add_test(c, slots_are_shared_by_weight);
    tcase_add_test(c, the_order_in_the_file_does_not_matter);
    tcase_add_test(c, the_table_is_what_it_has_always_been);
    tcase_add_test(c, only_the_keys_of_a_server_that_is_down_move_and_they_come_back);
    tcase_add_test(c, a_key_that_moved_stays_when_another_server_goes);
    tcase_add_test(c, a_drained_server_loses_its_keys_like_one_that_is_down);
    tcase_add_test(c, a_configuration_with_one_server_less_moves_little_else);
    tcase_add_test(c, one_server_of_many_that_is_left_gets_every_key);
    tcase_add_test(c, a_try_that_failed_goes_where_the_key_would_go_without_that_server);
    tcase_add_test(c, a_weight_of_0_and_a_backup_are_not_in_the_table);
    tcase_add_loop_test(c, each_pool_goes_by_its_own_fact, 0, 3);
    tcase_add_loop_test(c, without_its_fact_the_source_counts, 0, 3);
    tcase_add_test(c, of_an_ipv6_source_the_whole_address_counts);
    tcase_add_test(c, a_source_without_an_address_has_a_server_too);
    tcase_add_test(c, random2_keeps_loads_close_together);
    tcase_add_test(c, random2_goes_by_weight);
    tcase_add_test(c, random2_takes_the_only_one_there_is);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
