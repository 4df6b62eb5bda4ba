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
#include "suite.h"

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

/* Every width of both families, by the definition: parsing refuses bits behind the prefix. */
START_TEST(the_network_of_a_width_holds_its_address)
{
    static const char *const texts[] = {"203.0.113.255:1", "[2001:db8:ffff::ffff:1]:1"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct address a;
        struct cidr whole, network;
        ck_assert(address_parse(&a, span_text(texts[i]), NULL));
        unsigned bits = i == 0 ? 32 : 128;
        ck_assert(cidr_of(&whole, &a, bits));
        for (unsigned width = 0; width <= bits; width++) {
            ck_assert(cidr_of(&network, &a, width));
            ck_assert_uint_eq(network.family_bits, bits);
            ck_assert_uint_eq(network.prefix_bits, width);
            ck_assert(cidr_contains(&network, &a));
            for (unsigned bit = 0; bit < bits; bit++) {
                uint8_t mask = (uint8_t)(0x80u >> bit % 8);
                uint8_t wanted = bit < width ? whole.network[bit / 8] & mask : 0;
                ck_assert_uint_eq(network.network[bit / 8] & mask, wanted);
            }
        }
        ck_assert(!cidr_of(&network, &a, bits + 1));
    }
    ck_assert(!cidr_of(&(struct cidr){0}, &(struct address){0}, 0));
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

/* In a space so small that networks lie side by side: against a walk over all of its addresses. */
START_TEST(networks_side_by_side_cover_what_none_of_them_does)
{
    enum { COUNT = 60, SPACE = 256 };
    struct cidr list[COUNT];
    srand(2);
    for (int round = 0; round < 200; round++) {
        bool in[SPACE] = {false};
        size_t count = 1 + (size_t)rand() % COUNT;
        for (size_t i = 0; i < count; i++) {
            unsigned bits = 27u + (unsigned)rand() % 6u, size = 1u << (32u - bits);
            unsigned first = (unsigned)rand() % SPACE / size * size;
            list[i] = (struct cidr){32, (uint8_t)bits, {255, 255, 255, (uint8_t)first}};
            for (unsigned k = first; k < first + size; k++)
                in[k] = true;
        }
        struct cidr_set *set;
        ck_assert(cidr_set_create(&set, list, count));
        for (unsigned bits = 24; bits <= 32; bits++) {
            unsigned size = 1u << (32u - bits);
            for (unsigned first = 0; first < SPACE; first += size) {
                struct cidr asked = {32, (uint8_t)bits, {255, 255, 255, (uint8_t)first}};
                bool all = true;
                for (unsigned k = first; k < first + size; k++)
                    all = all && in[k];
                ck_assert_int_eq(cidr_set_covers(set, &asked), all);
            }
        }
        cidr_set_free(set);
    }
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
    ck_assert_ptr_null(b.body);
}
END_TEST

START_TEST(times_are_rfc3339_in_utc)
{
    char text[CLOCK_TEXT_MAX];
    clock_format(UINT64_C(1763714099123), text);
    ck_assert_str_eq(text, "2025-11-21T08:34:59.123Z");
}
END_TEST

static const struct {
    const char *text;
    uint64_t seconds; /* 0: refused */
} times[] = {
    {"2000-01-01T00:00:00Z", UINT64_C(946684800)},
    {"2027-03-31T16:00:00Z", UINT64_C(1806508800)},
    {"2027-03-31t18:00:00+02:00", UINT64_C(1806508800)},
    {"2027-03-31T10:30:00-05:30", UINT64_C(1806508800)},
    {"2027-03-31T16:00:00-00:00", UINT64_C(1806508800)},
    {"2028-02-29T23:59:60z", UINT64_C(1835481600)},
    {"9999-12-31T23:59:59Z", UINT64_C(253402300799)},
    {"1999-12-31T23:59:59Z", 0},
    {"2027-02-29T00:00:00Z", 0},
    {"2100-02-29T00:00:00Z", 0},
    {"2027-04-31T00:00:00Z", 0},
    {"2027-00-01T00:00:00Z", 0},
    {"2027-13-01T00:00:00Z", 0},
    {"2027-01-00T00:00:00Z", 0},
    {"2027-01-01T24:00:00Z", 0},
    {"2027-01-01T00:60:00Z", 0},
    {"2027-01-01T00:00:61Z", 0},
    {"2027-01-01T00:00:00", 0},
    {"2027-03-31T18:00:00.999+02:00", UINT64_C(1806508800)},
    {"2027-01-01T00:00:00.Z", 0},
    {"2027-01-01T00:00:00.0", 0},
    {"2027-01-01T00:00:00,0Z", 0},
    {"2027-01-01T00:00:00+24:00", 0},
    {"2027-01-01T00:00:00+00:60", 0},
    {"2027-01-01T00:00:00+0000", 0},
    {"2027-01-01T00:00:00Zulu", 0},
    {"2027-01-01 00:00:00Z", 0},
    {"2027-01-01", 0},
    {"1806508800", 0},
    {"", 0},
};

START_TEST(a_time_has_its_offset_and_counts_in_whole_seconds)
{
    uint64_t seconds = 0;
    bool good = clock_parse(&seconds, span_text(times[_i].text));
    ck_assert_msg(good == (times[_i].seconds != 0), "%s", times[_i].text);
    ck_assert_msg(seconds == times[_i].seconds, "%s: %lld", times[_i].text, (long long)seconds);
}
END_TEST

START_TEST(every_time_that_is_written_is_read_again)
{
    char text[CLOCK_TEXT_MAX];
    for (uint64_t seconds = 946684800; seconds < UINT64_C(253402300800); seconds += 2999999) {
        uint64_t again;
        clock_format_seconds(seconds, text);
        ck_assert_msg(clock_parse(&again, span_text(text)) && again == seconds, "%s", text);
    }
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

static const struct {
    const char *text;
    bool good;
    uint64_t count, period_ms;
    const char *back;
} rate_rows[] = {
    {"20/s", true, 20, 1000, "20/s"}, {"007/m", true, 7, 60000, "7/m"},
    {"1/h", true, 1, 3600000, "1/h"}, {"20", false, 0, 0, NULL},
    {"/s", false, 0, 0, NULL},        {"20/d", false, 0, 0, NULL},
    {"20/ms", false, 0, 0, NULL},     {"20 /s", false, 0, 0, NULL},
    {"-1/s", false, 0, 0, NULL},      {"99999999999999999999/s", false, 0, 0, NULL},
};

START_TEST(rates_are_a_number_in_a_second_a_minute_or_an_hour)
{
    struct rate rate;
    char text[24];
    bool good = rate_parse(&rate, span_text(rate_rows[_i].text));
    ck_assert_msg(good == rate_rows[_i].good, "%s", rate_rows[_i].text);
    if (!good)
        return;
    ck_assert_uint_eq(rate.count, rate_rows[_i].count);
    ck_assert_uint_eq(rate.period_ms, rate_rows[_i].period_ms);
    rate_format(&rate, text);
    ck_assert_str_eq(text, rate_rows[_i].back);
}
END_TEST

/* --- many networks ---------------------------------------------------------------------------- */

#define NETWORKS 50000
#define LOOK_UPS 400

/* xorshift: the same networks in each run. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void random_bytes(uint64_t *state, uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(next_random(state) >> 32);
}

static void random_network(uint64_t *state, struct cidr *ret)
{
    bool v6 = next_random(state) % 2 == 0;
    *ret = (struct cidr){.family_bits = v6 ? 128 : 32};
    ret->prefix_bits = (uint8_t)(v6 ? 16 + next_random(state) % 113 : 8 + next_random(state) % 25);
    random_bytes(state, ret->network, v6 ? 16 : 4);
    if (v6)
        memcpy(ret->network, "\x20\x01", 2); /* so that they lie close together, and nest */
    for (unsigned bit = ret->prefix_bits; bit < ret->family_bits; bit++)
        ret->network[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

/* Many of them lie in a network of the list, or close to one. */
static struct address random_address(uint64_t *state, const struct cidr *networks)
{
    const struct cidr *near = &networks[next_random(state) % NETWORKS];
    uint8_t bytes[16];
    struct address a = {0};
    random_bytes(state, bytes, sizeof bytes);
    size_t shared = next_random(state) % 2 == 0 ? (near->prefix_bits + 7u) / 8 : 0;
    memcpy(bytes, near->network, shared);
    if (near->family_bits == 32) {
        a.length = sizeof a.v4;
        a.v4.sin_family = AF_INET;
        memcpy(&a.v4.sin_addr, bytes, 4);
    } else {
        a.length = sizeof a.v6;
        a.v6.sin6_family = AF_INET6;
        memcpy(&a.v6.sin6_addr, bytes, 16);
    }
    return a;
}

static bool contains_one_by_one(const struct cidr *networks, const struct address *a)
{
    for (size_t i = 0; i < NETWORKS; i++)
        if (cidr_contains(&networks[i], a))
            return true;
    return false;
}

START_TEST(fifty_thousand_networks_answer_as_one_by_one_and_at_once)
{
    uint64_t state = 20261121, found = 0;
    struct cidr *networks = calloc(NETWORKS, sizeof *networks);
    struct address addresses[LOOK_UPS];
    struct cidr_set *set;
    ck_assert_ptr_nonnull(networks);
    for (size_t i = 0; i < NETWORKS; i++)
        random_network(&state, &networks[i]);
    ck_assert(cidr_set_create(&set, networks, NETWORKS));
    for (size_t i = 0; i < LOOK_UPS; i++) {
        addresses[i] = random_address(&state, networks);
        bool inside = cidr_set_contains(set, &addresses[i]);
        ck_assert_msg(inside == contains_one_by_one(networks, &addresses[i]), "look-up %zu", i);
        found += inside;
    }
    ck_assert_uint_gt(found, LOOK_UPS / 10);
    ck_assert_uint_lt(found, LOOK_UPS * 9 / 10);
    uint64_t begin = clock_monotonic_us();
    for (size_t i = 0; i < 100 * LOOK_UPS; i++)
        found += cidr_set_contains(set, &addresses[i % LOOK_UPS]);
    uint64_t ns = (clock_monotonic_us() - begin) * 1000 / (100 * LOOK_UPS);
    printf("%d networks: %llu ns a look-up\n", NETWORKS, (unsigned long long)ns);
    ck_assert_uint_lt(ns, 20000); /* one by one takes a hundred times as long */
    cidr_set_free(set);
    free(networks);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *tests = tcase_create("base");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, durations_are_a_whole_number_and_one_unit);
    tcase_add_test(tests, formatting_gives_the_shortest_exact_form);
    tcase_add_loop_test(tests, rates_are_a_number_in_a_second_a_minute_or_an_hour, 0,
                        COUNT_OF(rate_rows));
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, fifty_thousand_networks_answer_as_one_by_one_and_at_once);
    tcase_add_test(tests, addresses_are_read_and_written_back);
    tcase_add_test(tests, networks_contain_their_addresses_only);
    tcase_add_test(tests, the_network_of_a_width_holds_its_address);
    tcase_add_test(tests, a_network_with_host_bits_is_refused_with_the_one_meant);
    tcase_add_test(tests, a_set_of_networks_answers_as_the_list_does);
    tcase_add_test(tests, networks_side_by_side_cover_what_none_of_them_does);
    tcase_add_test(tests, names_are_compared_in_one_form);
    tcase_add_test(tests, a_wildcard_stands_for_labels_in_front_never_for_none);
    tcase_add_test(tests, json_text_is_valid_whatever_came_in);
    tcase_add_test(tests, a_buffer_keeps_bytes_in_order);
    tcase_add_test(tests, times_are_rfc3339_in_utc);
    tcase_add_loop_test(tests, a_time_has_its_offset_and_counts_in_whole_seconds, 0,
                        (int)COUNT_OF(times));
    tcase_add_test(tests, every_time_that_is_written_is_read_again);
    tcase_add_loop_test(tests, an_origin_is_an_address_with_or_without_a_range_of_ports, 0,
                        (int)COUNT_OF(origins));
    tcase_add_test(tests, lists_survive_removal_while_walking);
    tcase_add_test(tests, siphash_gives_the_published_numbers);
    return suite_run(suite);
}
