/* What a name stands for: the lists of found servers, their names, and how long an answer holds. */
#include "../../src/pool/dns_ttl.h"
#include "../../src/pool/resolve.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>

/* --- lists ------------------------------------------------------------------------------------ */

static struct found_list list;

static void teardown(void)
{
    found_release(&list);
}

static void add(const char *address, unsigned priority, unsigned weight)
{
    struct found found = {.priority = priority, .weight = weight};
    ck_assert(address_parse(&found.address, span_text(address), NULL));
    ck_assert(found_add(&list, &found));
}

/* "ADDRESS*WEIGHT", a backup in brackets. */
static void expect(const char *expected)
{
    char all[1024] = "";
    for (size_t i = 0; i < list.count; i++) {
        const struct found *f = &list.items[i];
        char text[ADDRESS_TEXT_MAX], one[ADDRESS_TEXT_MAX + 16];
        address_format(&f->address, text);
        snprintf(one, sizeof one, f->backup ? "(%s*%u) " : "%s*%u ", text, f->weight);
        strncat(all, one, sizeof all - strlen(all) - 1);
    }
    if (all[0] != '\0')
        all[strlen(all) - 1] = '\0';
    ck_assert_str_eq(all, expected);
}

START_TEST(a_list_has_one_order_whatever_order_it_was_told_in)
{
    static const char *const addresses[] = {"127.0.0.9:1", "127.0.0.10:1", "127.0.0.9:2",
                                            "127.0.0.1:1"};
    for (size_t from = 0; from < 4; from++) {
        for (size_t i = 0; i < 4; i++)
            add(addresses[(from + i) % 4], 0, 1);
        add(addresses[from], 0, 1); /* once more */
        found_settle(&list, false);
        expect("127.0.0.1:1*1 127.0.0.9:1*1 127.0.0.9:2*1 127.0.0.10:1*1");
        found_release(&list);
    }
}
END_TEST

START_TEST(the_first_priority_serves_and_all_others_are_backups)
{
    add("127.0.0.1:1", 20, 5);
    add("127.0.0.2:1", 10, 7);
    add("127.0.0.3:1", 30, 9);
    add("127.0.0.4:1", 10, 1);
    add("127.0.0.2:1", 30, 3); /* the same server again, further behind */
    found_settle(&list, true);
    expect("127.0.0.2:1*7 127.0.0.4:1*1 (127.0.0.1:1*5) (127.0.0.3:1*9)");
}
END_TEST

START_TEST(weights_over_256_are_scaled_and_none_is_0)
{
    add("127.0.0.1:1", 0, 65535);
    add("127.0.0.2:1", 0, 32768);
    add("127.0.0.3:1", 0, 100);
    add("127.0.0.4:1", 0, 0);
    found_settle(&list, true);
    expect("127.0.0.1:1*256 127.0.0.2:1*128 127.0.0.3:1*1 127.0.0.4:1*1");
}
END_TEST

START_TEST(of_too_many_the_same_ones_are_taken_each_time)
{
    for (unsigned from = 0; from < 300; from += 100) {
        for (unsigned i = 0; i < 300; i++) {
            char text[32];
            snprintf(text, sizeof text, "127.2.%u.%u:1", (from + i) % 300 / 100,
                     (from + i) % 100 + 1);
            add(text, 0, 1);
        }
        found_settle(&list, false);
        ck_assert(list.cut);
        ck_assert_uint_eq(list.count, FOUND_MAX);
        ck_assert_uint_eq(ntohl(list.items[0].address.v4.sin_addr.s_addr), 0x7f020001);
        ck_assert_uint_eq(ntohl(list.items[255].address.v4.sin_addr.s_addr), 0x7f020238);
        found_release(&list);
    }
}
END_TEST

START_TEST(what_cannot_be_reached_goes_unless_nothing_were_left)
{
    add("255.255.255.255:1", 0, 1); /* broadcast: not to be connected to, but there is a way */
    found_settle(&list, false);
    ck_assert_uint_eq(list.count, 1);
    found_release(&list);
    found_settle(&list, true);
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

static char server_name_text[] = "app:1";

START_TEST(one_address_has_the_servers_name_and_several_are_told_apart)
{
    struct model_server model = {.name = server_name_text, .weight = 3};
    struct named_list named;
    model.address.kind = HOST_NAME;
    add("127.0.0.1:1", 0, 1);
    ck_assert(named_create(&named, &list, &model));
    ck_assert_ptr_null(named.items[0].suffix);
    ck_assert_uint_eq(named.items[0].weight, 3);
    named_release(&named);
    add("[::1]:1", 0, 1);
    ck_assert(named_create(&named, &list, &model));
    ck_assert_str_eq(named.items[0].suffix, "127.0.0.1:1");
    ck_assert_str_eq(named.items[1].suffix, "[::1]:1");
    named_release(&named);
}
END_TEST

START_TEST(srv_servers_are_known_by_their_records_targets)
{
    struct model_server model = {.name = server_name_text, .weight = 1};
    struct named_list named;
    model.address.kind = HOST_SRV;
    for (int order = 0; order < 2; order++) {
        add("127.0.0.1:1", 1, 7);
        add("127.0.0.1:1", 1, 7); /* of two names for one server always the same one */
        add("127.0.0.2:1", 1, 7);
        strcpy(list.items[order].host, "a.test");
        strcpy(list.items[1 - order].host, "b.test");
        found_settle(&list, true);
        ck_assert(named_create(&named, &list, &model));
        ck_assert_uint_eq(named.count, 2);
        ck_assert_str_eq(named.items[0].host, "a.test");
        ck_assert_ptr_null(named.items[1].host);
        named_release(&named);
        found_release(&list);
    }
}
END_TEST

START_TEST(srv_servers_have_their_records_weights_but_for_a_weight_of_0)
{
    struct model_server model = {.name = server_name_text, .weight = 1};
    struct named_list named;
    model.address.kind = HOST_SRV;
    add("127.0.0.1:1", 1, 7);
    add("127.0.0.2:1", 2, 7);
    found_settle(&list, true);
    ck_assert(named_create(&named, &list, &model));
    ck_assert_str_eq(named.items[0].suffix, "127.0.0.1:1");
    ck_assert_uint_eq(named.items[0].weight, 7);
    ck_assert(!named.items[0].backup && named.items[1].backup);
    named_release(&named);
    model.weight = 0;
    model.backup = true;
    ck_assert(named_create(&named, &list, &model));
    ck_assert_uint_eq(named.items[0].weight, 0);
    ck_assert(named.items[0].backup && named.items[1].backup);
    named_release(&named);
}
END_TEST

/* --- TTL -------------------------------------------------------------------------------------- */

#define HEAD(questions, answers) "\x4d\x47\x81\x80\0" questions "\0" answers "\0\0\0\0"
#define QUESTION                 "\4_fix\4_tcp\4test\0\0\x21\0\1"
#define RECORD(name, ttl)        name "\0\x21\0\1" ttl "\0\7\0\1\0\2\0\x50\0"
#define POINTER                  "\xc0\x0c"

#define MESSAGE(text) text, sizeof text - 1
static const struct {
    const char *bytes;
    size_t length;
    bool told;
    uint32_t ttl;
} messages[] = {
    {MESSAGE(HEAD("\1", "\1") QUESTION RECORD(POINTER, "\0\0\0\x3c")), true, 60},
    {MESSAGE(HEAD("\1", "\2") QUESTION RECORD(POINTER, "\0\0\0\x3c") RECORD(POINTER, "\0\0\0\5")),
     true, 5},
    {MESSAGE(HEAD("\1", "\2") QUESTION RECORD(POINTER, "\0\1\0\0")
                 RECORD("\1a\xc0\x0c", "\xff\0\0\5")),
     true, 0},
    {MESSAGE(HEAD("\0", "\1") RECORD("\0", "\0\0\0\1")), true, 1},
    {MESSAGE(HEAD("\1", "\0") QUESTION), false, 0},
    {MESSAGE(HEAD("\1", "\1") "\x40"
                              "bad"),
     false, 0},
    {MESSAGE(HEAD("\0", "\1") RECORD("\x80", "\0\0\0\1")), false, 0},
};

START_TEST(an_answer_holds_as_long_as_its_shortest_record)
{
    uint32_t ttl = 4711;
    struct span whole = span_of(messages[_i].bytes, messages[_i].length);
    ck_assert_int_eq(dns_least_ttl(whole, &ttl), messages[_i].told);
    if (messages[_i].told)
        ck_assert_uint_eq(ttl, messages[_i].ttl);
    /* Cut anywhere: told from what the sanitizers see, or not at all. */
    for (size_t n = 0; n < whole.length; n++) {
        unsigned char *copy = malloc(n + 1);
        memcpy(copy, whole.data, n);
        ck_assert(!dns_least_ttl(span_of(copy, n), &ttl));
        free(copy);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names");
    TCase *tests = tcase_create("names");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, a_list_has_one_order_whatever_order_it_was_told_in);
    tcase_add_test(tests, the_first_priority_serves_and_all_others_are_backups);
    tcase_add_test(tests, weights_over_256_are_scaled_and_none_is_0);
    tcase_add_test(tests, of_too_many_the_same_ones_are_taken_each_time);
    tcase_add_test(tests, what_cannot_be_reached_goes_unless_nothing_were_left);
    tcase_add_test(tests, one_address_has_the_servers_name_and_several_are_told_apart);
    tcase_add_test(tests, srv_servers_are_known_by_their_records_targets);
    tcase_add_test(tests, srv_servers_have_their_records_weights_but_for_a_weight_of_0);
    tcase_add_loop_test(tests, an_answer_holds_as_long_as_its_shortest_record, 0,
                        (int)COUNT_OF(messages));
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
