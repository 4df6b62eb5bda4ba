/* A folder of certificates: what is taken of it at start and while running, and what thousands
 * cost. */
#include "suite.h"
#include "tls/store.h"
#include "tls_kit.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MANY 2000

static const char *const none[] = {"none"};
static struct kit_model model;
static struct tls_policy *policy;
static struct tls_store *store;
static struct error error;
static char lines[8192];

static void set_up(void)
{
    kit_start();
    ck_assert_int_eq(mkdir(kit_file("d"), 0700), 0);
    kit_model(&model, none, 1);
    kit_model_folder(&model, "d");
    policy = NULL;
    store = NULL;
}

static void tear_down(void)
{
    tls_store_unref(store);
    tls_policy_unref(policy);
    kit_stop();
}

static void put(const char *file, const char *san)
{
    kit_pem(file, &(struct kit_spec){.san = san});
}

static void take_away(const char *file)
{
    kit_remove(file);
}

static void compile(void)
{
    policy = kit_policy(&model, NULL);
}

static void expect_line(const char *words)
{
    ck_assert_msg(strstr(lines, words) != NULL, "\"%s\" is not in \"%s\"", words, lines);
}

static bool served(const char *sni, const char *name)
{
    struct kit_link link;
    SSL_CTX *client = kit_client_context();
    kit_open(&link, policy, sni, client, sni);
    kit_handshake(&link);
    bool found = kit_served(&link, name);
    kit_close(&link);
    SSL_CTX_free(client);
    return found;
}

static void expect_new(const char *words)
{
    char line[256];
    tls_store_unref(store);
    store = NULL;
    enum tls_refresh got = tls_policy_refresh(policy, &store, &error);
    ck_assert_msg(got == TLS_REFRESH_NEW, "%d: %s", (int)got, error.text);
    tls_store_describe(store, line, sizeof line);
    ck_assert_msg(strstr(line, words) != NULL, "\"%s\" is not in \"%s\"", words, line);
    tls_policy_set_store(policy, 0, tls_store_ref(store));
}

static void expect_same(void)
{
    ck_assert_int_eq(tls_policy_refresh(policy, &store, &error), TLS_REFRESH_SAME);
}

static void expect_refusal(const char *words)
{
    ck_assert_int_eq(tls_policy_refresh(policy, &store, &error), TLS_REFRESH_REFUSED);
    ck_assert_msg(strstr(error.text, words) != NULL, "\"%s\" is not in \"%s\"", words, error.text);
    expect_same();
    expect_same();
}

/* --- at start --------------------------------------------------------------------------------- */

START_TEST(every_pem_is_served_and_the_first_by_name_is_the_default)
{
    put("d/b.pem", "DNS:b.example.com");
    put("d/a.pem", "DNS:a.example.com");
    put("d/c.pem", "DNS:*.c.example.com");
    compile();
    ck_assert(served("a.example.com", "a.example.com"));
    ck_assert(served("b.example.com", "b.example.com"));
    ck_assert(served("x.c.example.com", "*.c.example.com"));
    ck_assert(served(NULL, "a.example.com"));
}
END_TEST

START_TEST(other_files_and_subfolders_are_passed_over)
{
    put("d/a.pem", "DNS:a.example.com");
    kit_write("d/README", "hello\n", 6);
    kit_write("d/.hidden.pem", "hello\n", 6);
    kit_write("d/a.pem.bak", "hello\n", 6);
    ck_assert_int_eq(mkdir(kit_file("d/sub.pem"), 0700), 0);
    put("d/sub.pem/s.pem", "DNS:s.example.com");
    ck_assert_int_eq(symlink("sub.pem", kit_file("d/link.pem")), 0);
    ck_assert_msg(kit_compile(&model, lines, sizeof lines), "%s", lines);
    ck_assert_str_eq(lines, "");
}
END_TEST

START_TEST(links_are_followed)
{
    ck_assert_int_eq(mkdir(kit_file("archive"), 0700), 0);
    put("archive/one.pem", "DNS:a.example.com");
    ck_assert_int_eq(symlink("../archive/one.pem", kit_file("d/a.pem")), 0);
    compile();
    ck_assert(served("a.example.com", "a.example.com"));
}
END_TEST

START_TEST(a_bad_file_is_left_out_with_a_warning_and_the_rest_is_served)
{
    put("d/a.pem", "DNS:a.example.com");
    put("d/b.pem", "DNS:b.example.com");
    kit_write("d/bad.pem", "hello\n", 6);
    ck_assert_msg(kit_compile(&model, lines, sizeof lines), "%s", lines);
    expect_line("warning: tls.certificates[0].directory: left out: ");
    expect_line("d/bad.pem: no certificate in PEM form");
    compile();
    ck_assert(served("b.example.com", "b.example.com"));
}
END_TEST

START_TEST(dates_and_unused_ones_are_told_with_the_file)
{
    kit_pem("d/a.pem",
            &(struct kit_spec){.san = "DNS:a.example.com", .from_days = -9, .to_days = 3});
    put("d/b.pem", "DNS:a.example.com");
    ck_assert_msg(kit_compile(&model, lines, sizeof lines), "%s", lines);
    expect_line("d/a.pem: the certificate expires in 3 days");
    expect_line("d/b.pem: never served");
}
END_TEST

START_TEST(an_empty_folder_is_an_error)
{
    kit_write("d/README", "hello\n", 6);
    ck_assert(!kit_compile(&model, lines, sizeof lines));
    expect_line("tls.certificates[0].directory: no *.pem in the folder ");
}
END_TEST

START_TEST(a_folder_with_nothing_good_is_an_error)
{
    kit_write("d/bad.pem", "hello\n", 6);
    ck_assert(!kit_compile(&model, lines, sizeof lines));
    expect_line("tls.certificates[0].directory: none of the files in the folder ");
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_an_error)
{
    ck_assert_int_eq(rmdir(kit_file("d")), 0);
    ck_assert(!kit_compile(&model, lines, sizeof lines));
    expect_line("tls.certificates[0].directory: cannot read the folder ");
    expect_line("No such file");
}
END_TEST

/* --- while running ---------------------------------------------------------------------------- */

START_TEST(a_new_file_is_taken)
{
    put("d/b.pem", "DNS:b.example.com");
    compile();
    expect_same();
    put("d/a.pem", "DNS:a.example.com");
    expect_new("a.example.com, serial ");
    expect_same();
    ck_assert(served("a.example.com", "a.example.com"));
    ck_assert(served(NULL, "a.example.com"));
    ck_assert(served("b.example.com", "b.example.com"));
}
END_TEST

START_TEST(a_file_that_is_gone_is_no_longer_served)
{
    put("d/a.pem", "DNS:a.example.com");
    put("d/b.pem", "DNS:b.example.com");
    compile();
    take_away("d/b.pem");
    expect_new("no longer b.example.com (");
    expect_same();
    ck_assert(served("b.example.com", "a.example.com"));
    put("d/b.pem", "DNS:b.example.com");
    expect_new("b.example.com, serial ");
    ck_assert(served("b.example.com", "b.example.com"));
}
END_TEST

START_TEST(a_renamed_file_goes_on_even_when_it_has_expired)
{
    put("d/a.pem", "DNS:a.example.com");
    kit_pem("d/b.pem",
            &(struct kit_spec){.san = "DNS:b.example.com", .from_days = -9, .to_days = -1});
    compile();
    ck_assert_int_eq(rename(kit_file("d/b.pem"), kit_file("d/z.pem")), 0);
    expect_new("b.example.com, serial ");
    expect_same();
    ck_assert(served("b.example.com", "b.example.com"));
}
END_TEST

START_TEST(a_replaced_file_is_held_to_what_it_was)
{
    put("d/a.pem", "DNS:a.example.com");
    put("d/b.pem", "DNS:b.example.com");
    compile();
    put("d/b.pem", "DNS:other.example.com");
    expect_refusal("d/b.pem: the certificate no longer holds the name b.example.com");
    ck_assert(served("b.example.com", "b.example.com"));
    put("d/b.pem", "DNS:b.example.com,DNS:other.example.com");
    expect_new("b.example.com, serial ");
    ck_assert(served("other.example.com", "b.example.com"));
}
END_TEST

START_TEST(a_bad_new_file_is_told_once_and_keeps_the_rest)
{
    put("d/a.pem", "DNS:a.example.com");
    compile();
    kit_write("d/bad.pem", "hello\n", 6);
    expect_refusal("d/bad.pem: no certificate in PEM form");
    kit_pem("d/old.pem",
            &(struct kit_spec){.san = "DNS:old.example.com", .from_days = -9, .to_days = -1});
    expect_refusal("d/old.pem: the certificate has expired on ");
    put("d/bad.pem", "DNS:good.example.com");
    expect_new("good.example.com, serial ");
    ck_assert(served("a.example.com", "a.example.com"));
    ck_assert(served("good.example.com", "good.example.com"));
    take_away("d/old.pem");
    expect_same();
}
END_TEST

START_TEST(a_file_that_was_bad_at_start_is_taken_once_it_is_good)
{
    put("d/a.pem", "DNS:a.example.com");
    kit_write("d/b.pem", "hello\n", 6);
    compile();
    expect_refusal("d/b.pem");
    put("d/b.pem", "DNS:b.example.com");
    expect_new("b.example.com, serial ");
}
END_TEST

START_TEST(a_folder_that_runs_empty_keeps_what_it_had)
{
    put("d/a.pem", "DNS:a.example.com");
    put("d/b.pem", "DNS:b.example.com");
    compile();
    take_away("d/a.pem");
    take_away("d/b.pem");
    expect_refusal("d: no certificate is left in the folder that can be used");
    kit_write("d/c.pem", "hello\n", 6);
    expect_refusal("d/c.pem: no certificate");
    ck_assert_int_eq(rename(kit_file("d"), kit_file("e")), 0);
    expect_refusal("cannot read the folder ");
    ck_assert(served("b.example.com", "b.example.com"));
    ck_assert_int_eq(rename(kit_file("e"), kit_file("d")), 0);
    put("d/b.pem", "DNS:b.example.com");
    expect_new("no longer a.example.com");
    ck_assert(served("a.example.com", "b.example.com"));
}
END_TEST

START_TEST(the_folder_is_watched_as_a_whole)
{
    put("d/a.pem", "DNS:a.example.com");
    compile();
    const char *const *files = tls_policy_files(policy);
    ck_assert_str_eq(files[0], kit_file("d/*.pem"));
    ck_assert_ptr_null(files[1]);
}
END_TEST

/* --- thousands -------------------------------------------------------------------------------- */

/* One key for all: to make thousands would be the slowest part. */
static void put_many(struct kit_signer *signer)
{
    char path[256], san[64];
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(san, sizeof san, "DNS:n%u.example.com", i);
        X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
        X509 *certificate = X509_dup(signer->certificate);
        ck_assert_int_eq(X509_add_ext(certificate, names, -1), 1);
        X509_EXTENSION_free(names);
        ck_assert_int_gt(X509_sign(certificate, signer->key, EVP_sha256()), 0);
        snprintf(path, sizeof path, "%s/n%04u.pem", kit_file("d"), i);
        FILE *file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(fchmod(fileno(file), 0600), 0);
        ck_assert_int_eq(PEM_write_X509(file, certificate), 1);
        ck_assert_int_eq(PEM_write_PrivateKey(file, signer->key, NULL, NULL, 0, NULL, NULL), 1);
        ck_assert_int_eq(fclose(file), 0);
        X509_free(certificate);
    }
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The look-up of one among `of` names, many times. */
static double time_of_finds(const struct tls_store *in, unsigned of)
{
    double began = seconds();
    for (unsigned i = 0; i < 200000; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%u.example.com", (i * 7919u) % of);
        ck_assert(tls_store_find(in, name) != NULL);
    }
    return seconds() - began;
}

START_TEST(thousands_of_certificates_are_found_as_fast_as_a_few)
{
    struct kit_signer signer = kit_make(&(struct kit_spec){.cn = "many"});
    put_many(&signer);
    kit_signer_free(&signer);
    double began = seconds();
    compile();
    double loaded = seconds();
    put("d/one-more.pem", "DNS:one-more.example.com");
    expect_new("one-more.example.com, serial ");
    double refreshed = seconds();
    expect_same();
    ck_assert(served("n7.example.com", "n7.example.com"));
    ck_assert(served("n1999.example.com", "n1999.example.com"));
    ck_assert_uint_eq(tls_store_count(store), MANY + 1);
    double few = time_of_finds(store, 10), many = time_of_finds(store, MANY);
    printf("%d certificates: loaded in %.2f s, one more taken in %.2f s; a look-up takes %.0f ns "
           "among ten, %.0f ns among all\n",
           MANY, loaded - began, refreshed - loaded, few * 5000, many * 5000);
    ck_assert_msg(many < 20 * few + 0.05, "%g s among ten, %g s among all", few, many);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls folder");
    TCase *all = tcase_create("folder");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 120);
    tcase_add_test(all, every_pem_is_served_and_the_first_by_name_is_the_default);
    tcase_add_test(all, other_files_and_subfolders_are_passed_over);
    tcase_add_test(all, links_are_followed);
    tcase_add_test(all, a_bad_file_is_left_out_with_a_warning_and_the_rest_is_served);
    tcase_add_test(all, dates_and_unused_ones_are_told_with_the_file);
    tcase_add_test(all, an_empty_folder_is_an_error);
    tcase_add_test(all, a_folder_with_nothing_good_is_an_error);
    tcase_add_test(all, a_folder_that_is_not_there_is_an_error);
    tcase_add_test(all, a_new_file_is_taken);
    tcase_add_test(all, a_file_that_is_gone_is_no_longer_served);
    tcase_add_test(all, a_renamed_file_goes_on_even_when_it_has_expired);
    tcase_add_test(all, a_replaced_file_is_held_to_what_it_was);
    tcase_add_test(all, a_bad_new_file_is_told_once_and_keeps_the_rest);
    tcase_add_test(all, a_file_that_was_bad_at_start_is_taken_once_it_is_good);
    tcase_add_test(all, a_folder_that_runs_empty_keeps_what_it_had);
    tcase_add_test(all, the_folder_is_watched_as_a_whole);
    tcase_add_test(all, thousands_of_certificates_are_found_as_fast_as_a_few);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
