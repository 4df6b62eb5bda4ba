/* Ticket keys from a file, shared by gateways: the file, its renewal, and whose sessions resume
 * where. */
#include "suite.h"
#include "tls_kit.h"

#include "tls/policy.h"
#include "tls/ticket_file.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>

static const char *const pair[] = {"gate"};
static const char *const strangers[] = {"other"};
static struct kit_model model;
static SSL_CTX *client;
static SSL_SESSION *kept;
static unsigned given;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    given++;
    return 1;
}

/* A line of 80 bytes; the first one is `fill`. */
static void add_key(char *text, unsigned char fill)
{
    unsigned char bytes[80];
    memset(bytes, 'k', sizeof bytes);
    bytes[0] = fill;
    char line[120];
    EVP_EncodeBlock((unsigned char *)line, bytes, sizeof bytes);
    strcat(text, line);
    strcat(text, "\n");
}

static void save_keys(const char *fills)
{
    char text[2000] = "# shared by all gateways\n\n";
    for (; *fills != '\0'; fills++)
        add_key(text, (unsigned char)*fills);
    kit_write("tickets.keys", text, strlen(text));
}

static void set_up(void)
{
    kit_start();
    kit_pair("gate", &(struct kit_spec){.san = "DNS:gate.example.com"});
    kit_pair("other", &(struct kit_spec){.san = "DNS:other.example.com"});
    kit_model(&model, pair, 1);
    model.tls.tickets.keys = (char *)(uintptr_t)kit_file("tickets.keys");
    save_keys("ab");
    client = kit_client_context();
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, keep_session);
    kept = NULL;
    given = 0;
}

static void tear_down(void)
{
    SSL_SESSION_free(kept);
    SSL_CTX_free(client);
    kit_stop();
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void speak(int version)
{
    SSL_CTX_set_min_proto_version(client, version);
    SSL_CTX_set_max_proto_version(client, version);
}

/* Of TLS 1.2 the library does not tell when a resumption brought a new ticket. */
static void take_renewed(SSL *ssl)
{
    if (SSL_version(ssl) >= TLS1_3_VERSION || SSL_SESSION_has_ticket(SSL_get_session(ssl)) == 0)
        return;
    SSL_SESSION_free(kept);
    kept = SSL_get1_session(ssl);
}

static void visit(struct tls_policy *policy, bool resumed)
{
    struct kit_link link;
    struct tls_facts facts;
    kit_open(&link, policy, NULL, client, NULL);
    if (kept != NULL)
        ck_assert_int_eq(SSL_set_session(link.client, kept), 1);
    kit_handshake(&link);
    kit_ping(&link);
    tls_get_facts(&link.server, &facts);
    ck_assert_int_eq(facts.resumed, resumed);
    take_renewed(link.client);
    kit_close(&link);
}

/* --- the file --------------------------------------------------------------------------------- */

static struct tls_file file_of(const char *text)
{
    struct tls_file file = {.name = "t.keys", .length = strlen(text)};
    file.bytes = (unsigned char *)strdup(text);
    ck_assert_ptr_nonnull(file.bytes);
    return file;
}

static bool parse(const char *text, size_t *ret_count, struct error *error)
{
    static struct tls_ticket_key keys[TICKET_KEYS_MAX];
    struct tls_file file = file_of(text);
    bool good = tls_ticket_file_parse(keys, ret_count, &file, error);
    tls_file_release(&file);
    return good;
}

START_TEST(lines_are_keys)
{
    char text[1000] = "\n# first\n  ";
    struct error error;
    size_t count;
    add_key(text, 'a');
    add_key(text, 'b');
    text[strlen(text) - 1] = '\0'; /* the last line has no end */
    strcat(text, " \r");
    ck_assert_msg(parse(text, &count, &error), "%s", error.text);
    ck_assert_uint_eq(count, 2);
}
END_TEST

static const struct {
    const char *before, *after, *text;
} bad_lines[] = {
    {"", "", "t.keys:1: no key in it"},
    {"# only words\n", "", "t.keys:1: no key in it"},
    {"a", "secret words", "t.keys:2: not base64"},
    {"a", "c2hvcnQ=", "t.keys:2: not 80 bytes in base64"},
    {"ab", "====", "t.keys:3: not base64"},
    {"aba", "", "t.keys:3: a key whose first 16 bytes, its name, an earlier one has"},
};

START_TEST(a_wrong_line_is_told_with_its_place_and_without_its_content)
{
    char text[2000] = "";
    struct error error;
    size_t count;
    for (const char *fill = bad_lines[_i].before; *fill >= 'a' && *fill <= 'z'; fill++)
        add_key(text, (unsigned char)*fill);
    if (text[0] == '\0')
        strcat(text, bad_lines[_i].before);
    strcat(text, bad_lines[_i].after);
    ck_assert(!parse(text, &count, &error));
    ck_assert_msg(strstr(error.text, bad_lines[_i].text) == error.text, "%s", error.text);
    ck_assert_ptr_null(strstr(error.text, "secret"));
}
END_TEST

START_TEST(more_keys_than_are_kept_are_refused)
{
    static char text[(TICKET_KEYS_MAX + 1) * 110 + 1];
    struct error error;
    size_t count;
    for (unsigned i = 0; i < TICKET_KEYS_MAX; i++)
        add_key(text, (unsigned char)i);
    ck_assert(parse(text, &count, &error));
    ck_assert_uint_eq(count, TICKET_KEYS_MAX);
    add_key(text, 200);
    ck_assert(!parse(text, &count, &error));
    ck_assert_ptr_nonnull(strstr(error.text, ":129: more keys than are kept"));
}
END_TEST

START_TEST(a_bad_file_is_an_error_at_its_place_and_an_open_one_a_warning)
{
    char lines[1024];
    ck_assert_int_eq(chmod(kit_file("tickets.keys"), 0640), 0);
    ck_assert(kit_compile(&model, lines, sizeof lines));
    ck_assert_ptr_nonnull(strstr(lines, "tls.session_tickets.keys: group or others may read"));
    kit_write("tickets.keys", "x\n", 2);
    ck_assert(!kit_compile(&model, lines, sizeof lines));
    ck_assert_ptr_nonnull(strstr(lines, "tickets.keys:1: not 80 bytes in base64"));
    kit_remove("tickets.keys");
    ck_assert(!kit_compile(&model, lines, sizeof lines));
    ck_assert_ptr_nonnull(strstr(lines, "tls.session_tickets.keys: cannot read "));
}
END_TEST

/* --- whose sessions resume where -------------------------------------------------------------- */

START_TEST(a_session_of_one_gateway_resumes_on_another)
{
    struct tls_policy *one = kit_policy(&model, NULL), *two = kit_policy(&model, NULL);
    speak(versions[_i]);
    visit(one, false);
    visit(two, true);
    visit(one, true);
    tls_policy_unref(one);
    tls_policy_unref(two);
}
END_TEST

START_TEST(without_the_file_it_does_not)
{
    model.tls.tickets.keys = NULL;
    struct tls_policy *one = kit_policy(&model, NULL), *two = kit_policy(&model, NULL);
    speak(versions[_i]);
    visit(one, false);
    visit(two, false);
    tls_policy_unref(one);
    tls_policy_unref(two);
}
END_TEST

START_TEST(shared_keys_resume_nothing_under_another_name)
{
    struct kit_model others;
    kit_model(&others, strangers, 1);
    others.tls.tickets.keys = model.tls.tickets.keys;
    struct tls_policy *one = kit_policy(&model, NULL), *two = kit_policy(&others, NULL);
    speak(versions[_i]);
    visit(one, false);
    visit(two, false);
    visit(one, false);
    tls_policy_unref(one);
    tls_policy_unref(two);
}
END_TEST

START_TEST(keys_rotate_by_changing_the_file)
{
    struct error error;
    size_t count = 0;
    struct tls_policy *policy = kit_policy(&model, NULL);
    speak(versions[_i]);
    visit(policy, false);
    save_keys("cab"); /* a new one in front: the old ones still open */
    ck_assert_int_eq(tls_policy_refresh_tickets(policy, &count, &error), TLS_REFRESH_NEW);
    ck_assert_uint_eq(count, 3);
    ck_assert_int_eq(tls_policy_refresh_tickets(policy, &count, &error), TLS_REFRESH_SAME);
    visit(policy, true);
    save_keys("c"); /* and was sealed anew with it */
    ck_assert_int_eq(tls_policy_refresh_tickets(policy, &count, &error), TLS_REFRESH_NEW);
    visit(policy, true);
    save_keys("d");
    ck_assert_int_eq(tls_policy_refresh_tickets(policy, &count, &error), TLS_REFRESH_NEW);
    visit(policy, false);
    tls_policy_unref(policy);
}
END_TEST

START_TEST(a_bad_renewal_is_told_once_and_keeps_the_keys)
{
    struct error error;
    size_t count;
    struct tls_policy *policy = kit_policy(&model, NULL);
    visit(policy, false);
    kit_write("tickets.keys", "no key\n", 7);
    ck_assert_int_eq(tls_policy_refresh_tickets(policy, &count, &error), TLS_REFRESH_REFUSED);
    ck_assert_ptr_nonnull(strstr(error.text, "tickets.keys:1: not base64"));
    ck_assert_int_eq(tls_policy_refresh_tickets(policy, &count, &error), TLS_REFRESH_SAME);
    visit(policy, true);
    save_keys("ab");
    ck_assert_int_eq(tls_policy_refresh_tickets(policy, &count, &error), TLS_REFRESH_SAME);
    visit(policy, true);
    tls_policy_unref(policy);
}
END_TEST

/* --- terms ------------------------------------------------------------------------------------ */

START_TEST(false_gives_and_takes_no_tickets)
{
    struct tls_policy *open = kit_policy(&model, NULL);
    speak(versions[_i]);
    visit(open, false);
    model.tls.tickets.off = true;
    struct tls_policy *closed = kit_policy(&model, open);
    visit(closed, false);
    given = 0;
    visit(closed, false);
    ck_assert_uint_eq(given, 0);
    model.tls.tickets.off = false;
    struct tls_policy *again = kit_policy(&model, closed);
    visit(again, true);
    tls_policy_unref(open);
    tls_policy_unref(closed);
    tls_policy_unref(again);
}
END_TEST

START_TEST(count_is_the_number_of_tickets_of_tls_1_3)
{
    speak(TLS1_3_VERSION);
    model.tls.tickets.count = (unsigned)_i;
    struct tls_policy *policy = kit_policy(&model, NULL);
    visit(policy, false);
    ck_assert_uint_eq(given, (unsigned)_i);
    tls_policy_unref(policy);
}
END_TEST

/* Resumed again and again, each time with the new ticket, a session still ends its life on time. */
START_TEST(a_renewed_ticket_does_not_live_for_ever)
{
    unsigned turns = 0;
    speak(versions[_i]);
    model.tls.tickets.lifetime_ms = 2000;
    struct tls_policy *policy = kit_policy(&model, NULL);
    visit(policy, false);
    for (bool resumed = true; resumed; turns++) {
        struct kit_link link;
        struct tls_facts facts;
        ck_assert_uint_lt(turns, 60);
        kit_open(&link, policy, NULL, client, NULL);
        ck_assert_int_eq(SSL_set_session(link.client, kept), 1);
        kit_handshake(&link);
        kit_ping(&link);
        tls_get_facts(&link.server, &facts);
        resumed = facts.resumed;
        take_renewed(link.client);
        kit_close(&link);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); /* time itself is the case */
    }
    ck_assert_uint_gt(turns, 1);
    tls_policy_unref(policy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls ticket file");
    TCase *files = tcase_create("files"), *where = tcase_create("where"),
          *terms = tcase_create("terms");
    TCase *all[] = {files, where, terms};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        tcase_add_checked_fixture(all[i], set_up, tear_down);
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_test(files, lines_are_keys);
    tcase_add_loop_test(files, a_wrong_line_is_told_with_its_place_and_without_its_content, 0,
                        (int)COUNT_OF(bad_lines));
    tcase_add_test(files, more_keys_than_are_kept_are_refused);
    tcase_add_test(files, a_bad_file_is_an_error_at_its_place_and_an_open_one_a_warning);
    tcase_add_loop_test(where, a_session_of_one_gateway_resumes_on_another, 0, 2);
    tcase_add_loop_test(where, without_the_file_it_does_not, 0, 2);
    tcase_add_loop_test(where, shared_keys_resume_nothing_under_another_name, 0, 2);
    tcase_add_loop_test(where, keys_rotate_by_changing_the_file, 0, 2);
    tcase_add_test(where, a_bad_renewal_is_told_once_and_keeps_the_keys);
    tcase_add_loop_test(terms, false_gives_and_takes_no_tickets, 0, 2);
    tcase_add_loop_test(terms, count_is_the_number_of_tickets_of_tls_1_3, 0, 4);
    tcase_add_loop_test(terms, a_renewed_ticket_does_not_live_for_ever, 0, 2);
    return suite_run(suite);
}
