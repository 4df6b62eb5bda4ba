/* A reader that has chosen its decoders once reads every form of key that PEM files hold, in any
 * order and between other blocks, and says of the rest what the library's own way says. */
#include "suite.h"
#include "tls/key_reader.h"

#include <check.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

enum form { PKCS8, TRADITIONAL, PUBLIC_ONLY, ENCRYPTED, ENCRYPTED_TRADITIONAL };

static EVP_PKEY *make(const char *type)
{
    EVP_PKEY *key = NULL;
    if (strcmp(type, "RSA") == 0)
        key = EVP_RSA_gen(2048);
    else if (strcmp(type, "ED25519") == 0)
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    else
        key = EVP_EC_gen(type);
    ck_assert_ptr_nonnull(key);
    return key;
}

static void write_key(BIO *bio, EVP_PKEY *key, enum form form)
{
    static char word[] = "secret";
    int done = 0;
    if (form == PKCS8)
        done = PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    else if (form == TRADITIONAL)
        done = PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL);
    else if (form == PUBLIC_ONLY)
        done = PEM_write_bio_PUBKEY(bio, key);
    else if (form == ENCRYPTED)
        done = PEM_write_bio_PrivateKey(bio, key, EVP_aes_256_cbc(), NULL, 0, NULL, word);
    else
        done =
            PEM_write_bio_PrivateKey_traditional(bio, key, EVP_aes_256_cbc(), NULL, 0, NULL, word);
    ck_assert_int_eq(done, 1);
}

static void write_certificate(BIO *bio, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    ck_assert_ptr_nonnull(cert);
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notBefore(cert), 0));
    ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(cert), 3600));
    ck_assert_int_eq(X509_set_pubkey(cert, key), 1);
    const EVP_MD *digest = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
    ck_assert_int_gt(X509_sign(cert, key, digest), 0);
    ck_assert_int_eq(PEM_write_bio_X509(bio, cert), 1);
    X509_free(cert);
}

static struct tls_file file_of(BIO *bio)
{
    char *bytes;
    long length = BIO_get_mem_data(bio, &bytes);
    ck_assert_int_ge(length, 0);
    return (struct tls_file){.name = "keys.pem", .bytes = (void *)bytes, .length = (size_t)length};
}

/* With the reader and without: the same key, or none and the same reason. */
static void check(struct tls_key_reader *reader, BIO *bio, const EVP_PKEY *wanted, bool encrypted)
{
    struct tls_file file = file_of(bio);
    for (unsigned i = 0; i < 2; i++) {
        bool asked;
        EVP_PKEY *read = tls_key_read(i == 0 ? reader : NULL, &file, &asked);
        ck_assert_int_eq(asked, encrypted);
        ck_assert_int_eq(read != NULL, wanted != NULL);
        if (wanted != NULL)
            ck_assert_int_eq(EVP_PKEY_eq(read, wanted), 1);
        EVP_PKEY_free(read);
    }
    BIO_free(bio);
}

static BIO *empty_file(void)
{
    BIO *bio = BIO_new(BIO_s_mem());
    ck_assert_ptr_nonnull(bio);
    return bio;
}

static const char *const types[] = {"RSA", "P-256", "ED25519", "P-384", "P-521"};

START_TEST(every_type_and_form_is_read_by_one_reader)
{
    struct tls_key_reader *reader = tls_key_reader_create();
    ck_assert_ptr_nonnull(reader);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT_OF(types); i++) {
            EVP_PKEY *key = make(types[i]);
            BIO *bio = empty_file();
            write_key(bio, key, PKCS8);
            check(reader, bio, key, false);
            bio = empty_file();
            write_certificate(bio, key);
            write_key(bio, key, strcmp(types[i], "ED25519") == 0 ? PKCS8 : TRADITIONAL);
            check(reader, bio, key, false);
            EVP_PKEY_free(key);
        }
    }
    tls_key_reader_free(reader);
}
END_TEST

START_TEST(what_stands_before_a_key_is_passed_over)
{
    struct tls_key_reader *reader = tls_key_reader_create();
    EVP_PKEY *key = make("P-256"), *other = make("RSA");
    BIO *bio = empty_file();
    BIO_puts(bio, "a remark\n");
    write_key(bio, other, PUBLIC_ONLY);
    for (unsigned i = 0; i < 5; i++)
        write_certificate(bio, key);
    write_key(bio, key, PKCS8);
    write_key(bio, other, PKCS8);
    check(reader, bio, key, false);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    tls_key_reader_free(reader);
}
END_TEST

START_TEST(a_file_without_a_key_that_can_be_read_gives_none)
{
    struct tls_key_reader *reader = tls_key_reader_create();
    EVP_PKEY *key = make("P-256");
    BIO *bio = empty_file();
    check(reader, bio, NULL, false);
    bio = empty_file();
    write_key(bio, key, PUBLIC_ONLY);
    write_certificate(bio, key);
    check(reader, bio, NULL, false);
    bio = empty_file();
    BIO_puts(bio, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    check(reader, bio, NULL, false);
    bio = empty_file();
    BIO_puts(bio, "-----BEGIN PRIVATE KEY-----\nAAAA\n");
    check(reader, bio, NULL, false);
    bio = empty_file();
    write_key(bio, key, ENCRYPTED);
    check(reader, bio, NULL, true);
    bio = empty_file();
    write_key(bio, key, ENCRYPTED_TRADITIONAL);
    check(reader, bio, NULL, true);
    EVP_PKEY_free(key);
    tls_key_reader_free(reader);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls key reader");
    TCase *c = tcase_create("reading");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, every_type_and_form_is_read_by_one_reader);
    tcase_add_test(c, what_stands_before_a_key_is_passed_over);
    tcase_add_test(c, a_file_without_a_key_that_can_be_read_gives_none);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
