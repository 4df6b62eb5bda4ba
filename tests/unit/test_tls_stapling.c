/* Whose OCSP response goes out in which handshake, from where, and until when. */
#include "ocsp_kit.h"
#include "suite.h"

#include "base/clock.h"
#include "tls/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define DAY 86400L

static const char *const pairs[] = {"ec", "rsa"};
static struct kit_signer authority, ec, rsa;
static struct ocsp_responder server;
static struct kit_model model;
static SSL_CTX *client;
static char url[64];

static void save(const char *name, const struct kit_signer *made)
{
    char file[32];
    snprintf(file, sizeof file, "%s.crt", name);
    kit_save_certificates(file, (X509 *[]){made->certificate, authority.certificate}, 2);
    snprintf(file, sizeof file, "%s.key", name);
    kit_save_key(file, made->key, NULL);
}

static void set_up(void)
{
    kit_start();
    authority = kit_make(&(struct kit_spec){.cn = "authority", .is_ca = true});
    ocsp_responder_open(&server, "127.0.0.1");
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", server.port);
    struct kit_spec spec = {.san = "DNS:gate.example.com", .by = &authority, .ocsp = url};
    ec = kit_make(&spec);
    spec.key = KIT_RSA;
    rsa = kit_make(&spec);
    save("ec", &ec);
    save("rsa", &rsa);
    kit_model(&model, pairs, 2);
    client = kit_client_context();
    SSL_CTX_set_tlsext_status_type(client, TLSEXT_STATUSTYPE_ocsp);
}

static void tear_down(void)
{
    SSL_CTX_free(client);
    kit_signer_free(&authority);
    kit_signer_free(&ec);
    kit_signer_free(&rsa);
    kit_stop();
}

static struct ocsp_bytes response_of(const struct kit_signer *subject, int status, long until_s)
{
    struct ocsp_bytes made;
    ocsp_make(&made, &(struct ocsp_spec){.subject = subject->certificate,
                                         .issuer = authority.certificate,
                                         .by = &authority,
                                         .status = status,
                                         .from_s = -10 * DAY,
                                         .until_s = until_s});
    return made;
}

static void from_file(const struct ocsp_bytes *response)
{
    kit_write("staple.der", response->data, response->length);
    model.tls.ocsp_file = (char *)(uintptr_t)kit_file("staple.der");
}

static void fetched(void)
{
    model.tls.ocsp_file = NULL;
    model.tls.ocsp_auto = true;
}

/* What a client of this key type is given; NULL for none. */
static bool gets(struct tls_policy *policy, const char *type, const struct ocsp_bytes *expected)
{
    struct kit_link link;
    const unsigned char *got = NULL;
    SSL_CTX_set1_sigalgs_list(client, type);
    kit_open(&link, policy, "gate.example.com", client, "gate.example.com");
    kit_handshake(&link);
    long length = SSL_get_tlsext_status_ocsp_resp(link.client, &got);
    bool same = expected == NULL ? length <= 0
                                 : (size_t)length == expected->length &&
                                       memcmp(got, expected->data, expected->length) == 0;
    kit_close(&link);
    return same;
}

#define EC  "ECDSA+SHA256"
#define RSA "RSA-PSS+SHA256:RSA+SHA256"

/* Looks at the files and hands what is new to worker 0, as the control thread does. */
static enum tls_refresh refresh(struct tls_policy *policy, struct error *error)
{
    struct tls_staples *staples;
    struct error ignored;
    enum tls_refresh told =
        tls_policy_refresh_staples(policy, &staples, error != NULL ? error : &ignored);
    if (told == TLS_REFRESH_NEW)
        tls_policy_set_staples(policy, 0, staples);
    return told;
}

START_TEST(each_certificate_gets_its_own_response_whatever_the_version)
{
    struct ocsp_bytes response = response_of(&ec, V_OCSP_CERTSTATUS_GOOD, DAY);
    from_file(&response);
    struct tls_policy *policy = kit_policy(&model, NULL);
    int version = _i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL_CTX_set_min_proto_version(client, version);
    SSL_CTX_set_max_proto_version(client, version);
    ck_assert(gets(policy, EC, &response));
    ck_assert(gets(policy, RSA, NULL));
    SSL_CTX_set_tlsext_status_type(client, -1);
    ck_assert(gets(policy, EC, NULL)); /* who does not ask */
    tls_policy_unref(policy);
}
END_TEST

START_TEST(a_renewed_file_counts_and_a_bad_one_is_told_once)
{
    struct error error;
    struct ocsp_bytes first = response_of(&ec, V_OCSP_CERTSTATUS_GOOD, DAY);
    struct ocsp_bytes second = response_of(&ec, V_OCSP_CERTSTATUS_GOOD, 2 * DAY);
    struct ocsp_bytes stale = response_of(&ec, V_OCSP_CERTSTATUS_GOOD, -60);
    from_file(&first);
    struct tls_policy *policy = kit_policy(&model, NULL);
    ck_assert_int_eq(refresh(policy, &error), TLS_REFRESH_SAME);
    from_file(&stale);
    ck_assert_int_eq(refresh(policy, &error), TLS_REFRESH_REFUSED);
    ck_assert_ptr_nonnull(strstr(error.text, "it was good until"));
    ck_assert_int_eq(refresh(policy, &error), TLS_REFRESH_SAME);
    ck_assert_int_eq(refresh(policy, &error), TLS_REFRESH_SAME);
    ck_assert(gets(policy, EC, &first));
    from_file(&second);
    ck_assert_int_eq(refresh(policy, &error), TLS_REFRESH_NEW);
    ck_assert_ptr_nonnull(strstr(error.text, "1 of 2 certificates"));
    ck_assert(gets(policy, EC, &second));
    tls_policy_unref(policy);
}
END_TEST

START_TEST(after_a_revocation_nothing_good_is_said_any_more)
{
    struct error error;
    struct ocsp_bytes good = response_of(&ec, V_OCSP_CERTSTATUS_GOOD, DAY);
    struct ocsp_bytes revoked = response_of(&ec, V_OCSP_CERTSTATUS_REVOKED, DAY);
    from_file(&good);
    struct tls_policy *policy = kit_policy(&model, NULL);
    from_file(&revoked);
    ck_assert_int_eq(refresh(policy, &error), TLS_REFRESH_NEW);
    ck_assert_str_eq(error.text, "none");
    ck_assert_int_eq(refresh(policy, &error), TLS_REFRESH_REFUSED);
    ck_assert_ptr_nonnull(strstr(error.text, "revoked"));
    ck_assert_int_eq(refresh(policy, &error), TLS_REFRESH_SAME);
    ck_assert(gets(policy, EC, NULL));
    tls_policy_unref(policy);
}
END_TEST

START_TEST(a_file_about_none_is_an_error_and_a_late_one_a_warning)
{
    char lines[2048];
    struct ocsp_bytes strange = response_of(&authority, V_OCSP_CERTSTATUS_GOOD, DAY);
    from_file(&strange);
    ck_assert(!kit_compile(&model, lines, sizeof lines));
    ck_assert_ptr_nonnull(strstr(lines, "tls.ocsp_staple: "));
    ck_assert_ptr_nonnull(strstr(lines, "it is about none of the certificates"));
    struct ocsp_bytes stale = response_of(&ec, V_OCSP_CERTSTATUS_GOOD, -60);
    from_file(&stale);
    ck_assert(kit_compile(&model, lines, sizeof lines));
    ck_assert_ptr_nonnull(strstr(lines, "warning: tls.ocsp_staple: "));
    ck_assert_ptr_nonnull(strstr(lines, "it was good until"));
    struct ocsp_bytes revoked = response_of(&ec, V_OCSP_CERTSTATUS_REVOKED, DAY);
    from_file(&revoked);
    ck_assert(kit_compile(&model, lines, sizeof lines));
    ck_assert_ptr_nonnull(strstr(lines, "is revoked"));
    kit_remove("staple.der");
    ck_assert(!kit_compile(&model, lines, sizeof lines));
}
END_TEST

START_TEST(a_response_is_found_until_the_second_before_its_last)
{
    struct ocsp_bytes response = response_of(&ec, V_OCSP_CERTSTATUS_GOOD, DAY);
    from_file(&response);
    struct tls_policy *policy = kit_policy(&model, NULL);
    const struct tls_staples *staples = policy->stapling.current;
    const X509 *leaf = tls_store_credential(policy->current, 0)->leaf;
    const X509 *bare = tls_store_credential(policy->current, 1)->leaf;
    const struct tls_staple *staple = tls_staples_find(staples, leaf, 0);
    ck_assert_ptr_nonnull(staple);
    int64_t last = staple->next_update;
    ck_assert_ptr_eq(tls_staples_find(staples, leaf, last - 1), staple);
    ck_assert_ptr_null(tls_staples_find(staples, leaf, last));
    ck_assert_ptr_null(tls_staples_find(staples, bare, 0));
    ck_assert_ptr_null(tls_staples_find(staples, NULL, 0));
    tls_policy_unref(policy);
}
END_TEST

START_TEST(must_staple_without_stapling_is_warned_of)
{
    char lines[2048];
    struct kit_signer strict = kit_make(
        &(struct kit_spec){.san = "DNS:strict.example.com", .by = &authority, .must_staple = true});
    save("ec", &strict);
    ck_assert(kit_compile(&model, lines, sizeof lines));
    ck_assert_ptr_nonnull(strstr(lines, "strict.example.com demands OCSP responses"));
    fetched();
    ck_assert(kit_compile(&model, lines, sizeof lines));
    ck_assert_ptr_null(strstr(lines, "demands OCSP"));
    ck_assert_ptr_nonnull(strstr(lines, "strict.example.com names no OCSP responder over http"));
    kit_signer_free(&strict);
}
END_TEST

/* --- fetched ---------------------------------------------------------------------------------- */

/* The response of the next certificate, whichever that is; false: there is nothing to be asked. */
static bool fetch(struct tls_policy *policy, struct tls_policy *also)
{
    struct tls_ocsp_job *job = tls_policy_ocsp_job(policy);
    int never = eventfd(0, EFD_CLOEXEC);
    if (job != NULL) {
        tls_ocsp_job_run(job, never);
        if (also != NULL)
            tls_policy_ocsp_share(also, job);
        tls_policy_ocsp_done(policy, job);
    }
    close(never);
    return job != NULL;
}

static void only_ec(void)
{
    model.tls.certificate_count = 1;
    fetched();
}

START_TEST(what_was_fetched_goes_out_and_outlives_a_reload)
{
    only_ec();
    struct tls_policy *policy = kit_policy(&model, NULL), *reloaded;
    ck_assert(tls_policy_staples_due(policy) == 0.);
    ck_assert(gets(policy, EC, NULL)); /* nobody waits for it */
    server.body = response_of(&ec, V_OCSP_CERTSTATUS_GOOD, DAY);
    ocsp_responder_run(&server, OCSP_KIT_OK, 1);
    ck_assert(fetch(policy, NULL));
    ocsp_responder_end(&server);
    ck_assert_int_eq(refresh(policy, NULL), TLS_REFRESH_NEW);
    ck_assert(gets(policy, EC, &server.body));
    double due = tls_policy_staples_due(policy);
    ck_assert_msg(due > DAY / 2 - 60 && due <= DAY / 2, "%f", due); /* half of its time */
    ck_assert(!fetch(policy, NULL));
    reloaded = kit_policy(&model, policy);
    tls_policy_unref(policy);
    ck_assert(gets(reloaded, EC, &server.body));
    ck_assert(!fetch(reloaded, NULL));
    tls_policy_unref(reloaded);
}
END_TEST

START_TEST(a_failure_keeps_the_one_before_and_is_told_once)
{
    struct error error;
    only_ec();
    struct tls_policy *policy = kit_policy(&model, NULL);
    struct ocsp_bytes first = response_of(&ec, V_OCSP_CERTSTATUS_GOOD, DAY);
    server.body = first;
    ocsp_responder_run(&server, OCSP_KIT_OK, 1);
    ck_assert(fetch(policy, NULL));
    ocsp_responder_end(&server); /* from now on nobody answers */
    ck_assert_int_eq(refresh(policy, NULL), TLS_REFRESH_NEW);
    for (unsigned i = 0; i < 3; i++) {
        policy->stapling.plans[0].due_us = 0;
        ck_assert(fetch(policy, NULL));
        ck_assert_int_eq(refresh(policy, &error), i == 0 ? TLS_REFRESH_REFUSED : TLS_REFRESH_SAME);
        ck_assert_int_eq(refresh(policy, NULL), TLS_REFRESH_SAME);
        ck_assert(gets(policy, EC, &first));
        double due = tls_policy_staples_due(policy), least = (double)(1u << i);
        ck_assert_msg(due > least - 1. && due <= least, "%f", due); /* later each time */
    }
    ck_assert_ptr_nonnull(strstr(error.text, "no OCSP response for gate.example.com from http:"));
    ck_assert_ptr_nonnull(strstr(error.text, "the one before stays until"));
    tls_policy_unref(policy);
}
END_TEST

START_TEST(what_is_fetched_is_checked)
{
    struct error error;
    only_ec();
    struct tls_policy *policy = kit_policy(&model, NULL);
    struct ocsp_bytes bad[] = {response_of(&rsa, V_OCSP_CERTSTATUS_GOOD, DAY),
                               response_of(&ec, V_OCSP_CERTSTATUS_GOOD, -60),
                               response_of(&ec, V_OCSP_CERTSTATUS_REVOKED, DAY)};
    static const char *const words[] = {"not about the certificate", "it was good until",
                                        "revoked"};
    server.body = bad[_i];
    ocsp_responder_run(&server, OCSP_KIT_OK, 1);
    ck_assert(fetch(policy, NULL));
    ocsp_responder_end(&server);
    ck_assert_int_eq(refresh(policy, &error), TLS_REFRESH_REFUSED);
    ck_assert_msg(strstr(error.text, words[_i]) != NULL, "%s", error.text);
    ck_assert(gets(policy, EC, NULL));
    tls_policy_unref(policy);
}
END_TEST

START_TEST(one_fetch_serves_every_policy_with_the_certificate)
{
    only_ec();
    struct tls_policy *policy = kit_policy(&model, NULL), *twin = kit_policy(&model, NULL);
    server.body = response_of(&ec, V_OCSP_CERTSTATUS_GOOD, DAY);
    ocsp_responder_run(&server, OCSP_KIT_OK, 1);
    ck_assert(fetch(policy, twin));
    ocsp_responder_end(&server);
    ck_assert_int_eq(refresh(twin, NULL), TLS_REFRESH_NEW);
    ck_assert(gets(twin, EC, &server.body));
    ck_assert(!fetch(twin, NULL));
    tls_policy_unref(policy);
    tls_policy_unref(twin);
}
END_TEST

START_TEST(an_older_response_does_not_replace_a_newer_one)
{
    only_ec();
    struct tls_policy *policy = kit_policy(&model, NULL);
    struct ocsp_spec spec = {.subject = ec.certificate,
                             .issuer = authority.certificate,
                             .by = &authority,
                             .from_s = -3600,
                             .until_s = DAY};
    struct ocsp_bytes newer;
    ocsp_make(&newer, &spec);
    for (unsigned i = 0; i < 2; i++) {
        server.body = i == 0 ? newer : response_of(&ec, V_OCSP_CERTSTATUS_GOOD, DAY);
        ocsp_responder_run(&server, OCSP_KIT_OK, 1);
        policy->stapling.plans[0].due_us = 0;
        ck_assert(fetch(policy, NULL));
        pthread_join(server.thread, NULL);
        ck_assert_int_eq(refresh(policy, NULL), i == 0 ? TLS_REFRESH_NEW : TLS_REFRESH_SAME);
        ck_assert(gets(policy, EC, &newer));
    }
    close(server.listener);
    tls_policy_unref(policy);
}
END_TEST

/* The same pair twice: both are one certificate, asked for once. */
START_TEST(a_pair_that_is_listed_twice_is_asked_for_once)
{
    save("rsa", &ec);
    fetched();
    struct tls_policy *policy = kit_policy(&model, NULL);
    server.body = response_of(&ec, V_OCSP_CERTSTATUS_GOOD, DAY);
    ocsp_responder_run(&server, OCSP_KIT_OK, 1);
    ck_assert(fetch(policy, NULL));
    ocsp_responder_end(&server);
    ck_assert(!fetch(policy, NULL));
    ck_assert_int_eq(refresh(policy, NULL), TLS_REFRESH_NEW);
    ck_assert(gets(policy, EC, &server.body));
    tls_policy_unref(policy);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls_stapling");
    TCase *c = tcase_create("stapling");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_loop_test(c, each_certificate_gets_its_own_response_whatever_the_version, 0, 2);
    tcase_add_test(c, a_renewed_file_counts_and_a_bad_one_is_told_once);
    tcase_add_test(c, after_a_revocation_nothing_good_is_said_any_more);
    tcase_add_test(c, a_file_about_none_is_an_error_and_a_late_one_a_warning);
    tcase_add_test(c, a_response_is_found_until_the_second_before_its_last);
    tcase_add_test(c, must_staple_without_stapling_is_warned_of);
    tcase_add_test(c, what_was_fetched_goes_out_and_outlives_a_reload);
    tcase_add_test(c, a_failure_keeps_the_one_before_and_is_told_once);
    tcase_add_loop_test(c, what_is_fetched_is_checked, 0, 3);
    tcase_add_test(c, one_fetch_serves_every_policy_with_the_certificate);
    tcase_add_test(c, an_older_response_does_not_replace_a_newer_one);
    tcase_add_test(c, a_pair_that_is_listed_twice_is_asked_for_once);
    suite_add_tcase(s, c);
    return suite_run(s);
}
