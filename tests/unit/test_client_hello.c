#include "inspect/client_hello.h"
#include "suite.h"

#include "base/compiler.h"
#include "hello_builder.h"
#include "split.h"

static unsigned char scratch[CLIENT_HELLO_MAX];
static struct builder extensions, message, records;
static struct client_hello hello;
static struct hello_parts parts;

static void setup(void)
{
    extensions.length = message.length = records.length = 0;
    parts =
        (struct hello_parts){.ciphers = LITERAL("\x13\x01\xc0\x2f"), .compressions = LITERAL("\0")};
}

static struct span built(const struct builder *b)
{
    return span_of(b->bytes, b->length);
}

static void finish(size_t record_size)
{
    parts.extensions = built(&extensions);
    build_hello(&message, &parts);
    build_records(&records, built(&message), record_size);
}

static enum verdict parse(void *context, struct span bytes)
{
    (void)context;
    return client_hello_parse(&hello, bytes, scratch);
}

static enum verdict parse_extension(unsigned type, struct span data)
{
    build_extension(&extensions, type, data);
    finish(16384);
    return parse(NULL, built(&records));
}

static void expect_broken(uint8_t alert)
{
    ck_assert_ptr_nonnull(hello.reason);
    ck_assert_msg(hello.alert == alert, "alert %u (%s), expected %u", hello.alert, hello.reason,
                  alert);
}

/* --- records --------------------------------------------------------------------------------- */

#define SNI_EXAMPLE                                                                                \
    "\0\x0e\0\0\x0b"                                                                               \
    "example.com"
#define ALPN_EXAMPLE "\0\x0c\2h2\x08http/1.1"

static void usual_extensions(void)
{
    build_extension(&extensions, 0, LITERAL(SNI_EXAMPLE));
    build_extension(&extensions, 10, LITERAL("\0\4\x0a\x0a\0\x1d"));
    build_extension(&extensions, 13, LITERAL("\0\4\4\3\x08\4"));
    build_extension(&extensions, 16, LITERAL(ALPN_EXAMPLE));
    build_extension(&extensions, 43, LITERAL("\6\x7a\x7a\3\4\3\3"));
}

static void expect_usual(void)
{
    struct span name;
    size_t at = 0;
    ck_assert_str_eq(hello.sni, "example.com");
    ck_assert(hello.has_sni && hello.sni_is_name && !hello.has_ech);
    ck_assert_uint_eq(hello.max_version, 0x0304);
    ck_assert_uint_eq(hello.legacy_version, 0x0303);
    ck_assert(span_equal(hello.ciphers, LITERAL("\x13\x01\xc0\x2f")));
    ck_assert(span_equal(hello.groups, LITERAL("\x0a\x0a\0\x1d")));
    ck_assert(span_equal(hello.signatures, LITERAL("\4\3\x08\4")));
    ck_assert(span_equal(hello.versions, LITERAL("\x7a\x7a\3\4\3\3")));
    ck_assert(client_hello_next_alpn(&hello, &at, &name) && span_is(name, "h2"));
    ck_assert(client_hello_next_alpn(&hello, &at, &name) && span_is(name, "http/1.1"));
    ck_assert(!client_hello_next_alpn(&hello, &at, &name));
}

START_TEST(a_hello_is_read_whatever_its_records)
{
    usual_extensions();
    finish((size_t)_i);
    ck_assert_int_eq(parse(NULL, built(&records)), VERDICT_YES);
    expect_usual();
}
END_TEST

START_TEST(a_hello_is_more_until_its_last_byte)
{
    usual_extensions();
    finish((size_t)_i);
    split_check(parse, NULL, built(&records), records.length, VERDICT_YES, "hello");
}
END_TEST

/* The promise of `need`: with one byte less the answer is MORE, whatever the bytes; and it is not
 * too small either, or a slow client would wake the worker at each byte. */
START_TEST(need_is_the_next_place_that_can_tell_more)
{
    usual_extensions();
    finish((size_t)_i);
    size_t wakes = 0;
    for (size_t n = 0; n < records.length; n = hello.need) {
        ck_assert_int_eq(split_ask(parse, NULL, span_first(built(&records), n)), VERDICT_MORE);
        ck_assert_uint_gt(hello.need, n);
        ck_assert_uint_le(hello.need, records.length);
        wakes++;
    }
    size_t count = (message.length + (size_t)_i - 1) / (size_t)_i;
    ck_assert_uint_le(wakes, 6 + 2 * count + 1);
}
END_TEST

static enum verdict parse_filled(size_t n, size_t length, unsigned fill)
{
    static unsigned char changed[BUILDER_MAX];
    memcpy(changed, records.bytes, n);
    memset(changed + n, (int)fill, length - n);
    return parse(NULL, span_of(changed, length));
}

START_TEST(need_is_exact)
{
    usual_extensions();
    finish((size_t)_i);
    for (size_t n = 6; n < records.length; n++) {
        ck_assert_int_eq(parse(NULL, span_first(built(&records), n)), VERDICT_MORE);
        size_t need = hello.need;
        for (unsigned fill = 0; fill < 256; fill += 51)
            ck_assert_int_eq(parse_filled(n, need - 1, fill), VERDICT_MORE);
        /* ... and with that many there are bytes that end it. */
        ck_assert(parse(NULL, span_first(built(&records), need)) != VERDICT_MORE ||
                  parse_filled(n, need, 0xff) != VERDICT_MORE ||
                  parse_filled(n, need, 0) != VERDICT_MORE);
    }
}
END_TEST

START_TEST(one_record_is_not_copied)
{
    usual_extensions();
    finish(16384);
    ck_assert_int_eq(parse(NULL, built(&records)), VERDICT_YES);
    ck_assert(hello.ciphers.data > records.bytes &&
              hello.ciphers.data < records.bytes + records.length);
}
END_TEST

START_TEST(records_behind_the_hello_are_left_alone)
{
    usual_extensions();
    finish(100);
    build_record(&records, 20, LITERAL("\1"));
    build_record(&records, 23, LITERAL("early data"));
    ck_assert_int_eq(parse(NULL, built(&records)), VERDICT_YES);
    expect_usual();
}
END_TEST

START_TEST(bytes_behind_a_tls13_hello_in_its_record_are_refused)
{
    usual_extensions();
    parts.extensions = built(&extensions);
    build_hello(&message, &parts);
    build(&message, LITERAL("\x14"));
    build_records(&records, built(&message), (size_t)_i);
    ck_assert_int_eq(parse(NULL, built(&records)), VERDICT_BROKEN);
    expect_broken(TLS_ALERT_UNEXPECTED_MESSAGE);
}
END_TEST

START_TEST(a_hello_of_64k_is_read_and_a_longer_one_refused)
{
    static unsigned char padding[65535];
    size_t overhead = 4 + 2 + 32 + 1 + 2 + 4 + 1 + 1 + 2 + 4;
    size_t length = CLIENT_HELLO_MAX - overhead + (size_t)_i;
    build_extension(&extensions, 21, span_of(padding, length));
    finish(16384);
    ck_assert_uint_eq(message.length, CLIENT_HELLO_MAX + (size_t)_i);
    if (_i == 0) {
        ck_assert_int_eq(parse(NULL, built(&records)), VERDICT_YES);
        return;
    }
    /* Refused as soon as the length is there. */
    split_check(parse, NULL, span_first(built(&records), 40), 9, VERDICT_BROKEN, "too long");
    expect_broken(TLS_ALERT_ILLEGAL_PARAMETER);
}
END_TEST

START_TEST(a_bad_record_in_the_middle_is_refused_with_its_header)
{
    static const struct {
        struct span header;
        uint8_t alert;
    } rows[] = {
        {LITERAL("\x17\x03\x01\x00\x01"), TLS_ALERT_UNEXPECTED_MESSAGE},
        {LITERAL("\x15\x03\x01\x00\x02"), TLS_ALERT_UNEXPECTED_MESSAGE},
        {LITERAL("\x14\x03\x03\x00\x01"), TLS_ALERT_UNEXPECTED_MESSAGE},
        {LITERAL("\x16\x03\x01\x00\x00"), TLS_ALERT_UNEXPECTED_MESSAGE},
        {LITERAL("\x16\x03\x01\x40\x01"), TLS_ALERT_RECORD_OVERFLOW},
        {LITERAL("\x16\x02\x01\x00\x01"), TLS_ALERT_PROTOCOL_VERSION},
    };
    usual_extensions();
    parts.extensions = built(&extensions);
    build_hello(&message, &parts);
    build_record(&records, 22, span_first(built(&message), 3));
    build(&records, rows[_i].header);
    build(&records, LITERAL("anything"));
    split_check(parse, NULL, built(&records), 5 + 3 + 5, VERDICT_BROKEN, "bad record");
    expect_broken(rows[_i].alert);
}
END_TEST

START_TEST(what_is_not_tls_is_no)
{
    ck_assert_int_eq(parse(NULL, LITERAL("8=FIX")), VERDICT_NO);
    ck_assert_int_eq(parse(NULL, LITERAL("\x16\3\1\2\0\2")), VERDICT_NO);
}
END_TEST

/* --- the message ----------------------------------------------------------------------------- */

START_TEST(a_hello_without_extensions_is_fine)
{
    parts.no_extensions = true;
    finish(16384);
    ck_assert_int_eq(parse(NULL, built(&records)), VERDICT_YES);
    ck_assert(!hello.has_sni && hello.alpn.length == 0);
    ck_assert_uint_eq(hello.max_version, 0x0303);
}
END_TEST

START_TEST(an_empty_hello_is_refused)
{
    static const struct span empty = LITERAL("\x16\x03\x01\x00\x04\x01\0\0\0");
    split_check(parse, NULL, empty, 9, VERDICT_BROKEN, "empty");
    expect_broken(TLS_ALERT_DECODE_ERROR);
}
END_TEST

START_TEST(a_truncated_message_is_refused)
{
    usual_extensions();
    parts.extensions = built(&extensions);
    build_hello(&message, &parts);
    for (size_t n = 0; n + 4 < message.length; n++) {
        size_t whole = message.length;
        records.length = 0;
        message.bytes[2] = (unsigned char)(n >> 8);
        message.bytes[3] = (unsigned char)(n & 0xff);
        message.length = n + 4;
        build_records(&records, built(&message), 16384);
        message.length = whole;
        /* Ending where the extensions would begin is a hello without any. */
        bool whole_without = n == 2 + 32 + 1 + 2 + 4 + 1 + 1;
        ck_assert_int_eq(split_ask(parse, NULL, built(&records)),
                         whole_without ? VERDICT_YES : VERDICT_BROKEN);
    }
}
END_TEST

START_TEST(parts_that_the_rfc_forbids_are_refused)
{
    static const unsigned char long_id[33];
    static const struct {
        struct hello_parts parts;
        uint8_t alert;
    } rows[] = {
        {{.session_id = {long_id, 33}, .ciphers = LITERAL("\x13\1"), .compressions = LITERAL("\0")},
         TLS_ALERT_DECODE_ERROR},
        {{.ciphers = LITERAL(""), .compressions = LITERAL("\0")}, TLS_ALERT_ILLEGAL_PARAMETER},
        {{.ciphers = LITERAL("\x13\1\x13"), .compressions = LITERAL("\0")}, TLS_ALERT_DECODE_ERROR},
        {{.ciphers = LITERAL("\x13\1"), .compressions = LITERAL("")}, TLS_ALERT_DECODE_ERROR},
        {{.ciphers = LITERAL("\x13\1"), .compressions = LITERAL("\1")}, TLS_ALERT_DECODE_ERROR},
    };
    parts = rows[_i].parts;
    finish(16384);
    ck_assert_int_eq(parse(NULL, built(&records)), VERDICT_BROKEN);
    expect_broken(rows[_i].alert);
}
END_TEST

START_TEST(more_than_the_null_compression_is_fine)
{
    parts.compressions = LITERAL("\1\0");
    finish(16384);
    ck_assert_int_eq(parse(NULL, built(&records)), VERDICT_YES);
}
END_TEST

START_TEST(malformed_extensions_are_refused)
{
    static const struct {
        unsigned type;
        struct span data;
    } rows[] = {
        {0, LITERAL("")},
        {0, LITERAL("\0\0")},         /* empty list */
        {0, LITERAL("\0\4\0\0\1")},   /* list overruns the extension */
        {0, LITERAL("\0\4\0\0\1a!")}, /* bytes behind the list */
        {0, LITERAL("\0\4\0\0\2a")},  /* name overruns the list */
        {0, LITERAL("\0\3\0\0\0")},   /* empty name */
        {0, LITERAL("\0\1\0")},
        {10, LITERAL("")},
        {10, LITERAL("\0\0")},
        {10, LITERAL("\0\3\0\x1d\0")}, /* odd */
        {10, LITERAL("\0\2\0\x1d\0")},
        {13, LITERAL("\0\0")},
        {13, LITERAL("\0\1\4")},
        {16, LITERAL("")},
        {16, LITERAL("\0\0")},
        {16, LITERAL("\0\1\0")},    /* empty name */
        {16, LITERAL("\0\3\2h2x")}, /* bytes behind the list */
        {16, LITERAL("\0\3\3h2")},  /* name overruns the list */
        {16, LITERAL("\0\4\2h2\0")},
        {43, LITERAL("")},
        {43, LITERAL("\0")},
        {43, LITERAL("\3\3\4\3")},
        {43, LITERAL("\2\3\4\3\3")},
    };
    ck_assert_uint_eq(COUNT_OF(rows), 23);
    ck_assert_int_eq(parse_extension(rows[_i].type, rows[_i].data), VERDICT_BROKEN);
    expect_broken(TLS_ALERT_DECODE_ERROR);
}
END_TEST

START_TEST(an_extension_that_comes_twice_is_refused)
{
    build_extension(&extensions, (unsigned)_i, LITERAL("\0\4\0\0\1a"));
    build_extension(&extensions, 35, LITERAL(""));
    ck_assert_int_eq(parse_extension((unsigned)_i, LITERAL("\0\4\0\0\1b")), VERDICT_BROKEN);
    expect_broken(TLS_ALERT_ILLEGAL_PARAMETER);
}
END_TEST

START_TEST(pre_shared_key_must_be_the_last)
{
    build_extension(&extensions, 41, LITERAL("anything"));
    ck_assert_int_eq(parse_extension(35, LITERAL("")), VERDICT_BROKEN);
    expect_broken(TLS_ALERT_ILLEGAL_PARAMETER);
    setup();
    build_extension(&extensions, 35, LITERAL(""));
    ck_assert_int_eq(parse_extension(41, LITERAL("anything")), VERDICT_YES);
}
END_TEST

START_TEST(an_unknown_extension_is_not_looked_into)
{
    ck_assert_int_eq(parse_extension(0x1234, LITERAL("\xff\xff\xff")), VERDICT_YES);
}
END_TEST

/* --- names and versions ---------------------------------------------------------------------- */

START_TEST(a_name_is_compared_in_normal_form)
{
    static const struct {
        struct span data;
        const char *sni; /* NULL: no name in form */
    } rows[] = {
        {LITERAL("\0\x10\0\0\x0d"
                 "WwW.EXAMPLE.o"),
         "www.example.o"},
        {LITERAL("\0\x0f\0\0\x0c"
                 "example.com."),
         "example.com"},
        {LITERAL("\0\x0c\0\0\x09"
                 "192.0.2.1"),
         "192.0.2.1"},
        {LITERAL("\0\x07\0\0\x04"
                 "a..b"),
         NULL},
        {LITERAL("\0\x06\0\0\x03"
                 "::1"),
         NULL},
        {LITERAL("\0\x06\0\0\x03"
                 "a b"),
         NULL},
        {LITERAL("\0\x06\0\0\x03"
                 "a\"\n"),
         NULL},
        {LITERAL("\0\x05\0\0\x02"
                 "\xc3\xa9"),
         NULL},
    };
    ck_assert_int_eq(parse_extension(0, rows[_i].data), VERDICT_YES);
    ck_assert(hello.has_sni);
    ck_assert(span_equal(hello.sni_raw, span_skip(rows[_i].data, 5)));
    ck_assert_int_eq(hello.sni_is_name, rows[_i].sni != NULL);
    ck_assert_str_eq(hello.sni, rows[_i].sni == NULL ? "" : rows[_i].sni);
}
END_TEST

START_TEST(a_nul_in_the_name_is_refused)
{
    ck_assert_int_eq(parse_extension(0, LITERAL("\0\6\0\0\3"
                                                "a\0b")),
                     VERDICT_BROKEN);
    expect_broken(TLS_ALERT_UNRECOGNIZED_NAME);
}
END_TEST

START_TEST(of_several_names_the_first_counts)
{
    ck_assert_int_eq(parse_extension(0, LITERAL("\0\x10\0\0\5first\0\0\5other")), VERDICT_YES);
    ck_assert_str_eq(hello.sni, "first");
}
END_TEST

START_TEST(a_name_of_another_type_is_no_host_name)
{
    ck_assert_int_eq(parse_extension(0, LITERAL("\0\x08\7\0\5other")), VERDICT_YES);
    ck_assert(!hello.has_sni && !hello.sni_is_name);
}
END_TEST

START_TEST(the_highest_version_leaves_grease_out)
{
    static const struct {
        struct span data;
        unsigned version;
    } rows[] = {
        {LITERAL("\6\xfa\xfa\3\3\3\2"), 0x0303},
        {LITERAL("\4\3\3\3\4"), 0x0304},
        {LITERAL("\2\3\1"), 0x0301},
        {LITERAL("\4\x7f\x1c\3\3"), 0x0303},
        {LITERAL("\2\x2a\x2a"), 0},
    };
    ck_assert_int_eq(parse_extension(43, rows[_i].data), VERDICT_YES);
    ck_assert_uint_eq(hello.max_version, rows[_i].version);
}
END_TEST

START_TEST(ech_is_seen)
{
    ck_assert_int_eq(parse_extension(0xfe0d, LITERAL("\0whatever")), VERDICT_YES);
    ck_assert(hello.has_ech);
}
END_TEST

START_TEST(grease_values_are_the_sixteen_of_rfc_8701)
{
    size_t count = 0;
    for (unsigned value = 0; value < 65536; value++) {
        if (!tls_value_is_grease((uint16_t)value))
            continue;
        ck_assert_uint_eq(value & 0xff, value >> 8);
        ck_assert_uint_eq(value & 0xf, 0xa);
        count++;
    }
    ck_assert_uint_eq(count, 16);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_hello");
    TCase *cases = tcase_create("records");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_loop_test(cases, a_hello_is_read_whatever_its_records, 1, 150);
    tcase_add_loop_test(cases, a_hello_is_more_until_its_last_byte, 1, 12);
    tcase_add_loop_test(cases, a_hello_is_more_until_its_last_byte, 120, 130);
    tcase_add_loop_test(cases, need_is_the_next_place_that_can_tell_more, 1, 140);
    tcase_add_loop_test(cases, need_is_exact, 1, 12);
    tcase_add_loop_test(cases, need_is_exact, 100, 140);
    tcase_add_test(cases, one_record_is_not_copied);
    tcase_add_test(cases, records_behind_the_hello_are_left_alone);
    tcase_add_loop_test(cases, bytes_behind_a_tls13_hello_in_its_record_are_refused, 200, 202);
    tcase_add_loop_test(cases, a_hello_of_64k_is_read_and_a_longer_one_refused, 0, 2);
    tcase_add_loop_test(cases, a_bad_record_in_the_middle_is_refused_with_its_header, 0, 6);
    tcase_add_test(cases, what_is_not_tls_is_no);
    suite_add_tcase(suite, cases);

    cases = tcase_create("message");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, a_hello_without_extensions_is_fine);
    tcase_add_test(cases, an_empty_hello_is_refused);
    tcase_add_test(cases, a_truncated_message_is_refused);
    tcase_add_loop_test(cases, parts_that_the_rfc_forbids_are_refused, 0, 5);
    tcase_add_test(cases, more_than_the_null_compression_is_fine);
    tcase_add_loop_test(cases, malformed_extensions_are_refused, 0, 23);
    tcase_add_test(cases, an_unknown_extension_is_not_looked_into);
    tcase_add_test(cases, pre_shared_key_must_be_the_last);
    tcase_add_loop_test(cases, an_extension_that_comes_twice_is_refused, 0, 1);
    tcase_add_loop_test(cases, an_extension_that_comes_twice_is_refused, 0xfff0, 0xffff);
    suite_add_tcase(suite, cases);

    cases = tcase_create("names and versions");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_loop_test(cases, a_name_is_compared_in_normal_form, 0, 8);
    tcase_add_test(cases, a_nul_in_the_name_is_refused);
    tcase_add_test(cases, of_several_names_the_first_counts);
    tcase_add_test(cases, a_name_of_another_type_is_no_host_name);
    tcase_add_loop_test(cases, the_highest_version_leaves_grease_out, 0, 5);
    tcase_add_test(cases, ech_is_seen);
    tcase_add_test(cases, grease_values_are_the_sixteen_of_rfc_8701);
    suite_add_tcase(suite, cases);

    return suite_run(suite);
}
