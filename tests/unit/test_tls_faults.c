/* A handshake that fails says why, in a person's words: what the client answers us with, and what
 * it sends that is none. */
#include "suite.h"
#include "tls_kit.h"

#include <openssl/tls1.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static const char *const pair[] = {"gate"};
static struct tls_policy *policy;
static SSL_CTX *client;

static void set_up(void)
{
    struct kit_model model;
    kit_start();
    kit_pair("gate", &(struct kit_spec){.san = "DNS:gate.example.com"});
    kit_model(&model, pair, 1);
    policy = kit_policy(&model, NULL);
    client = kit_client_context();
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION); /* its alerts go in clear */
}

static void tear_down(void)
{
    SSL_CTX_free(client);
    tls_policy_unref(policy);
    kit_stop();
}

/* Lets the server go on with what has come until that was too much for it. */
static void expect_fault(struct stream *server, const char *words)
{
    struct pollfd one = {.fd = server->fd, .events = POLLIN};
    enum tls_progress progress = TLS_AGAIN;
    for (int turn = 0; turn < 20 && progress == TLS_AGAIN; turn++) {
        ck_assert_int_eq(poll(&one, 1, 5000), 1);
        progress = tls_handshake(server);
    }
    ck_assert_int_eq(progress, TLS_FAILED);
    const char *fault = stream_fault(server);
    ck_assert_ptr_nonnull(fault);
    ck_assert_msg(strcmp(fault, words) == 0, "\"%s\" is not \"%s\"", fault, words);
}

/* A client that has sent its hello, and a server that has answered it. */
static void open_half(struct kit_link *link)
{
    struct pollfd one;
    kit_open(link, policy, NULL, client, NULL);
    ck_assert_int_eq(SSL_connect(link->client), -1);
    one = (struct pollfd){.fd = link->server.fd, .events = POLLIN};
    ck_assert_int_eq(poll(&one, 1, 5000), 1);
    ck_assert_int_eq(tls_handshake(&link->server), TLS_AGAIN);
}

static void say(const struct kit_link *link, const void *bytes, size_t length)
{
    ck_assert_int_eq(write(link->client_fd, bytes, length), (ssize_t)length);
}

static const struct {
    unsigned char alert;
    const char *words;
} alerts[] = {
    {SSL3_AD_HANDSHAKE_FAILURE, "the client found no common parameters (alert handshake failure)"},
    {SSL3_AD_BAD_CERTIFICATE, "the client refuses the certificate (alert bad certificate)"},
    {SSL3_AD_UNSUPPORTED_CERTIFICATE,
     "the client does not support this kind of certificate (alert unsupported certificate)"},
    {SSL3_AD_CERTIFICATE_REVOKED,
     "the client holds the certificate for revoked (alert certificate revoked)"},
    {SSL3_AD_CERTIFICATE_EXPIRED,
     "the client holds the certificate for expired (alert certificate expired)"},
    {SSL3_AD_CERTIFICATE_UNKNOWN,
     "the client does not accept the certificate (alert certificate unknown)"},
    {TLS1_AD_UNKNOWN_CA, "the client does not trust the certificate (alert unknown CA)"},
    {TLS1_AD_PROTOCOL_VERSION,
     "the client does not take this version of TLS (alert protocol version)"},
    {TLS1_AD_INSUFFICIENT_SECURITY,
     "the client wants better security (alert insufficient security)"},
    {TLS1_AD_USER_CANCELLED, "the client gave up (alert user canceled)"},
    {TLS1_AD_DECRYPT_ERROR, "the client could not verify the handshake (alert decrypt error)"},
    {SSL3_AD_BAD_RECORD_MAC, "the client could not read a record of ours (alert bad record mac)"},
    {TLS1_AD_INTERNAL_ERROR, "the client broke off (alert internal error)"},
};

START_TEST(what_the_client_answers_is_told)
{
    struct kit_link link;
    const unsigned char record[] = {0x15, 3, 3, 0, 2, 2, alerts[_i].alert};
    open_half(&link);
    say(&link, record, sizeof record);
    expect_fault(&link.server, alerts[_i].words);
    kit_close(&link);
}
END_TEST

static const struct {
    bool first; /* in place of a hello, not behind it */
    const char *bytes;
    size_t length;
    const char *words;
} strange[] = {
    {true, "GET / HTTP/1.1\r\n\r\n", 18, "plain HTTP on a TLS port"},
    {true, "CONNECT gate:443 HTTP/1.1\r\n\r\n", 29, "a plain HTTP proxy request on a TLS port"},
    {true, "SSH-2.0-OpenSSH_9.2\r\n", 21, "bytes that are not TLS"},
    {false, "GET / HTTP/1.1\r\n\r\n", 18, "bytes that are not TLS"},
    {false, "\x16\x03\x03\xff\xff", 5, "a record that is too long"},
    {false,
     "\x15\x03\x03\0\2\1\x70\x15\x03\x03\0\2\1\x70\x15\x03\x03\0\2\1\x70"
     "\x15\x03\x03\0\2\1\x70\x15\x03\x03\0\2\1\x70\x15\x03\x03\0\2\1\x70",
     42, "too many warning alerts"},
};

START_TEST(what_is_no_handshake_is_told)
{
    struct kit_link link;
    if (strange[_i].first)
        kit_open(&link, policy, NULL, client, NULL);
    else
        open_half(&link);
    say(&link, strange[_i].bytes, strange[_i].length);
    expect_fault(&link.server, strange[_i].words);
    kit_close(&link);
}
END_TEST

START_TEST(a_needless_fallback_is_told)
{
    struct kit_link link;
    SSL_CTX_set_mode(client, SSL_MODE_SEND_FALLBACK_SCSV);
    kit_open(&link, policy, NULL, client, NULL);
    ck_assert_int_eq(SSL_connect(link.client), -1);
    expect_fault(&link.server, "the client fell back to an older version without need");
    kit_close(&link);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls faults");
    TCase *all = tcase_create("faults");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, what_the_client_answers_is_told, 0, (int)COUNT_OF(alerts));
    tcase_add_loop_test(all, what_is_no_handshake_is_told, 0, (int)COUNT_OF(strange));
    tcase_add_test(all, a_needless_fallback_is_told);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
