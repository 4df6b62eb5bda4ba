/* What OpenSSL gives away of its keys: what is noted, and that without a kernel nothing is. The
 * rest needs a kernel that has TLS: tests/e2e/test_kernel_tls.py. */
#include "suite.h"
#include "wire_kit.h"

#include <linux/tls.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* OpenSSL's numbers of the controls of its own sockets. */
enum { SET_KTLS = 72, GET_KTLS_SEND = 73, GET_KTLS_RECV = 76 };

static void set_up(void)
{
    tls_kernel_start();
    wire_set_up();
}

static struct tls12_crypto_info_aes_gcm_128 keys(void)
{
    return (struct tls12_crypto_info_aes_gcm_128){.info = {TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_128},
                                                  .key = "0123456789abcde"};
}

START_TEST(the_library_is_told_that_the_kernel_does_nothing)
{
    struct tls12_crypto_info_aes_gcm_128 info = keys();
    ck_assert_int_eq(BIO_ctrl(bio, SET_KTLS, 1, &info), 0);
    ck_assert_int_eq(BIO_ctrl(bio, SET_KTLS, 0, &info), 0);
    ck_assert_int_eq(BIO_ctrl(bio, GET_KTLS_SEND, 0, NULL), 0);
    ck_assert_int_eq(BIO_ctrl(bio, GET_KTLS_RECV, 0, NULL), 0);
}
END_TEST

START_TEST(keys_are_noted_for_sending_only_and_where_the_kernel_can)
{
    struct tls12_crypto_info_aes_gcm_128 info = keys();
    (void)BIO_ctrl(bio, SET_KTLS, 0, &info);
    ck_assert_ptr_null(wire.kernel);
    (void)BIO_ctrl(bio, SET_KTLS, 1, &info);
    ck_assert_int_eq(wire.kernel != NULL, tls_kernel_is_there());
    tls_wire_forget_keys(&wire);
    ck_assert_ptr_null(wire.kernel);
}
END_TEST

START_TEST(what_the_kernel_is_not_known_to_do_is_not_noted)
{
    struct tls12_crypto_info_aes_gcm_128 info = keys();
    info.info.cipher_type = TLS_CIPHER_AES_CCM_128;
    ck_assert_ptr_null(tls_kernel_note(&info));
    info.info.cipher_type = 0xffff;
    ck_assert_ptr_null(tls_kernel_note(&info));
    info = keys();
    info.info.version = 0x0302;
    ck_assert_ptr_null(tls_kernel_note(&info));
}
END_TEST

/* No layer of TCP's goes on a UNIX socket: the library goes on, and nobody asks again. */
START_TEST(where_the_kernel_says_no_the_library_goes_on)
{
    struct tls12_crypto_info_aes_gcm_128 info = keys();
    char room[8];
    (void)BIO_ctrl(bio, SET_KTLS, 1, &info);
    ck_assert(!tls_wire_engage(&wire));
    ck_assert_ptr_null(wire.kernel);
    ck_assert(!tls_wire_is_engaged(&wire));
    ck_assert_int_eq(BIO_write(bio, "record", 6), 6);
    ck_assert_int_eq(recv(peer, room, sizeof room, 0), 6);
}
END_TEST

START_TEST(a_write_that_was_cut_is_owed_until_its_rest_is_out)
{
    static char much[1 << 22];
    ck_assert_int_eq(BIO_write(bio, "record", 6), 6);
    ck_assert(!wire.owing);
    int count = BIO_write(bio, much, sizeof much);
    ck_assert_int_gt(count, 0);
    ck_assert_int_lt(count, (int)sizeof much);
    ck_assert(wire.owing);
    ck_assert_int_lt(BIO_write(bio, much, sizeof much), 0);
    ck_assert(wire.owing);
    while (recv(peer, much, sizeof much, 0) > 0)
        continue;
    ck_assert_int_eq(BIO_write(bio, "rest", 4), 4);
    ck_assert(!wire.owing);
}
END_TEST

START_TEST(a_person_is_told_what_was_found)
{
    const char *words = tls_kernel_words();
    ck_assert(tls_kernel_is_there() == (strncmp(words, "available (", 11) == 0));
    ck_assert(strncmp(words, "available (", 11) == 0 || strncmp(words, "not ", 4) == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls kernel");
    TCase *tests = tcase_create("kernel");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, set_up, wire_tear_down);
    tcase_add_test(tests, the_library_is_told_that_the_kernel_does_nothing);
    tcase_add_test(tests, keys_are_noted_for_sending_only_and_where_the_kernel_can);
    tcase_add_test(tests, what_the_kernel_is_not_known_to_do_is_not_noted);
    tcase_add_test(tests, where_the_kernel_says_no_the_library_goes_on);
    tcase_add_test(tests, a_write_that_was_cut_is_owed_until_its_rest_is_out);
    tcase_add_test(tests, a_person_is_told_what_was_found);
    return suite_run(suite);
}
