/* The dialects inside which TLS can begin: each turn at every split of its bytes. */
#include "inspect/postgres.h"
#include "inspect/starttls.h"
#include "split.h"
#include "suite.h"

static const unsigned char ssl_request[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f, 0x16, 0x03};
static const unsigned char gssenc_request[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30, 0x16, 0x03};

/* On the heap, in exactly its length, for AddressSanitizer. */
static struct starttls_turn client(struct span bytes, unsigned turns)
{
    unsigned char *copy = malloc(bytes.length + (bytes.length == 0));
    ck_assert_ptr_nonnull(copy);
    if (bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    struct starttls_turn turn =
        starttls_client(STARTTLS_postgres, span_of(copy, bytes.length), turns);
    free(copy);
    return turn;
}

START_TEST(a_request_is_known_when_it_is_whole_and_no_byte_behind_it_is_taken)
{
    static const struct {
        const unsigned char *bytes;
        unsigned turns;
        enum starttls_step step;
        const char *say, *what;
    } rows[] = {
        {ssl_request, 0, STARTTLS_TLS, "S", "SSLRequest"},
        {ssl_request, 1, STARTTLS_TLS, "S", "SSLRequest"},
        {gssenc_request, 0, STARTTLS_SAY, "N", "GSSENCRequest"},
    };
    for (size_t n = 0; n <= sizeof ssl_request; n++) {
        struct starttls_turn turn = client(span_of(rows[_i].bytes, n), rows[_i].turns);
        ck_assert_int_eq(turn.step, n < 8 ? STARTTLS_MORE : rows[_i].step);
        if (n < 8)
            continue;
        ck_assert_uint_eq(turn.take, 8);
        ck_assert(span_is(turn.say, rows[_i].say));
        ck_assert_str_eq(turn.what, rows[_i].what);
    }
}
END_TEST

START_TEST(the_first_byte_that_fits_no_request_makes_it_plain)
{
    for (size_t at = 0; at < 8; at++) {
        for (unsigned value = 0; value < 256; value++) {
            unsigned char bytes[8];
            memcpy(bytes, ssl_request, sizeof bytes);
            bytes[at] = (unsigned char)value;
            bool fits = value == ssl_request[at] || (at == 7 && value == gssenc_request[7]);
            enum starttls_step step = client(span_of(bytes, at + 1), 0).step;
            ck_assert_int_eq(step == STARTTLS_NO, !fits);
        }
    }
}
END_TEST

START_TEST(a_gssenc_request_is_answered_once)
{
    for (size_t n = 0; n <= sizeof gssenc_request; n++)
        ck_assert_int_eq(client(span_of(gssenc_request, n), 1).step,
                         n < 8 ? STARTTLS_MORE : STARTTLS_NO);
}
END_TEST

START_TEST(startup_and_cancel_are_plain_before_they_are_whole)
{
    static const struct {
        struct span bytes;
        size_t plain_at;
    } rows[] = {
        {LITERAL("\0\0\0\46\0\3\0\0user\0me\0database\0db\0\0"), 4},
        {LITERAL("\0\0\0\20\4\322\26\56\0\0\1\2\0\0\3\4"), 4},
        {LITERAL("\0\0\0\10\0\3\0\0"), 5},
        {LITERAL("\26\3\1\2\0\1"), 1},
    };
    for (size_t n = 0; n <= rows[_i].bytes.length; n++)
        ck_assert_int_eq(client(span_first(rows[_i].bytes, n), 0).step,
                         n < rows[_i].plain_at ? STARTTLS_MORE : STARTTLS_NO);
}
END_TEST

START_TEST(a_server_is_asked_first_whatever_it_says)
{
    for (size_t n = 0; n < 2; n++) {
        struct starttls_turn turn = starttls_server(STARTTLS_postgres, span_of("S", n), 0);
        ck_assert_int_eq(turn.step, STARTTLS_SAY);
        ck_assert_uint_eq(turn.take, 0);
        ck_assert(span_equal(turn.say, span_of(ssl_request, POSTGRES_REQUEST_LENGTH)));
    }
}
END_TEST

START_TEST(a_server_agrees_with_the_one_byte_s)
{
    ck_assert_int_eq(starttls_server(STARTTLS_postgres, span_of(NULL, 0), 1).step, STARTTLS_MORE);
    for (unsigned value = 0; value < 256; value++) {
        unsigned char byte = (unsigned char)value;
        struct starttls_turn turn = starttls_server(STARTTLS_postgres, span_of(&byte, 1), 1);
        ck_assert_int_eq(turn.step, value == 'S' ? STARTTLS_TLS : STARTTLS_NO);
        ck_assert_uint_eq(turn.take, value == 'S' ? 1 : 0);
        ck_assert_ptr_nonnull(turn.what);
        ck_assert_uint_eq(turn.say.length, 0);
    }
    /* what is behind it is not taken: the caller sees that, and ends */
    ck_assert_uint_eq(starttls_server(STARTTLS_postgres, span_text("S\26"), 1).take, 1);
}
END_TEST

START_TEST(dialects_are_found_by_their_names)
{
    enum starttls dialect = STARTTLS_NONE;
    ck_assert(starttls_find(&dialect, span_text("postgres")));
    ck_assert_int_eq(dialect, STARTTLS_postgres);
    ck_assert_str_eq(starttls_name(dialect), "postgres");
    ck_assert(!starttls_find(&dialect, span_text("postgresql")));
    ck_assert(!starttls_find(&dialect, span_text("")));
    ck_assert_ptr_null(starttls_name(STARTTLS_NONE));
    ck_assert_ptr_null(starttls_name(STARTTLS_COUNT));
}
END_TEST

START_TEST(without_a_dialect_nothing_is_a_request)
{
    struct span request = span_of(ssl_request, 8);
    ck_assert_int_eq(starttls_client(STARTTLS_NONE, request, 0).step, STARTTLS_NO);
    ck_assert_int_eq(starttls_server(STARTTLS_NONE, request, 0).step, STARTTLS_NO);
    ck_assert_int_eq(starttls_client(STARTTLS_COUNT, request, 0).step, STARTTLS_NO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("starttls");
    TCase *cases = tcase_create("starttls");
    tcase_add_loop_test(cases, a_request_is_known_when_it_is_whole_and_no_byte_behind_it_is_taken,
                        0, 3);
    tcase_add_test(cases, the_first_byte_that_fits_no_request_makes_it_plain);
    tcase_add_test(cases, a_gssenc_request_is_answered_once);
    tcase_add_loop_test(cases, startup_and_cancel_are_plain_before_they_are_whole, 0, 4);
    tcase_add_test(cases, a_server_is_asked_first_whatever_it_says);
    tcase_add_test(cases, a_server_agrees_with_the_one_byte_s);
    tcase_add_test(cases, dialects_are_found_by_their_names);
    tcase_add_test(cases, without_a_dialect_nothing_is_a_request);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
