#include "inspect/tls_record.h"
#include "suite.h"

#include "split.h"

static enum verdict probe(void *context, struct span bytes)
{
    (void)context;
    return tls_record_probe(bytes);
}

START_TEST(six_fitting_bytes_are_tls)
{
    static const struct span fitting[] = {
        LITERAL("\x16\x03\x01\x02\x00\x01\x00\x01"), LITERAL("\x16\x03\x00\x00\x01\x01"),
        LITERAL("\x16\x03\x04\x40\x00\x01"),         LITERAL("\x16\x03\x03\x3f\xff\x01"),
        LITERAL("\x16\x03\x02\x00\xff\x01"),
    };
    split_check(probe, NULL, fitting[_i], 6, VERDICT_YES, "fitting");
}
END_TEST

START_TEST(the_byte_that_breaks_the_pattern_makes_it_plain)
{
    static const struct {
        struct span bytes;
        size_t breaks_at;
    } rows[] = {
        {LITERAL("8=FIX.4.4"), 1},
        {LITERAL("\x00\x03\x01\x02\x00\x01"), 1},
        {LITERAL("\x15\x03\x01\x00\x02\x01"), 1}, /* an alert */
        {LITERAL("\x80\x2e\x01\x03\x01\x00"), 1}, /* an SSLv2-form hello */
        {LITERAL("\x16\x02\x01\x02\x00\x01"), 2},
        {LITERAL("\x16\xfe\xff\x00\x00\x00"), 2}, /* DTLS */
        {LITERAL("\x16\x03\x05\x02\x00\x01"), 3},
        {LITERAL("\x16\x03\x01\x41\x00\x01"), 4},
        {LITERAL("\x16\x03\x01\x40\x01\x01"), 5},
        {LITERAL("\x16\x03\x01\x00\x00\x01"), 5},
        {LITERAL("\x16\x03\x01\x02\x00\x02"), 6}, /* a ServerHello */
        {LITERAL("\x16\x03\x01\x02\x00\x00"), 6},
    };
    split_check(probe, NULL, rows[_i].bytes, rows[_i].breaks_at, VERDICT_NO, "plain");
}
END_TEST

START_TEST(every_length_is_judged_by_its_number)
{
    for (unsigned length = 0; length < 65536; length++) {
        unsigned char bytes[6] = {
            0x16, 3, 1, (unsigned char)(length >> 8), (unsigned char)(length & 0xff), 1};
        bool tls = tls_record_probe(span_of(bytes, 6)) == VERDICT_YES;
        ck_assert_int_eq(tls, length >= 1 && length <= 16384);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls_record");
    TCase *cases = tcase_create("probe");
    tcase_add_loop_test(cases, six_fitting_bytes_are_tls, 0, 5);
    tcase_add_loop_test(cases, the_byte_that_breaks_the_pattern_makes_it_plain, 0, 12);
    tcase_add_test(cases, every_length_is_judged_by_its_number);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
