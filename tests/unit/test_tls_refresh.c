/* Renewal: what is taken, what is refused and with what words, and how often it is told. */
#include "suite.h"
#include "tls_kit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMES "DNS:one.example.com,DNS:also.example.com"

static const char *const pairs[] = {"one", "two"};
static struct tls_policy *policy;
static struct tls_store *store;
static struct error error;

static void set_up(void)
{
    struct kit_model model;
    kit_start();
    kit_pair("one", &(struct kit_spec){.san = NAMES});
    kit_pair("two", &(struct kit_spec){.san = "DNS:two.example.com"});
    kit_model(&model, pairs, 2);
    policy = kit_policy(&model, NULL);
    store = NULL;
}

static void tear_down(void)
{
    tls_store_unref(store);
    tls_policy_unref(policy);
    kit_stop();
}

static enum tls_refresh refresh(void)
{
    tls_store_unref(store);
    store = NULL;
    error.text[0] = '\0';
    return tls_policy_refresh(policy, &store, &error);
}

static void expect_same(void)
{
    ck_assert_int_eq(refresh(), TLS_REFRESH_SAME);
    ck_assert_ptr_null(store);
}

static void expect_new(void)
{
    enum tls_refresh got = refresh();
    ck_assert_msg(got == TLS_REFRESH_NEW, "%d: %s", (int)got, error.text);
    ck_assert_ptr_nonnull(store);
}

/* Refused with these words, once. */
static void expect_refusal(const char *words)
{
    ck_assert_int_eq(refresh(), TLS_REFRESH_REFUSED);
    ck_assert_ptr_null(store);
    ck_assert_msg(strstr(error.text, words) != NULL, "\"%s\" is not in \"%s\"", words, error.text);
    expect_same();
    expect_same();
}

/* What new clients get is still the pair that the test began with. */
static bool serves(const char *name)
{
    struct kit_link link;
    SSL_CTX *client = kit_client_context();
    kit_open(&link, policy, "one.example.com", client, "one.example.com");
    kit_handshake(&link);
    bool found = kit_served(&link, name);
    kit_close(&link);
    SSL_CTX_free(client);
    return found;
}

static void prepare(const struct kit_spec *spec)
{
    kit_pair("fresh", spec);
}

static void move(const char *suffix)
{
    char from[32], to[32];
    snprintf(from, sizeof from, "fresh.%s", suffix);
    snprintf(to, sizeof to, "one.%s", suffix);
    ck_assert_int_eq(rename(kit_file(from), kit_file(to)), 0);
}

START_TEST(nothing_changed_is_the_same)
{
    expect_same();
}
END_TEST

START_TEST(a_touched_file_is_the_same)
{
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    ck_assert_int_eq(utimensat(AT_FDCWD, kit_file("one.crt"), times, 0), 0);
    expect_same();
}
END_TEST

START_TEST(a_good_pair_is_taken)
{
    char line[256];
    prepare(&(struct kit_spec){.san = NAMES ",DNS:more.example.com"});
    move("key");
    move("crt");
    expect_new();
    tls_store_describe(store, line, sizeof line);
    ck_assert_msg(strncmp(line, "one.example.com, serial ", 24) == 0, "%s", line);
    ck_assert_ptr_nonnull(strstr(line, ", not after 20"));
    ck_assert_ptr_null(strstr(line, "more)")); /* the other pair is as before */
    tls_policy_set_store(policy, 0, tls_store_ref(store));
    ck_assert(serves("more.example.com"));
    expect_same();
}
END_TEST

START_TEST(a_pair_that_comes_in_two_steps_is_refused_then_taken)
{
    bool key_first = _i == 0;
    prepare(&(struct kit_spec){.san = NAMES});
    move(key_first ? "key" : "crt");
    expect_refusal("the key does not match the certificate in ");
    ck_assert(serves("also.example.com"));
    move(key_first ? "crt" : "key");
    expect_new();
    expect_same();
}
END_TEST

START_TEST(a_certificate_cut_anywhere_is_refused)
{
    static char bytes[8192];
    prepare(&(struct kit_spec){.san = NAMES});
    move("key");
    expect_refusal("does not match");
    size_t length = kit_read("fresh.crt", bytes, sizeof bytes);
    for (size_t cut = 0; cut + 2 < length; cut += 37) {
        kit_write("one.crt", bytes, cut);
        ck_assert_int_eq(refresh(), TLS_REFRESH_REFUSED);
        expect_same();
    }
    kit_write("one.crt", bytes, length);
    expect_new();
}
END_TEST

START_TEST(a_key_cut_anywhere_is_refused)
{
    static char bytes[8192];
    prepare(&(struct kit_spec){.san = NAMES});
    move("crt");
    expect_refusal("does not match");
    size_t length = kit_read("fresh.key", bytes, sizeof bytes);
    for (size_t cut = 0; cut + 2 < length; cut += 37) {
        kit_write("one.key", bytes, cut);
        ck_assert_int_eq(refresh(), TLS_REFRESH_REFUSED);
        ck_assert_ptr_nonnull(strstr(error.text, "no private key"));
        expect_same();
    }
    kit_write("one.key", bytes, length);
    expect_new();
}
END_TEST

START_TEST(garbage_is_refused)
{
    kit_write("one.crt", "hello\n", 6);
    expect_refusal("no certificate in PEM form");
    kit_write("one.crt", "other\n", 6); /* another state of the files: told again */
    expect_refusal("no certificate in PEM form");
    ck_assert(serves("also.example.com"));
}
END_TEST

START_TEST(a_missing_file_is_refused)
{
    kit_remove("one.key");
    expect_refusal("cannot read ");
    ck_assert_ptr_null(store);
}
END_TEST

START_TEST(a_return_to_what_is_loaded_clears_the_refusal)
{
    static char bytes[8192];
    size_t length = kit_read("one.crt", bytes, sizeof bytes);
    kit_write("one.crt", "hello\n", 6);
    expect_refusal("no certificate");
    kit_write("one.crt", bytes, length);
    expect_same();
    kit_write("one.crt", "hello\n", 6);
    expect_refusal("no certificate");
}
END_TEST

static const struct {
    const char *san;
    int from_days, to_days;
    const char *words;
} bad_renewals[] = {
    {NAMES, -10, -1, "has expired on "},
    {NAMES, 2, 90, "is not valid before "},
    {"DNS:one.example.com", -1, 90, "no longer holds the name also.example.com"},
    {"DNS:other.example.com", -1, 90, "no longer holds the name "},
};

START_TEST(a_worse_pair_is_refused)
{
    prepare(&(struct kit_spec){.san = bad_renewals[_i].san,
                               .from_days = bad_renewals[_i].from_days,
                               .to_days = bad_renewals[_i].to_days});
    move("key");
    move("crt");
    expect_refusal(bad_renewals[_i].words);
    ck_assert(serves("also.example.com"));
    prepare(&(struct kit_spec){.san = NAMES});
    move("key");
    move("crt");
    expect_new();
}
END_TEST

START_TEST(a_wildcard_covers_the_names_below_it)
{
    prepare(&(struct kit_spec){.san = "DNS:*.example.com"});
    move("key");
    move("crt");
    expect_new();
}
END_TEST

START_TEST(an_encrypted_key_is_refused_without_asking)
{
    struct kit_signer made = kit_make(&(struct kit_spec){.san = NAMES});
    kit_save_certificates("one.crt", &made.certificate, 1);
    kit_save_key("one.key", made.key, "secret");
    kit_signer_free(&made);
    expect_refusal("the key is encrypted");
}
END_TEST

START_TEST(a_pipe_in_place_of_a_file_does_not_hang)
{
    kit_remove("one.crt");
    ck_assert_int_eq(mkfifo(kit_file("one.crt"), 0600), 0);
    expect_refusal("is not a regular file");
}
END_TEST

START_TEST(a_bad_pair_does_not_hold_up_the_others)
{
    kit_write("one.crt", "hello\n", 6);
    kit_pair("two", &(struct kit_spec){.san = "DNS:two.example.com"});
    expect_new();
    expect_refusal("one.crt: no certificate in PEM form");
}
END_TEST

START_TEST(every_refusal_is_told)
{
    kit_write("one.crt", "hello\n", 6);
    kit_write("two.crt", "hello\n", 6);
    ck_assert_int_eq(refresh(), TLS_REFRESH_REFUSED);
    ck_assert_ptr_nonnull(strstr(error.text, "one.crt"));
    ck_assert_int_eq(refresh(), TLS_REFRESH_REFUSED);
    ck_assert_ptr_nonnull(strstr(error.text, "two.crt"));
    expect_same();
}
END_TEST

/* With the user dropped, root's 0600 files can no longer be read. */
START_TEST(an_unreadable_file_says_who_must_read_it)
{
    if (geteuid() != 0)
        return;
    ck_assert_int_eq(chmod(kit_file("."), 0755), 0);
    ck_assert_int_eq(seteuid(65534), 0);
    enum tls_refresh got = refresh();
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(got, TLS_REFRESH_REFUSED);
    ck_assert_msg(strstr(error.text, "the user that muxgate runs as must be able to") != NULL, "%s",
                  error.text);
    ck_assert_ptr_nonnull(strstr(error.text, "Permission denied"));
}
END_TEST

START_TEST(the_files_to_watch_are_listed_once_each)
{
    const char *const *files = tls_policy_files(policy);
    size_t count = 0;
    while (files[count] != NULL)
        count++;
    ck_assert_uint_eq(count, 4);
    ck_assert_str_eq(files[0], kit_file("one.crt"));
    ck_assert_str_eq(files[1], kit_file("one.key"));
}
END_TEST

START_TEST(without_watch_there_is_nothing_to_watch)
{
    struct kit_model model;
    kit_model(&model, pairs, 2);
    model.tls.watch = false;
    struct tls_policy *unwatched = kit_policy(&model, NULL);
    ck_assert_ptr_null(tls_policy_files(unwatched)[0]);
    tls_policy_unref(unwatched);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls refresh");
    TCase *all = tcase_create("refresh");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, nothing_changed_is_the_same);
    tcase_add_test(all, a_touched_file_is_the_same);
    tcase_add_test(all, a_good_pair_is_taken);
    tcase_add_loop_test(all, a_pair_that_comes_in_two_steps_is_refused_then_taken, 0, 2);
    tcase_add_test(all, a_certificate_cut_anywhere_is_refused);
    tcase_add_test(all, a_key_cut_anywhere_is_refused);
    tcase_add_test(all, garbage_is_refused);
    tcase_add_test(all, a_missing_file_is_refused);
    tcase_add_test(all, a_return_to_what_is_loaded_clears_the_refusal);
    tcase_add_loop_test(all, a_worse_pair_is_refused, 0, (int)COUNT_OF(bad_renewals));
    tcase_add_test(all, a_wildcard_covers_the_names_below_it);
    tcase_add_test(all, an_encrypted_key_is_refused_without_asking);
    tcase_add_test(all, a_pipe_in_place_of_a_file_does_not_hang);
    tcase_add_test(all, a_bad_pair_does_not_hold_up_the_others);
    tcase_add_test(all, every_refusal_is_told);
    tcase_add_test(all, an_unreadable_file_says_who_must_read_it);
    tcase_add_test(all, the_files_to_watch_are_listed_once_each);
    tcase_add_test(all, without_watch_there_is_nothing_to_watch);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
