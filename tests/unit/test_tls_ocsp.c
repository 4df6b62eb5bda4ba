/* OCSP responses: which are believed, which are not, and how they are fetched. */
#include "ocsp_kit.h"
#include "suite.h"

#include "base/clock.h"
#include "tls/ocsp_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define DAY 86400L

static struct kit_signer authority, stranger, gate, other, responder, clerk;
static struct tls_credential *credential;

static struct kit_signer make_ca(const char *cn)
{
    return kit_make(&(struct kit_spec){.cn = cn, .is_ca = true});
}

static struct tls_credential *make_credential(const struct kit_spec *spec, struct kit_signer *made)
{
    *made = kit_make(spec);
    kit_save_certificates("gate.crt", (X509 *[]){made->certificate, authority.certificate}, 2);
    kit_save_key("gate.key", made->key, NULL);
    return ocsp_load("gate.crt", "gate.key");
}

static void set_up(void)
{
    kit_start();
    authority = make_ca("authority");
    stranger = make_ca("authority"); /* of the same name */
    other = kit_make(&(struct kit_spec){.cn = "other", .by = &authority});
    responder =
        kit_make(&(struct kit_spec){.cn = "responder", .by = &authority, .usage = "OCSPSigning"});
    clerk = kit_make(&(struct kit_spec){.cn = "clerk", .by = &authority, .usage = "serverAuth"});
    credential =
        make_credential(&(struct kit_spec){.san = "DNS:gate.example.com", .by = &authority}, &gate);
}

static void tear_down(void)
{
    tls_credential_unref(credential);
    kit_signer_free(&authority);
    kit_signer_free(&stranger);
    kit_signer_free(&gate);
    kit_signer_free(&other);
    kit_signer_free(&responder);
    kit_signer_free(&clerk);
    kit_stop();
}

static struct ocsp_spec usual(void)
{
    return (struct ocsp_spec){.subject = gate.certificate,
                              .issuer = authority.certificate,
                              .by = &authority,
                              .from_s = -3600,
                              .until_s = 7 * DAY};
}

static int64_t now(void)
{
    return clock_wall_s();
}

/* The verdict; where `words` are given they are why. */
static enum tls_ocsp_verdict judge(struct span response, const char *words)
{
    struct tls_staple *staple = NULL;
    struct error error = {.kind = ERROR_NONE};
    enum tls_ocsp_verdict verdict = tls_ocsp_check(&staple, credential, response, now(), &error);
    ck_assert((verdict == TLS_OCSP_GOOD) == (staple != NULL));
    if (words != NULL)
        ck_assert_msg(strstr(error.text, words) != NULL, "%s", error.text);
    if (staple != NULL) {
        ck_assert_uint_eq(staple->length, response.length);
        ck_assert_mem_eq(staple->der, response.data, response.length);
    }
    tls_staple_unref(staple);
    return verdict;
}

static void expect(const struct ocsp_spec *spec, enum tls_ocsp_verdict verdict, const char *words)
{
    struct ocsp_bytes made;
    ocsp_make(&made, spec);
    ck_assert_int_eq(judge(span_of(made.data, made.length), words), verdict);
}

START_TEST(what_the_issuer_says_is_believed)
{
    struct ocsp_spec spec = usual();
    expect(&spec, TLS_OCSP_GOOD, NULL);
    spec.sha256 = true;
    expect(&spec, TLS_OCSP_GOOD, NULL);
    spec.status = V_OCSP_CERTSTATUS_REVOKED;
    expect(&spec, TLS_OCSP_REVOKED, "it says that the certificate is revoked");
    spec.status = V_OCSP_CERTSTATUS_UNKNOWN;
    expect(&spec, TLS_OCSP_BAD, "it says that the certificate is unknown");
}
END_TEST

START_TEST(a_responder_that_the_issuer_named_may_sign_and_nobody_else)
{
    struct ocsp_spec spec = usual();
    spec.by = &responder;
    spec.enclosed = responder.certificate;
    expect(&spec, TLS_OCSP_GOOD, NULL);
    spec.enclosed = NULL; /* who it was cannot be told */
    expect(&spec, TLS_OCSP_BAD, "signature");
    spec.by = &clerk; /* of the issuer, but for something else */
    spec.enclosed = clerk.certificate;
    expect(&spec, TLS_OCSP_BAD, "signature");
    spec.by = &stranger;
    spec.enclosed = stranger.certificate;
    expect(&spec, TLS_OCSP_BAD, "signature");
    spec.by = &gate; /* for itself */
    spec.enclosed = gate.certificate;
    expect(&spec, TLS_OCSP_BAD, "signature");
}
END_TEST

/* A lie about the status is not taken for a revocation, either. */
START_TEST(a_foreign_revocation_is_not_believed)
{
    struct ocsp_spec spec = usual();
    spec.by = &stranger;
    spec.enclosed = stranger.certificate;
    spec.status = V_OCSP_CERTSTATUS_REVOKED;
    expect(&spec, TLS_OCSP_BAD, "signature");
}
END_TEST

START_TEST(one_about_another_certificate_or_issuer_is_refused)
{
    struct ocsp_spec spec = usual();
    spec.subject = other.certificate;
    expect(&spec, TLS_OCSP_BAD, "not about the certificate of gate.example.com");
    spec = usual();
    spec.issuer = stranger.certificate;
    expect(&spec, TLS_OCSP_BAD, "not about the certificate of gate.example.com");
}
END_TEST

START_TEST(it_holds_from_its_first_second_to_before_its_last)
{
    struct ocsp_spec spec = usual();
    spec.until_s = 60;
    expect(&spec, TLS_OCSP_GOOD, NULL);
    spec.until_s = -1;
    expect(&spec, TLS_OCSP_STALE, "it was good until ");
    spec.status = V_OCSP_CERTSTATUS_REVOKED; /* that does not pass */
    expect(&spec, TLS_OCSP_REVOKED, NULL);
    spec = usual();
    spec.from_s = 200; /* clocks differ */
    expect(&spec, TLS_OCSP_GOOD, NULL);
    spec.from_s = 400;
    expect(&spec, TLS_OCSP_BAD, "it is from the future");
}
END_TEST

START_TEST(one_that_does_not_say_until_when_holds_for_a_day)
{
    struct ocsp_spec spec = usual();
    spec.endless = true;
    spec.from_s = -DAY + 60;
    expect(&spec, TLS_OCSP_GOOD, NULL);
    spec.from_s = -DAY - 1;
    expect(&spec, TLS_OCSP_STALE, "it was good until ");
}
END_TEST

START_TEST(what_is_no_response_is_refused_wherever_it_is_cut)
{
    struct ocsp_bytes made;
    struct ocsp_spec spec = usual();
    ocsp_make(&made, &spec);
    for (size_t length = 0; length < made.length; length++) {
        unsigned char *exact = malloc(length + 1);
        memcpy(exact, made.data, length);
        ck_assert_int_eq(judge(span_of(exact, length), "no OCSP response in DER form"),
                         TLS_OCSP_BAD);
        free(exact);
    }
    made.data[made.length] = 0;
    ck_assert_int_eq(judge(span_of(made.data, made.length + 1), "no OCSP response in DER form"),
                     TLS_OCSP_BAD);
    ocsp_make_refusal(&made, OCSP_RESPONSE_STATUS_TRYLATER);
    ck_assert_int_eq(judge(span_of(made.data, made.length), "the responder says \"trylater\""),
                     TLS_OCSP_BAD);
    static unsigned char large[TLS_OCSP_MAX_BYTES + 1];
    ck_assert_int_eq(judge(span_of(large, sizeof large), "larger than 64 KB"), TLS_OCSP_BAD);
}
END_TEST

START_TEST(a_flipped_bit_is_never_good)
{
    struct ocsp_bytes made;
    struct ocsp_spec spec = usual();
    ocsp_make(&made, &spec);
    for (size_t i = 0; i < made.length; i++) {
        made.data[i] ^= 1;
        ck_assert_int_eq(judge(span_of(made.data, made.length), NULL), TLS_OCSP_BAD);
        made.data[i] ^= 1;
    }
}
END_TEST

START_TEST(without_the_issuers_certificate_nothing_is_asked_or_believed)
{
    struct ocsp_bytes made;
    struct ocsp_spec spec = usual();
    struct error error = {.kind = ERROR_NONE};
    unsigned char *der;
    size_t length;
    ocsp_make(&made, &spec);
    kit_save_certificates("gate.crt", &gate.certificate, 1);
    tls_credential_unref(credential);
    credential = ocsp_load("gate.crt", "gate.key");
    ck_assert_int_eq(judge(span_of(made.data, made.length), "does not hold its issuer's"),
                     TLS_OCSP_BAD);
    ck_assert(!tls_ocsp_request(credential, &der, &length, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "does not hold its issuer's"));
}
END_TEST

START_TEST(must_staple_is_known)
{
    struct kit_signer strict;
    ck_assert(!credential->must_staple);
    struct tls_credential *insists = make_credential(
        &(struct kit_spec){.cn = "strict", .by = &authority, .must_staple = true}, &strict);
    ck_assert(insists->must_staple);
    tls_credential_unref(insists);
    kit_signer_free(&strict);
}
END_TEST

/* --- fetching --------------------------------------------------------------------------------- */

static struct ocsp_responder server;

static struct tls_ocsp_job *run_job(const char *url, int stop_fd)
{
    struct tls_ocsp_job *job;
    struct error error;
    ck_assert(tls_ocsp_job_create(&job, credential, url, &error));
    tls_ocsp_job_run(job, stop_fd);
    return job;
}

static void expect_failure(const char *url, const char *words)
{
    struct error error = {.kind = ERROR_NONE};
    struct span response;
    int never = eventfd(0, EFD_CLOEXEC);
    struct tls_ocsp_job *job = run_job(url, never);
    ck_assert(!tls_ocsp_job_response(job, &response, &error));
    ck_assert_msg(strstr(error.text, words) != NULL, "%s: %s", url, error.text);
    tls_ocsp_job_free(job);
    close(never);
}

static const struct {
    const char *host, *shown, *path, *line;
} addresses[] = {
    {"127.0.0.1", "127.0.0.1", "/ocsp", "POST /ocsp HTTP/1.0\r\n"},
    {"127.0.0.1", "127.0.0.1", "", "POST / HTTP/1.0\r\n"},
    {"127.0.0.1", "127.0.0.1", "/a/b?c=d#e", "POST /a/b?c=d HTTP/1.0\r\n"},
    {"127.0.0.1", "127.0.0.1", "?c=d", "POST /?c=d HTTP/1.0\r\n"},
    {"::1", "[::1]", "/", "POST / HTTP/1.0\r\n"},
};

START_TEST(a_response_is_fetched_from_where_the_certificate_says)
{
    struct ocsp_spec spec = usual();
    struct span response;
    struct error error = {.kind = ERROR_NONE};
    char url[128], host[64];
    int never = eventfd(0, EFD_CLOEXEC);
    ocsp_responder_open(&server, addresses[_i].host);
    ocsp_make(&server.body, &spec);
    ocsp_responder_run(&server, OCSP_KIT_OK, 1);
    snprintf(url, sizeof url, "http://%s:%d%s", addresses[_i].shown, server.port,
             addresses[_i].path);
    snprintf(host, sizeof host, "\r\nHost: %s:%d\r\n", addresses[_i].shown, server.port);
    struct tls_ocsp_job *job = run_job(url, never);
    ocsp_responder_end(&server);
    ck_assert_msg(tls_ocsp_job_response(job, &response, &error), "%s", error.text);
    ck_assert_int_eq(judge(response, NULL), TLS_OCSP_GOOD);
    ck_assert_msg(strncmp(server.asked, addresses[_i].line, strlen(addresses[_i].line)) == 0 &&
                      strstr(server.asked, host) != NULL,
                  "%s", server.asked);
    tls_ocsp_job_free(job);
    close(never);
}
END_TEST

static const struct {
    const char *head, *words;
} answers[] = {
    {"", "the answer cannot be used"},
    {"hello\n", "the answer cannot be used"},
    {"HTTP/1.0 404 Not Found\r\n\r\n", "the answer cannot be used"},
    {"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "the answer cannot be used"},
    {"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n", "the answer cannot be used"},
    {"HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\n\r\n\x30\x84\x7f\xff\xff\xff",
     "the answer cannot be used"},
    {"HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: 9999999\r\n\r\n"
     "\x30",
     "the answer cannot be used"},
};

START_TEST(an_answer_that_is_none_is_a_failure)
{
    char url[64];
    ocsp_responder_open(&server, "127.0.0.1");
    ocsp_responder_run(&server, answers[_i].head, 1);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", server.port);
    expect_failure(url, answers[_i].words);
    ocsp_responder_end(&server);
}
END_TEST

START_TEST(addresses_that_are_none_ask_nobody)
{
    expect_failure("http://", "address");
    expect_failure("http://a b/", "address");
    expect_failure("http://user@127.0.0.1:1/", "address");
    expect_failure("http://127.0.0.1:1/\r\nX: y", "address");
    expect_failure("http://127.0.0.1:1/", "cannot connect");
}
END_TEST

START_TEST(who_stops_does_not_wait_for_a_silent_responder)
{
    struct error error = {.kind = ERROR_NONE};
    struct span response;
    char url[64];
    int stopped = eventfd(1, EFD_CLOEXEC);
    ocsp_responder_open(&server, "127.0.0.1"); /* nobody accepts */
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", server.port);
    struct tls_ocsp_job *job = run_job(url, stopped);
    ck_assert(!tls_ocsp_job_response(job, &response, &error));
    ck_assert_msg(strstr(error.text, "not waited for") != NULL, "%s", error.text);
    tls_ocsp_job_free(job);
    close(server.listener);
    close(stopped);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tls_ocsp");
    TCase *c = tcase_create("ocsp");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, what_the_issuer_says_is_believed);
    tcase_add_test(c, a_responder_that_the_issuer_named_may_sign_and_nobody_else);
    tcase_add_test(c, a_foreign_revocation_is_not_believed);
    tcase_add_test(c, one_about_another_certificate_or_issuer_is_refused);
    tcase_add_test(c, it_holds_from_its_first_second_to_before_its_last);
    tcase_add_test(c, one_that_does_not_say_until_when_holds_for_a_day);
    tcase_add_test(c, what_is_no_response_is_refused_wherever_it_is_cut);
    tcase_add_test(c, a_flipped_bit_is_never_good);
    tcase_add_test(c, without_the_issuers_certificate_nothing_is_asked_or_believed);
    tcase_add_test(c, must_staple_is_known);
    tcase_add_loop_test(c, a_response_is_fetched_from_where_the_certificate_says, 0,
                        sizeof addresses / sizeof addresses[0]);
    tcase_add_loop_test(c, an_answer_that_is_none_is_a_failure, 0,
                        sizeof answers / sizeof answers[0]);
    tcase_add_test(c, addresses_that_are_none_ask_nobody);
    tcase_add_test(c, who_stops_does_not_wait_for_a_silent_responder);
    suite_add_tcase(s, c);
    return suite_run(s);
}
