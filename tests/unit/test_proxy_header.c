#include "inspect/proxy_header.h"
#include "suite.h"

#include "split.h"

#include <stdio.h>

static struct proxy_header header;
static unsigned char room[PROXY_HEADER_MAX];

static enum verdict parse(void *context, struct span bytes)
{
    (void)context;
    return proxy_header_parse(&header, bytes);
}

static enum verdict probe(void *context, struct span bytes)
{
    (void)context;
    return proxy_header_probe(bytes);
}

static void expect_address(const struct address *a, const char *expected)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(a, text);
    ck_assert_str_eq(text, expected);
}

static struct address address(const char *text)
{
    struct address a;
    struct error error;
    ck_assert(address_parse(&a, span_text(text), &error));
    return a;
}

/* The whole header with more behind it, at every split. */
static void expect_whole(struct span whole)
{
    unsigned char more[PROXY_HEADER_MAX + 8];
    memcpy(more, whole.data, whole.length);
    memcpy(more + whole.length, "payload", 7);
    split_check(parse, NULL, span_of(more, whole.length + 7), whole.length, VERDICT_YES, "header");
    ck_assert_uint_eq(header.length, whole.length);
}

/* --- version 1 ------------------------------------------------------------------------------- */

START_TEST(a_v1_line_is_read_in_any_number_of_pieces)
{
    static const struct {
        struct span line;
        const char *source, *destination; /* NULL: none */
    } rows[] = {
        {LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"), "192.0.2.1:56324",
         "198.51.100.2:443"},
        {LITERAL("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
         "255.255.255.255:65535", "255.255.255.255:65535"},
        {LITERAL("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0:0", "0.0.0.0:0"},
        {LITERAL("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), "[2001:db8::1]:1", "[::1]:2"},
        {LITERAL("PROXY TCP6 2001:0DB8:0000:0000:0000:0000:0000:0001 "
                 "2001:0db8:0000:0000:0000:0000:0000:0002 65535 65535\r\n"),
         "[2001:db8::1]:65535", "[2001:db8::2]:65535"},
        {LITERAL("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n"), "192.0.2.1:1",
         "192.0.2.2:2"},
        {LITERAL("PROXY UNKNOWN\r\n"), NULL, NULL},
        {LITERAL("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
         NULL, NULL},
        {LITERAL("PROXY UNKNOWN anything at all\r\n"), NULL, NULL},
    };
    expect_whole(rows[_i].line);
    ck_assert_uint_eq(header.version, 1);
    ck_assert_int_eq(header.has_addresses, rows[_i].source != NULL);
    if (header.has_addresses) {
        expect_address(&header.source, rows[_i].source);
        expect_address(&header.destination, rows[_i].destination);
    }
}
END_TEST

START_TEST(a_malformed_v1_line_is_broken)
{
    static const struct span rows[] = {
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n"),
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n"),
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 56324 \r\n"),
        LITERAL("PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n"),
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 01 443\r\n"),
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n"),
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n"),
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n"),
        LITERAL("PROXY TCP4 192.0.2.01 198.51.100.2 1 443\r\n"),
        LITERAL("PROXY TCP4 192.0.2 198.51.100.2 1 443\r\n"),
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.256 1 443\r\n"),
        LITERAL("PROXY TCP4 ::1 ::2 1 443\r\n"),
        LITERAL("PROXY TCP6 192.0.2.1 192.0.2.2 1 443\r\n"),
        LITERAL("PROXY TCP6 fe80::1%lo ::2 1 443\r\n"),
        LITERAL("PROXY TCP6 1:2:3:4:5:6:7:8:9 ::2 1 443\r\n"),
        LITERAL("PROXY TCP6 [::1] ::2 1 443\r\n"),
        LITERAL("PROXY TCP4 192.0.2.1\0 198.51.100.2 1 443\r\n"),
        LITERAL("PROXY TCP4\t192.0.2.1 198.51.100.2 1 443\r\n"),
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 1 443\n\n"),
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 1 443\r\r\n"),
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 1 443\rx"),
        LITERAL("PROXY TCP5 1 2 3 4\r\n"),
        LITERAL("PROXY UNKNOWNX\r\n"),
        LITERAL("PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n"),
        LITERAL("PROXY \r\n"),
    };
    ck_assert_uint_eq(COUNT_OF(rows), 25);
    ck_assert_int_eq(split_ask(parse, NULL, rows[_i]), VERDICT_BROKEN);
    ck_assert_ptr_nonnull(header.reason);
    for (size_t n = 0; n < rows[_i].length; n++)
        ck_assert_int_ne(split_ask(parse, NULL, span_first(rows[_i], n)), VERDICT_YES);
}
END_TEST

START_TEST(a_v1_line_of_more_than_107_bytes_is_broken)
{
    char line[120];
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    split_check(parse, NULL, span_of(line, sizeof line), 107, VERDICT_BROKEN, "too long");
    memcpy(line + 105, "\r\n", 2);
    split_check(parse, NULL, span_of(line, sizeof line), 107, VERDICT_YES, "longest");
    memcpy(line + 105, "x\r\n", 3);
    split_check(parse, NULL, span_of(line, sizeof line), 107, VERDICT_BROKEN, "one more");
}
END_TEST

/* --- version 2 ------------------------------------------------------------------------------- */

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_BLOCK  "\300\0\2\1\306\63\144\2\334\4\1\273"

START_TEST(a_v2_header_is_read_in_any_number_of_pieces)
{
    static const struct {
        struct span bytes;
        const char *source, *destination;
    } rows[] = {
        {LITERAL(SIGNATURE "\x21\x11\0\14" V4_BLOCK), "192.0.2.1:56324", "198.51.100.2:443"},
        {LITERAL(SIGNATURE "\x21\x12\0\14" V4_BLOCK), "192.0.2.1:56324", "198.51.100.2:443"},
        {LITERAL(SIGNATURE "\x21\x21\0\44\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                           "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\2"),
         "[2001:db8::1]:1", "[::1]:2"},
        {LITERAL(SIGNATURE "\x21\x21\0\44\0\0\0\0\0\0\0\0\0\0\xff\xff\300\0\2\1"
                           "\0\0\0\0\0\0\0\0\0\0\xff\xff\300\0\2\2\0\1\0\2"),
         "192.0.2.1:1", "192.0.2.2:2"},
        {LITERAL(SIGNATURE "\x20\0\0\0"), NULL, NULL},      /* LOCAL */
        {LITERAL(SIGNATURE "\x20\xff\0\3abc"), NULL, NULL}, /* its block is ignored */
        {LITERAL(SIGNATURE "\x20\x11\0\14" V4_BLOCK), NULL, NULL},
        {LITERAL(SIGNATURE "\x21\0\0\0"), NULL, NULL},             /* UNSPEC */
        {LITERAL(SIGNATURE "\x21\0\0\5abcde"), NULL, NULL},        /* whatever is in it */
        {LITERAL(SIGNATURE "\x21\x10\0\14" V4_BLOCK), NULL, NULL}, /* no transport */
    };
    expect_whole(rows[_i].bytes);
    ck_assert_uint_eq(header.version, 2);
    ck_assert_int_eq(header.has_addresses, rows[_i].source != NULL);
    if (header.has_addresses) {
        expect_address(&header.source, rows[_i].source);
        expect_address(&header.destination, rows[_i].destination);
    }
}
END_TEST

START_TEST(unix_addresses_keep_the_real_ones)
{
    unsigned char bytes[16 + 216] = SIGNATURE "\x21\x31\0\xd8/run/client";
    expect_whole(span_of(bytes, sizeof bytes));
    ck_assert(!header.has_addresses);
}
END_TEST

START_TEST(a_malformed_v2_header_is_broken)
{
    static const struct {
        struct span bytes;
        size_t at;
    } rows[] = {
        {LITERAL(SIGNATURE "\x31\x11\0\14"), 16},  /* version */
        {LITERAL(SIGNATURE "\x22\x11\0\14"), 16},  /* command */
        {LITERAL(SIGNATURE "\x21\x11\x10\1"), 16}, /* longer than the bound */
        {LITERAL(SIGNATURE "\x21\x41\0\0"), 16},   /* family */
        {LITERAL(SIGNATURE "\x21\x13\0\0"), 16},   /* transport */
        {LITERAL(SIGNATURE "\x21\x11\0\13" V4_BLOCK), 27},
        {LITERAL(SIGNATURE "\x21\x11\0\16" V4_BLOCK "\4\0"), 30},         /* TLV without its end */
        {LITERAL(SIGNATURE "\x21\x11\0\20" V4_BLOCK "\4\0\2x"), 32},      /* TLV overruns */
        {LITERAL(SIGNATURE "\x21\x11\0\22" V4_BLOCK "\3\0\3abc"), 34},    /* CRC of three bytes */
        {LITERAL(SIGNATURE "\x21\x11\0\23" V4_BLOCK "\3\0\4abcd"), 35},   /* wrong CRC */
        {LITERAL(SIGNATURE "\x21\x11\0\23" V4_BLOCK "\x20\0\4abcd"), 35}, /* short SSL part */
    };
    split_check(parse, NULL, rows[_i].bytes, rows[_i].at, VERDICT_BROKEN, "broken");
    ck_assert_ptr_nonnull(header.reason);
}
END_TEST

START_TEST(the_parts_of_a_v2_header_are_found)
{
    struct address source = address("192.0.2.1:1"), destination = address("192.0.2.2:2");
    size_t length = proxy_header_write_v2(room, &source, &destination);
    length = proxy_header_add_tlv(room, length, PROXY_TLV_NOOP, LITERAL(""));
    length = proxy_header_add_tlv(room, length, PROXY_TLV_ALPN, LITERAL("h2"));
    length = proxy_header_add_tlv(room, length, PROXY_TLV_AUTHORITY, LITERAL("example.com"));
    length = proxy_header_add_tlv(room, length, PROXY_TLV_AUTHORITY, LITERAL("second"));
    length = proxy_header_add_tlv(room, length, PROXY_TLV_UNIQUE_ID, LITERAL("id"));
    length = proxy_header_add_tlv(room, length, PROXY_TLV_SSL, LITERAL("\1\0\0\0\0\x21\0\1x"));
    length = proxy_header_add_tlv(room, length, 0xe0, LITERAL("own"));
    expect_whole(span_of(room, length));
    ck_assert_int_eq(proxy_header_parse(&header, span_of(room, length)), VERDICT_YES);
    ck_assert(span_is(header.alpn, "h2"));
    ck_assert(span_is(header.authority, "example.com"));
    ck_assert(span_is(header.unique_id, "id"));
    ck_assert_uint_eq(header.ssl.length, 9);
    ck_assert_uint_eq(header.tlvs.length, length - 16 - 12);
    uint8_t type = 0;
    struct span value;
    size_t at = 0, count = 0;
    while (proxy_tlv_next(header.tlvs, &at, &type, &value))
        count++;
    ck_assert_uint_eq(count, 7);
    ck_assert(type == 0xe0 && span_is(value, "own"));
}
END_TEST

/* Bit by bit, unlike the parser's; RFC 3720 appendix B.4 has the value for 32 zeros. */
static uint32_t reference_crc(struct span bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes.length * 8; i++) {
        uint32_t bit = (uint32_t)(bytes.data[i / 8] >> i % 8) & 1;
        bool one = ((crc & 1) ^ bit) != 0;
        crc >>= 1;
        if (one)
            crc ^= 0x82f63b78u;
    }
    return ~crc;
}

START_TEST(the_checksum_guards_every_bit)
{
    static const unsigned char zeros[32];
    /* aa 36 91 8a as the bytes of the RFC: least significant first. */
    ck_assert_uint_eq(reference_crc(span_of(zeros, 32)), 0x8a9136aau);
    struct address source = address("192.0.2.1:1"), destination = address("192.0.2.2:2");
    size_t length = proxy_header_write_v2(room, &source, &destination);
    length = proxy_header_add_tlv(room, length, PROXY_TLV_CRC32C, LITERAL("\0\0\0\0"));
    length = proxy_header_add_tlv(room, length, PROXY_TLV_AUTHORITY, LITERAL("example.com"));
    uint32_t crc = reference_crc(span_of(room, length));
    for (size_t i = 0; i < 4; i++)
        room[16 + 12 + 3 + i] = (unsigned char)(crc >> (24 - 8 * i) & 0xff);
    expect_whole(span_of(room, length));
    /* Behind the first 16 bytes, which have checks of their own, and but for types and lengths. */
    for (size_t bit = 16 * 8; bit < length * 8; bit++) {
        size_t byte = bit / 8;
        bool tlv_head = (byte >= 28 && byte < 31) || (byte >= 35 && byte < 38);
        room[byte] = (unsigned char)(room[byte] ^ 1u << bit % 8);
        enum verdict verdict = proxy_header_parse(&header, span_of(room, length));
        if (!tlv_head)
            ck_assert_int_eq(verdict, VERDICT_BROKEN);
        room[byte] = (unsigned char)(room[byte] ^ 1u << bit % 8);
    }
}
END_TEST

/* --- both ------------------------------------------------------------------------------------ */

START_TEST(the_signature_is_probed_byte_by_byte)
{
    split_check(probe, NULL, LITERAL("PROXY TCP4"), 6, VERDICT_YES, "v1");
    split_check(probe, NULL, LITERAL(SIGNATURE "\x21"), 12, VERDICT_YES, "v2");
    split_check(probe, NULL, LITERAL("PROXYTCP4"), 6, VERDICT_NO, "no blank");
    split_check(probe, NULL, LITERAL("PROPFIND / "), 4, VERDICT_NO, "another word");
    split_check(probe, NULL, LITERAL("\r\n\r\n\r\n"), 5, VERDICT_NO, "empty lines");
    split_check(parse, NULL, LITERAL("GET / HTTP/1.1"), 1, VERDICT_NO, "plain");
}
END_TEST

START_TEST(need_is_never_too_much)
{
    static const struct span rows[] = {
        LITERAL("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"),
        LITERAL(SIGNATURE "\x21\x11\0\14" V4_BLOCK),
    };
    for (size_t n = 0; n < rows[_i].length; n++) {
        ck_assert_int_eq(parse(NULL, span_first(rows[_i], n)), VERDICT_MORE);
        ck_assert_uint_gt(header.need, n);
        ck_assert_uint_le(header.need, rows[_i].length);
    }
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
    static const struct {
        const char *source, *destination, *line;
        const char *read_source; /* NULL: none */
    } rows[] = {
        {"192.0.2.1:56324", "198.51.100.2:443", "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n",
         "192.0.2.1:56324"},
        {"[2001:db8::1]:1", "[::1]:65535", "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
         "[2001:db8::1]:1"},
        {"192.0.2.1:1", "[::1]:2", "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1:1"},
        {"[::1]:1", "192.0.2.1:2", "PROXY TCP6 ::1 ::ffff:192.0.2.1 1 2\r\n", "[::1]:1"},
        {"unix:/run/x", "192.0.2.1:2", "PROXY UNKNOWN\r\n", NULL},
    };
    struct address source = address(rows[_i].source);
    struct address destination = address(rows[_i].destination);
    size_t length = proxy_header_write_v1(room, &source, &destination);
    ck_assert(span_is(span_of(room, length), rows[_i].line));
    for (unsigned version = 1; version <= 2; version++) {
        if (version == 2)
            length = proxy_header_write_v2(room, &source, &destination);
        ck_assert_int_eq(parse(NULL, span_of(room, length)), VERDICT_YES);
        ck_assert_uint_eq(header.version, version);
        ck_assert_uint_eq(header.length, length);
        ck_assert_int_eq(header.has_addresses, rows[_i].read_source != NULL);
        if (header.has_addresses) {
            expect_address(&header.source, rows[_i].read_source);
            expect_address(&header.destination, rows[_i].destination);
        }
    }
}
END_TEST

START_TEST(missing_addresses_are_unknown)
{
    size_t length = proxy_header_write_v1(room, NULL, NULL);
    ck_assert(span_is(span_of(room, length), "PROXY UNKNOWN\r\n"));
    length = proxy_header_write_v2(room, NULL, NULL);
    ck_assert(span_equal(span_of(room, length), LITERAL(SIGNATURE "\x21\0\0\0")));
    length = proxy_header_write_v2_local(room);
    ck_assert(span_equal(span_of(room, length), LITERAL(SIGNATURE "\x20\0\0\0")));
}
END_TEST

START_TEST(a_part_that_does_not_fit_changes_nothing)
{
    static unsigned char large[PROXY_HEADER_MAX];
    size_t length = proxy_header_write_v2_local(room);
    size_t fitting = PROXY_HEADER_MAX - length - 3;
    ck_assert_uint_eq(proxy_header_add_tlv(room, length, 4, span_of(large, fitting + 1)), length);
    ck_assert_uint_eq(proxy_header_add_tlv(room, length, 4, span_of(large, sizeof large)), length);
    ck_assert_int_eq(parse(NULL, span_of(room, length)), VERDICT_YES);
    length = proxy_header_add_tlv(room, length, 4, span_of(large, fitting));
    ck_assert_uint_eq(length, PROXY_HEADER_MAX);
    ck_assert_int_eq(parse(NULL, span_of(room, length)), VERDICT_YES);
}
END_TEST

/* --- fields ---------------------------------------------------------------------------------- */

static size_t write_fields(const struct proxy_fields *fields)
{
    struct address source = address("192.0.2.1:1"), destination = address("192.0.2.2:2");
    size_t length = proxy_header_write_v2(room, &source, &destination);
    return proxy_header_add_fields(room, length, fields);
}

/* The only field of a type; a NULL span for none. */
static struct span field_of(size_t length, uint8_t wanted)
{
    struct span value, found = {0};
    uint8_t type;
    size_t at = 0;
    ck_assert_int_eq(proxy_header_parse(&header, span_of(room, length)), VERDICT_YES);
    while (proxy_tlv_next(header.tlvs, &at, &type, &value)) {
        ck_assert(type != wanted || found.data == NULL);
        found = type == wanted ? value : found;
    }
    return found;
}

START_TEST(without_fields_nothing_is_added)
{
    ck_assert_uint_eq(write_fields(&(struct proxy_fields){0}), 16 + 12);
}
END_TEST

START_TEST(the_tls_of_a_client_is_told_to_the_letter)
{
    static const struct {
        struct proxy_ssl ssl;
        struct span value;
    } rows[] = {
        {{.version = "TLSv1.3"}, LITERAL("\1\0\0\0\1\x21\0\7TLSv1.3")},
        {{.cipher = "C", .key_algorithm = "EC256", .signature_algorithm = "S"},
         LITERAL("\1\0\0\0\1\x23\0\1C\x24\0\1S\x25\0\5EC256")},
        {{.verified = true, .cn = "me"}, LITERAL("\7\0\0\0\0\x22\0\2me")},
        {{.verified = true, .resumed = true, .cn = "me"}, LITERAL("\5\0\0\0\0\x22\0\2me")},
        {{.verified = true, .cn = NULL}, LITERAL("\7\0\0\0\0")},
        {{.cn = "not verified"}, LITERAL("\1\0\0\0\1")},
        {{.resumed = true}, LITERAL("\1\0\0\0\1")},
    };
    size_t length = write_fields(&(struct proxy_fields){.ssl = &rows[_i].ssl});
    ck_assert(span_equal(field_of(length, PROXY_TLV_SSL), rows[_i].value));
}
END_TEST

START_TEST(a_text_that_is_too_long_is_left_out_whole)
{
    char name[257];
    memset(name, 'x', sizeof name);
    name[255] = '\0';
    struct proxy_ssl ssl = {.verified = true, .cn = name};
    size_t length = write_fields(&(struct proxy_fields){.ssl = &ssl});
    ck_assert_uint_eq(field_of(length, PROXY_TLV_SSL).length, 5 + 3 + 255);
    name[255] = 'x';
    name[256] = '\0';
    length = write_fields(&(struct proxy_fields){.ssl = &ssl});
    ck_assert_uint_eq(field_of(length, PROXY_TLV_SSL).length, 5);
}
END_TEST

START_TEST(the_checksum_of_a_written_header_is_right)
{
    struct proxy_fields fields = {.checksum = true,
                                  .alpn = LITERAL("h2"),
                                  .authority = LITERAL("a"),
                                  .unique_id = LITERAL("id")};
    size_t length = write_fields(&fields);
    struct span field = field_of(length, PROXY_TLV_CRC32C); /* the reader has verified it */
    ck_assert_uint_eq(field.length, 4);
    uint32_t told = span_u32(field, 0);
    memset(room + (field.data - room), 0, 4);
    ck_assert_uint_eq(told, reference_crc(span_of(room, length)));
}
END_TEST

START_TEST(received_fields_go_on_by_their_types_and_before_our_own)
{
    static const struct span received =
        LITERAL("\2\0\5front\2\0\6second\1\0\2h2\3\0\4\1\2\3\4\4\0\1\0\xea\0\2\1x\x05\0\2");
    static const uint8_t passed[] = {PROXY_TLV_AUTHORITY, 0xea, PROXY_TLV_CRC32C,
                                     PROXY_TLV_NOOP,      0xe1, PROXY_TLV_UNIQUE_ID};
    struct proxy_fields fields = {.received = received,
                                  .passed = passed,
                                  .passed_count = COUNT_OF(passed),
                                  .alpn = LITERAL("ours"),
                                  .authority = LITERAL("ours"),
                                  .unique_id = LITERAL("ours")};
    size_t length = write_fields(&fields);
    ck_assert(span_is(field_of(length, PROXY_TLV_AUTHORITY), "front"));
    ck_assert(span_is(field_of(length, PROXY_TLV_ALPN), "ours"));
    ck_assert(span_is(field_of(length, 0xea), "\1x"));
    ck_assert(field_of(length, PROXY_TLV_NOOP).data == NULL);
    ck_assert(field_of(length, PROXY_TLV_CRC32C).data == NULL);
    ck_assert(field_of(length, 0xe1).data == NULL);
    /* Overran what was received: it is none, and ours stands. */
    ck_assert(span_is(field_of(length, PROXY_TLV_UNIQUE_ID), "ours"));
}
END_TEST

START_TEST(a_full_header_leaves_the_last_fields_out)
{
    static unsigned char large[3 + 4000] = {0xe0, 4000 >> 8, 4000 & 0xff};
    static const uint8_t passed[] = {0xe0};
    for (size_t size = 3900; size <= 4000; size++) {
        struct proxy_ssl ssl = {.version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384"};
        large[1] = (unsigned char)(size >> 8);
        large[2] = (unsigned char)(size & 0xff);
        struct proxy_fields fields = {.checksum = true,
                                      .received = span_of(large, 3 + size),
                                      .passed = passed,
                                      .passed_count = 1,
                                      .ssl = &ssl,
                                      .alpn = LITERAL("h2"),
                                      .unique_id = LITERAL("18f2-0-1")};
        size_t length = write_fields(&fields);
        ck_assert_uint_le(length, PROXY_HEADER_MAX);
        ck_assert_uint_eq(field_of(length, 0xe0).length, size);
        ck_assert_uint_eq(field_of(length, PROXY_TLV_CRC32C).length, 4);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("proxy_header");
    TCase *cases = tcase_create("v1");
    tcase_add_loop_test(cases, a_v1_line_is_read_in_any_number_of_pieces, 0, 9);
    tcase_add_loop_test(cases, a_malformed_v1_line_is_broken, 0, 25);
    tcase_add_test(cases, a_v1_line_of_more_than_107_bytes_is_broken);
    suite_add_tcase(suite, cases);
    cases = tcase_create("v2");
    tcase_add_loop_test(cases, a_v2_header_is_read_in_any_number_of_pieces, 0, 10);
    tcase_add_test(cases, unix_addresses_keep_the_real_ones);
    tcase_add_loop_test(cases, a_malformed_v2_header_is_broken, 0, 11);
    tcase_add_test(cases, the_parts_of_a_v2_header_are_found);
    tcase_add_test(cases, the_checksum_guards_every_bit);
    suite_add_tcase(suite, cases);
    cases = tcase_create("both");
    tcase_add_test(cases, the_signature_is_probed_byte_by_byte);
    tcase_add_loop_test(cases, need_is_never_too_much, 0, 2);
    tcase_add_loop_test(cases, what_is_written_is_read_back, 0, 5);
    tcase_add_test(cases, missing_addresses_are_unknown);
    tcase_add_test(cases, a_part_that_does_not_fit_changes_nothing);
    suite_add_tcase(suite, cases);
    cases = tcase_create("fields");
    tcase_add_test(cases, without_fields_nothing_is_added);
    tcase_add_loop_test(cases, the_tls_of_a_client_is_told_to_the_letter, 0, 7);
    tcase_add_test(cases, a_text_that_is_too_long_is_left_out_whole);
    tcase_add_test(cases, the_checksum_of_a_written_header_is_right);
    tcase_add_test(cases, received_fields_go_on_by_their_types_and_before_our_own);
    tcase_add_test(cases, a_full_header_leaves_the_last_fields_out);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
