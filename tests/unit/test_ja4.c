#include "inspect/client_hello.h"
#include "suite.h"

#include "hello_builder.h"
#include "split.h"

#include <openssl/evp.h>

static unsigned char scratch[CLIENT_HELLO_MAX];
static struct builder extensions, message, records;
static struct client_hello hello;
static char ja4[JA4_TEXT_MAX];

static void sha256(const void *bytes, size_t length, unsigned char digest[32])
{
    ck_assert_int_eq(EVP_Digest(bytes, length, digest, NULL, EVP_sha256(), NULL), 1);
}

static void fingerprint(struct span ciphers)
{
    struct hello_parts parts = {.ciphers = ciphers,
                                .compressions = LITERAL("\0"),
                                .extensions = {extensions.bytes, extensions.length}};
    message.length = records.length = 0;
    build_hello(&message, &parts);
    build_records(&records, span_of(message.bytes, message.length), 16384);
    ck_assert_int_eq(client_hello_parse(&hello, span_of(records.bytes, records.length), scratch),
                     VERDICT_YES);
    client_hello_ja4(&hello, sha256, ja4);
}

static void setup(void)
{
    extensions.length = 0;
}

/* The example of the technical description: Chrome, with its values out of order and GREASE. */
START_TEST(the_published_example_comes_out)
{
    build_extension(&extensions, 0xdada, LITERAL(""));
    build_extension(&extensions, 0x0033, LITERAL("x"));
    build_extension(&extensions, 0x4469, LITERAL("x"));
    build_extension(&extensions, 0x0000,
                    LITERAL("\0\x0e\0\0\x0b"
                            "example.com"));
    build_extension(&extensions, 0x001b, LITERAL("x"));
    build_extension(&extensions, 0x0005, LITERAL("x"));
    build_extension(&extensions, 0x000a, LITERAL("\0\4\x1a\x1a\0\x1d"));
    build_extension(&extensions, 0x0010, LITERAL("\0\x0c\2h2\x08http/1.1"));
    build_extension(&extensions, 0x000b, LITERAL("x"));
    build_extension(&extensions, 0x000d, LITERAL("\0\x10\4\3\x08\4\4\1\5\3\x08\5\5\1\x08\6\6\1"));
    build_extension(&extensions, 0x0012, LITERAL(""));
    build_extension(&extensions, 0x0017, LITERAL(""));
    build_extension(&extensions, 0x0023, LITERAL(""));
    build_extension(&extensions, 0x002b, LITERAL("\6\xba\xba\3\4\3\3"));
    build_extension(&extensions, 0x002d, LITERAL("x"));
    build_extension(&extensions, 0xff01, LITERAL("x"));
    build_extension(&extensions, 0x0015, LITERAL("\0\0"));
    fingerprint(LITERAL("\x2a\x2a\x13\1\x13\2\x13\3\xc0\x2b\xc0\x2f\xc0\x2c\xc0\x30\xcc\xa9"
                        "\xcc\xa8\xc0\x13\xc0\x14\0\x9c\0\x9d\0\x2f\0\x35"));
    ck_assert_str_eq(ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
}
END_TEST

START_TEST(nothing_offered_is_zeros)
{
    fingerprint(LITERAL("\x0a\x0a"));
    ck_assert_str_eq(ja4, "t12i000000_000000000000_000000000000");
}
END_TEST

START_TEST(without_signature_algorithms_there_is_no_underscore)
{
    unsigned char digest[32];
    char expected[16];
    sha256("0023,ff01", 9, digest);
    build_extension(&extensions, 0xff01, LITERAL(""));
    build_extension(&extensions, 0x0023, LITERAL(""));
    fingerprint(LITERAL("\x13\1"));
    snprintf(expected, sizeof expected, "_%02x%02x%02x%02x%02x%02x", digest[0], digest[1],
             digest[2], digest[3], digest[4], digest[5]);
    ck_assert_str_eq(ja4 + 23, expected);
    ck_assert_uint_eq(strlen(ja4), 36);
}
END_TEST

START_TEST(the_ends_of_the_protocol_name_are_shown)
{
    static const struct {
        struct span alpn;
        const char *shown;
    } rows[] = {
        {LITERAL("\0\3\2h2"), "h2"},
        {LITERAL("\0\x09\x08http/1.1"), "h1"},
        {LITERAL("\0\2\1x"), "xx"},
        {LITERAL("\0\2\1\xab"), "ab"},
        {LITERAL("\0\3\2\xab\xcd"), "ad"},
        {LITERAL("\0\3\2"
                 "0\xab"),
         "3b"},
        {LITERAL("\0\5\4"
                 "01\xab\xcd"),
         "3d"},
        {LITERAL("\0\5\4"
                 "0\xab\xcd"
                 "1"),
         "01"},
    };
    build_extension(&extensions, 16, rows[_i].alpn);
    fingerprint(LITERAL("\x13\1"));
    ck_assert(span_is(span_of(ja4 + 8, 2), rows[_i].shown));
}
END_TEST

START_TEST(counts_end_at_99)
{
    static unsigned char ciphers[65534];
    for (size_t i = 0; i < sizeof ciphers; i++)
        ciphers[i] = (unsigned char)(i & 0x7f);
    for (unsigned type = 0x2000; type < 0x2000 + 120; type++)
        build_extension(&extensions, type, LITERAL(""));
    fingerprint(span_of(ciphers, 60000));
    ck_assert(span_is(span_of(ja4, 10), "t12i999900"));
    ck_assert_uint_eq(strlen(ja4), 36);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ja4");
    TCase *cases = tcase_create("ja4");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, the_published_example_comes_out);
    tcase_add_test(cases, nothing_offered_is_zeros);
    tcase_add_test(cases, without_signature_algorithms_there_is_no_underscore);
    tcase_add_loop_test(cases, the_ends_of_the_protocol_name_are_shown, 0, 8);
    tcase_add_test(cases, counts_end_at_99);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
