/* The base floor: addresses, networks, names, units, text, buffers. */
#include "base/address.h"
#include "base/buffer.h"
#include "base/cidr.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/name.h"
#include "base/origin.h"
#include "base/siphash.h"
#include "base/text.h"
#include "base/units.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(durations_are_a_whole_number_and_one_unit)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t ms;
    } rows[] = {
        {"0s", true, 0},
        {"1ms", true, 1},
        {"2s", true, 2000},
        {"5m", true, 300000},
        {"1h", true, 3600000},
        {"2d", true, 172800000},
        {"", false, 0},
        {"2", false, 0},
        {"s", false, 0},
        {"1.5s", false, 0},
        {"-1s", false, 0},
        {"2 s", false, 0},
        {"2sec", false, 0},
        {"1h30m", false, 0},
        {"18446744073709551616s", false, 0},
        {"999999999999999999d", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t ms = 1;
        ck_assert_msg(duration_parse(&ms, span_text(rows[i].text)) == rows[i].good, "%s",
                      rows[i].text);
        if (rows[i].good)
            ck_assert_uint_eq(ms, rows[i].ms);
    }
}
END_TEST

START_TEST(formatting_gives_the_shortest_exact_form)
{
    char text[24];
    duration_format(2000, text);
    ck_assert_str_eq(text, "2s");
    duration_format(1500, text);
    ck_assert_str_eq(text, "1500ms");
    duration_format(0, text);
    ck_assert_str_eq(text, "0ms");
    duration_format(86400000, text);
    ck_assert_str_eq(text, "1d");
    size_format(65536, text);
    ck_assert_str_eq(text, "64k");
    size_format(1u << 30, text);
    ck_assert_str_eq(text, "1g");
}
END_TEST

START_TEST(addresses_are_read_and_written_back)
{
    static const struct {
        const char *text, *back; /* back NULL: refused */
    } rows[] = {
        {"1.2.3.4:80", "1.2.3.4:80"},
        {"[::1]:80", "[::1]:80"},
        {"[::ffff:1.2.3.4]:80", "1.2.3.4:80"},
        {"unix:/run/x.sock", "unix:/run/x.sock"},
        {"unix:@muxgate", "unix:@muxgate"},
        {"1.2.3.4", NULL},
        {"1.2.3.4:", NULL},
        {"1.2.3.4:65536", NULL},
        {"1.2.3.4:8o", NULL},
        {"1.2.3:80", NULL},
        {"::1:80", NULL},
        {"[::1:80", NULL},
        {"name:80", NULL},
        {"unix:", NULL},
        {"unix:@", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct address a;
        struct error error = {0};
        bool good = address_parse(&a, span_text(rows[i].text), &error);
        ck_assert_msg(good == (rows[i].back != NULL), "%s: %s", rows[i].text, error.text);
        if (!good)
            continue;
        char text[ADDRESS_TEXT_MAX];
        address_format(&a, text);
        ck_assert_str_eq(text, rows[i].back);
    }
}
END_TEST

static bool contains(const char *network, const char *ip)
{
    struct cidr c;
    struct address a;
    struct error error;
    ck_assert(cidr_parse(&c, span_text(network), &error));
    ck_assert(address_parse_ip(&a, span_text(ip)));
    struct cidr_set *set;
    ck_assert(cidr_set_create(&set, &c, 1));
    bool found = cidr_set_contains(set, &a);
    ck_assert(found == cidr_contains(&c, &a));
    cidr_set_free(set);
    return found;
}

START_TEST(networks_contain_their_addresses_only)
{
    ck_assert(contains("10.0.0.0/8", "10.255.255.255"));
    ck_assert(!contains("10.0.0.0/8", "11.0.0.0"));
    ck_assert(contains("0.0.0.0/0", "1.2.3.4"));
    ck_assert(!contains("0.0.0.0/0", "::1"));
    ck_assert(contains("::/0", "::1"));
    ck_assert(!contains("::/0", "1.2.3.4"));
    ck_assert(contains("127.0.0.1", "127.0.0.1"));
    ck_assert(!contains("127.0.0.1", "127.0.0.2"));
    ck_assert(contains("2001:db8::/33", "2001:db8:7fff::1"));
    ck_assert(!contains("2001:db8::/33", "2001:db8:8000::1"));
}
END_TEST

START_TEST(a_network_with_host_bits_is_refused_with_the_one_meant)
{
    struct cidr c;
    struct error error;
    ck_assert(!cidr_parse(&c, span_text("10.1.2.3/8"), &error));
    ck_assert_ptr_nonnull(strstr(error.text, "10.0.0.0/8"));
    ck_assert(!cidr_parse(&c, span_text("10.0.0.0/33"), &error));
    ck_assert(!cidr_parse(&c, span_text("10.0.0.0/"), &error));
    ck_assert(!cidr_parse(&c, span_text("somewhere"), &error));
}
END_TEST

/* The set against a plain walk over the list, on networks that nest and repeat. */
START_TEST(a_set_of_networks_answers_as_the_list_does)
{
    enum { COUNT = 500 };
    static struct cidr list[COUNT];
    srand(1);
    for (size_t i = 0; i < COUNT; i++) {
        char text[64];
        struct error error;
        unsigned bits = 8u + (unsigned)rand() % 25u;
        uint32_t ip = (uint32_t)rand() & (bits == 0 ? 0 : UINT32_MAX << (32 - bits));
        (void)snprintf(text, sizeof text, "%u.%u.%u.%u/%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255,
                       ip & 255, bits);
        ck_assert(cidr_parse(&list[i], span_text(text), &error));
    }
    struct cidr_set *set;
    ck_assert(cidr_set_create(&set, list, COUNT));
    for (int probe = 0; probe < 20000; probe++) {
        struct address a = {.length = sizeof a.v4};
        a.v4.sin_family = AF_INET;
        a.v4.sin_addr.s_addr = htonl((uint32_t)rand());
        bool expected = false;
        for (size_t i = 0; i < COUNT && !expected; i++)
            expected = cidr_contains(&list[i], &a);
        ck_assert(cidr_set_contains(set, &a) == expected);
    }
    cidr_set_free(set);
    ck_assert(!cidr_set_contains(NULL, &(struct address){0}));
}
END_TEST

START_TEST(names_are_compared_in_one_form)
{
    char name[NAME_MAX_LENGTH + 1];
    ck_assert(name_normalise(name, span_text("WWW.Example.COM.")));
    ck_assert_str_eq(name, "www.example.com");
    ck_assert(name_normalise(name, span_text("a")));
    static const char *const bad[] = {"", ".", "a..b", ".a", "a b", "a/b", "a..", "\xc3\xa4.de"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(!name_normalise(name, span_text(bad[i])), "%s", bad[i]);
    ck_assert(!name_normalise(name, span_of("a\0b", 3)));
    char long_label[66];
    memset(long_label, 'a', 65);
    ck_assert(!name_normalise(name, span_of(long_label, 64)));
    ck_assert(name_normalise(name, span_of(long_label, 63)));
}
END_TEST

START_TEST(a_wildcard_stands_for_labels_in_front_never_for_none)
{
    ck_assert(name_matches("*.example.com", span_text("a.example.com")));
    ck_assert(name_matches("*.example.com", span_text("b.a.example.com")));
    ck_assert(!name_matches("*.example.com", span_text("example.com")));
    ck_assert(!name_matches("*.example.com", span_text("badexample.com")));
    ck_assert(name_matches("example.com", span_text("example.com")));
    ck_assert(!name_matches("example.com", span_text("a.example.com")));
    ck_assert(!name_matches("example.com", span_text("")));
}
END_TEST

START_TEST(json_text_is_valid_whatever_came_in)
{
    struct text t = {0};
    text_add_json(&t, span_of("a\"\\\n\x01\xff\xc3\xa4\xed\xa0\x80", 11));
    ck_assert_str_eq(
        t.data, "\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    text_clear(&t);
    text_add_plain(&t, span_text("a b\n"));
    ck_assert_str_eq(t.data, "\"a b\\x0a\"");
    text_clear(&t);
    text_format(&t, "%d-%s", 7, "x");
    ck_assert_str_eq(t.data, "7-x");
    text_release(&t);
}
END_TEST

START_TEST(a_buffer_keeps_bytes_in_order)
{
    struct buffer b = {0};
    unsigned char next_in = 0, next_out = 0;
    srand(2);
    for (int turn = 0; turn < 10000; turn++) {
        unsigned char bytes[97];
        size_t in = (size_t)rand() % sizeof bytes, out = (size_t)rand() % sizeof bytes;
        for (size_t i = 0; i < in; i++)
            bytes[i] = next_in++;
        ck_assert(buffer_append(&b, span_of(bytes, in)));
        struct span held = span_first(buffer_span(&b), out);
        for (size_t i = 0; i < held.length; i++)
            ck_assert_uint_eq(held.data[i], next_out++);
        buffer_consume(&b, out);
    }
    buffer_release(&b);
    ck_assert_uint_eq(buffer_length(&b), 0);
    ck_assert_ptr_null(b.memory);
}
END_TEST

START_TEST(times_are_rfc3339_in_utc)
{
    char text[CLOCK_TEXT_MAX];
    clock_format(UINT64_C(1763714099123), text);
    ck_assert_str_eq(text, "2025-11-21T08:34:59.123Z");
}
END_TEST

START_TEST(lists_survive_removal_while_walking)
{
    struct list head, other, nodes[5];
    list_init(&head);
    list_init(&other);
    for (size_t i = 0; i < 5; i++)
        list_append(i < 3 ? &head : &other, &nodes[i]);
    list_splice(&head, &other);
    ck_assert(list_empty(&other));
    size_t seen = 0;
    LIST_EACH(&head, node)
    {
        ck_assert_ptr_eq(node, &nodes[seen++]);
        list_remove(node);
    }
    ck_assert_uint_eq(seen, 5);
    ck_assert(list_empty(&head));
}
END_TEST

/* --- origin ----------------------------------------------------------------------------------- */

static const struct {
    const char *text, *shown; /* NULL: refused */
} origins[] = {
    {"10.0.0.5", "10.0.0.5"},
    {"10.0.0.5:20000-29999", "10.0.0.5:20000-29999"},
    {"10.0.0.5:1-65535", "10.0.0.5:1-65535"},
    {"10.0.0.5:7-7", "10.0.0.5:7-7"},
    {"0.0.0.0:20000-29999", "0.0.0.0:20000-29999"},
    {"::1", "::1"},
    {"[::1]", "::1"},
    {"[2001:db8::5]:20000-29999", "[2001:db8::5]:20000-29999"},
    {"::ffff:10.0.0.5", "10.0.0.5"},
    {"", NULL},
    {":", NULL},
    {"-", NULL},
    {":1-2", NULL},
    {"10.0.0.5:", NULL},
    {"10.0.0.5:-", NULL},
    {"10.0.0.5:80", NULL},
    {"10.0.0.5:0-80", NULL},
    {"10.0.0.5:80-65536", NULL},
    {"10.0.0.5:80-", NULL},
    {"10.0.0.5:-80", NULL},
    {"10.0.0.5:1-2-3", NULL},
    {"10.0.0.5:90-80", NULL},
    {"10.0.0.5: 80-90", NULL},
    {"::1:80-90", NULL},
    {"[::1]80-90", NULL},
    {"localhost", NULL},
    {"localhost:80-90", NULL},
    {"*", NULL},
    {"unix:@x", NULL},
};

START_TEST(an_origin_is_an_address_with_or_without_a_range_of_ports)
{
    struct origin origin;
    struct error error;
    char shown[ORIGIN_TEXT_MAX];
    bool done = origin_parse(&origin, span_text(origins[_i].text), &error);
    ck_assert_msg(done == (origins[_i].shown != NULL), "%s", origins[_i].text);
    if (!done)
        return;
    origin_format(&origin, shown);
    ck_assert_str_eq(shown, origins[_i].shown);
}
END_TEST

/* The paper's example (appendix A) and the first of the reference implementation's vectors: byte i
 * of key and input is i. */
START_TEST(siphash_gives_the_published_numbers)
{
    static const struct {
        size_t length;
        uint64_t hash;
    } rows[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},
        {1, UINT64_C(0x74f839c593dc67fd)},
        {15, UINT64_C(0xa129ca6149be45e5)},
    };
    static const struct siphash_key key = {UINT64_C(0x0706050403020100),
                                           UINT64_C(0x0f0e0d0c0b0a0908)};
    unsigned char bytes[16];
    for (unsigned char i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ck_assert_uint_eq(siphash(key, span_of(bytes, rows[i].length)), rows[i].hash);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tests = tcase_create("base");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, durations_are_a_whole_number_and_one_unit);
    tcase_add_test(tests, formatting_gives_the_shortest_exact_form);
    tcase_add_test(tests, addresses_are_read_and_written_back);
    tcase_add_test(tests, networks_contain_their_addresses_only);
    tcase_add_test(tests, a_network_with_host_bits_is_refused_with_the_one_meant);
    tcase_add_test(tests, a_set_of_networks_answers_as_the_list_does);
    tcase_add_test(tests, names_are_compared_in_one_form);
    tcase_add_test(tests, a_wildcard_stands_for_labels_in_front_never_for_none);
    tcase_add_test(tests, json_text_is_valid_whatever_came_in);
    tcase_add_test(tests, a_buffer_keeps_bytes_in_order);
    tcase_add_test(tests, times_are_rfc3339_in_utc);
    tcase_add_loop_test(tests, an_origin_is_an_address_with_or_without_a_range_of_ports, 0,
                        (int)COUNT_OF(origins));
    tcase_add_test(tests, lists_survive_removal_while_walking);
    tcase_add_test(tests, siphash_gives_the_published_numbers);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
