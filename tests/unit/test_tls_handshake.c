/* The handshake: which certificate, which protocol, who is refused and with what words. */
#include "suite.h"
#include "tls/connection.h"
#include "tls_kit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const two[] = {"one", "two"};
static SSL_CTX *client;

static void set_up(void)
{
    kit_start();
    client = kit_client_context();
    kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com,DNS:*.wild.example.com"});
    kit_pair("two", &(struct kit_spec){.san = "DNS:two.example.com,DNS:exact.wild.example.com"});
}

static void tear_down(void)
{
    SSL_CTX_free(client);
    kit_stop();
}

static struct tls_policy *policy_of_two(void)
{
    struct kit_model model;
    kit_model(&model, two, 2);
    return kit_policy(&model, NULL);
}

static void refuse(struct kit_link *link, const char *words)
{
    kit_run(link);
    ck_assert_int_eq(link->server_state, TLS_FAILED);
    const char *fault = stream_fault(&link->server);
    ck_assert_ptr_nonnull(fault);
    ck_assert_msg(strstr(fault, words) != NULL, "\"%s\" is not in \"%s\"", words, fault);
    kit_close(link);
}

/* --- certificates by name --------------------------------------------------------------------- */

static const struct {
    const char *sni, *expected, *served;
} choices[] = {
    {"one.example.com", "one.example.com", "one.example.com"},
    {"two.example.com", "two.example.com", "two.example.com"},
    {"TWO.Example.COM.", "two.example.com", "two.example.com"},
    {"a.wild.example.com", "a.wild.example.com", "one.example.com"},
    {"exact.wild.example.com", "exact.wild.example.com", "two.example.com"},
    /* a certificate's wildcard stands for one label */
    {"a.b.wild.example.com", "a.b.wild.example.com", "one.example.com"},
    {"nobody.example.org", "nobody.example.org", "one.example.com"},
    {NULL, NULL, "one.example.com"},
};

START_TEST(the_name_chooses_the_certificate)
{
    struct tls_policy *policy = policy_of_two();
    struct kit_link link;
    kit_open(&link, policy, choices[_i].expected, client, choices[_i].sni);
    kit_handshake(&link);
    ck_assert_msg(kit_served(&link, choices[_i].served), "%s", choices[_i].sni);
    kit_ping(&link);
    kit_close(&link);
    tls_policy_unref(policy);
}
END_TEST

static const struct {
    const char *sni;
    bool taken;
} strict_cases[] = {
    {"one.example.com", true},   {"a.wild.example.com", true},  {"a.b.wild.example.com", false},
    {"wild.example.com", false}, {"nobody.example.org", false}, {NULL, false},
};

START_TEST(strict_sni_refuses_missing_and_unknown_names)
{
    struct kit_model model;
    struct kit_link link;
    kit_model(&model, two, 2);
    model.tls.strict_sni = true;
    struct tls_policy *policy = kit_policy(&model, NULL);
    const char *sni = strict_cases[_i].sni;
    kit_open(&link, policy, sni, client, sni);
    if (strict_cases[_i].taken) {
        kit_handshake(&link);
        kit_close(&link);
    } else {
        refuse(&link, "strict_sni");
    }
    tls_policy_unref(policy);
}
END_TEST

static int seen_alert;

static void watch_alert(const SSL *ssl, int where, int value)
{
    (void)ssl;
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
        seen_alert = value & 0xff;
}

static const struct {
    const char *sni, *expected;
} mismatches[] = {{"two.example.com", "one.example.com"},
                  {NULL, "one.example.com"},
                  {"one.example.com", NULL},
                  {"one.example.com", "one.example.co"}};

START_TEST(a_name_other_than_the_one_that_picked_the_rule_fails_closed)
{
    struct tls_policy *policy = policy_of_two();
    struct kit_link link;
    seen_alert = -1;
    SSL_CTX_set_info_callback(client, watch_alert);
    kit_open(&link, policy, mismatches[_i].expected, client, mismatches[_i].sni);
    refuse(&link, "differs");
    ck_assert_int_eq(seen_alert, SSL_AD_UNRECOGNIZED_NAME);
    tls_policy_unref(policy);
}
END_TEST

/* The server takes P-256 only, the client sends a key share for X25519: a HelloRetryRequest. */
static struct tls_policy *retrying_policy(void)
{
    struct kit_model model;
    char groups[] = "P-256";
    kit_model(&model, two, 2);
    model.tls.groups = groups;
    ck_assert_int_eq(SSL_CTX_set1_groups_list(client, "X25519:P-256"), 1);
    return kit_policy(&model, NULL);
}

START_TEST(a_hello_retry_request_keeps_the_name)
{
    struct tls_policy *policy = retrying_policy();
    struct kit_link link;
    kit_open(&link, policy, "two.example.com", client, "two.example.com");
    kit_handshake(&link);
    ck_assert(kit_served(&link, "two.example.com"));
    kit_close(&link);
    tls_policy_unref(policy);
}
END_TEST

/* Changes its name between the first and the second hello. */
static void change_name(int ours, int version, int type, const void *bytes, size_t length, SSL *ssl,
                        void *context)
{
    (void)version;
    (void)context;
    const unsigned char *message = bytes;
    if (!ours && type == SSL3_RT_HANDSHAKE && length > 0 && message[0] == SSL3_MT_SERVER_HELLO)
        SSL_set_tlsext_host_name(ssl, "two.example.com");
}

START_TEST(a_second_hello_with_another_name_fails_closed)
{
    struct tls_policy *policy = retrying_policy();
    struct kit_link link;
    SSL_CTX_set_msg_callback(client, change_name);
    kit_open(&link, policy, "one.example.com", client, "one.example.com");
    refuse(&link, "differs");
    tls_policy_unref(policy);
}
END_TEST

static const struct {
    const char *signatures;
    int version, key;
} key_choices[] = {
    {"ECDSA+SHA256", TLS1_3_VERSION, EVP_PKEY_EC}, {"RSA-PSS+SHA256", TLS1_3_VERSION, EVP_PKEY_RSA},
    {"ed25519", TLS1_3_VERSION, EVP_PKEY_ED25519}, {"ECDSA+SHA256", TLS1_2_VERSION, EVP_PKEY_EC},
    {"RSA+SHA256", TLS1_2_VERSION, EVP_PKEY_RSA},
};

START_TEST(key_types_stand_side_by_side)
{
    static const char *const three[] = {"ec", "rsa", "ed"};
    struct kit_model model;
    struct kit_link link;
    kit_pair("ec", &(struct kit_spec){.san = "DNS:one.example.com"});
    kit_pair("rsa", &(struct kit_spec){.san = "DNS:one.example.com", .key = KIT_RSA});
    kit_pair("ed", &(struct kit_spec){.san = "DNS:one.example.com", .key = KIT_ED25519});
    kit_model(&model, three, 3);
    struct tls_policy *policy = kit_policy(&model, NULL);
    SSL_CTX_set_max_proto_version(client, key_choices[_i].version);
    ck_assert_int_eq(SSL_CTX_set1_sigalgs_list(client, key_choices[_i].signatures), 1);
    const char *name = _i % 2 == 0 ? "one.example.com" : NULL; /* the default has them all too */
    kit_open(&link, policy, name, client, name);
    kit_handshake(&link);
    ck_assert_int_eq(kit_served_key(&link), key_choices[_i].key);
    kit_close(&link);
    tls_policy_unref(policy);
}
END_TEST

/* --- versions, ciphers, ALPN ------------------------------------------------------------------ */

static const struct {
    int version;
    const char *name, *cipher;
} versions[] = {{TLS1_2_VERSION, "TLSv1.2", "ECDHE-ECDSA-"}, {TLS1_3_VERSION, "TLSv1.3", "TLS_"}};

START_TEST(the_facts_tell_version_and_cipher)
{
    struct tls_policy *policy = policy_of_two();
    struct kit_link link;
    struct tls_facts facts;
    SSL_CTX_set_max_proto_version(client, versions[_i].version);
    kit_open(&link, policy, "one.example.com", client, "one.example.com");
    kit_handshake(&link);
    tls_get_facts(&link.server, &facts);
    ck_assert_str_eq(facts.version, versions[_i].name);
    ck_assert_int_eq(strncmp(facts.cipher, versions[_i].cipher, strlen(versions[_i].cipher)), 0);
    ck_assert_uint_eq(facts.alpn.length, 0);
    ck_assert(!facts.resumed);
    kit_ping(&link);
    kit_close(&link);
    tls_policy_unref(policy);
}
END_TEST

START_TEST(an_old_client_is_told_what_is_needed)
{
    struct tls_policy *policy = policy_of_two();
    struct kit_link link;
    SSL_CTX_set_cipher_list(client, "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(client, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client, TLS1_1_VERSION);
    kit_open(&link, policy, NULL, client, NULL);
    refuse(&link, "the client offers only TLS 1.1, at least TLS 1.2 is needed");
    tls_policy_unref(policy);
}
END_TEST

START_TEST(an_old_client_is_served_where_the_policy_says_so)
{
    struct kit_model model;
    struct kit_link link;
    struct tls_facts facts;
    kit_model(&model, two, 2);
    model.tls.min_version = TLS1_VERSION;
    struct tls_policy *policy = kit_policy(&model, NULL);
    SSL_CTX_set_cipher_list(client, "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(client, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client, TLS1_VERSION);
    kit_open(&link, policy, NULL, client, NULL);
    kit_handshake(&link);
    tls_get_facts(&link.server, &facts);
    ck_assert_str_eq(facts.version, "TLSv1");
    kit_ping(&link);
    kit_close(&link);
    tls_policy_unref(policy);
}
END_TEST

START_TEST(a_version_above_max_is_not_negotiated)
{
    struct kit_model model;
    struct kit_link link;
    kit_model(&model, two, 2);
    model.tls.max_version = TLS1_2_VERSION;
    struct tls_policy *policy = kit_policy(&model, NULL);
    SSL_CTX_set_min_proto_version(client, TLS1_3_VERSION);
    kit_open(&link, policy, NULL, client, NULL);
    refuse(&link, "no version of TLS that is allowed");
    tls_policy_unref(policy);
}
END_TEST

START_TEST(no_cipher_in_common_is_told)
{
    struct tls_policy *policy = policy_of_two();
    struct kit_link link;
    SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(client, "AES128-SHA");
    kit_open(&link, policy, NULL, client, NULL);
    refuse(&link, "no cipher in common");
    tls_policy_unref(policy);
}
END_TEST

START_TEST(a_client_that_does_not_trust_us_is_told)
{
    struct tls_policy *policy = policy_of_two();
    struct kit_link link;
    SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
    kit_open(&link, policy, NULL, client, NULL);
    refuse(&link, "the client does not trust the certificate (alert unknown CA)");
    tls_policy_unref(policy);
}
END_TEST

START_TEST(plain_http_is_told)
{
    struct tls_policy *policy = policy_of_two();
    struct stream server;
    struct error error;
    int fd, other;
    kit_socketpair(&fd, &other);
    ck_assert(tls_accept(&server, policy, 0, fd, NULL, &error));
    ck_assert_int_eq(write(other, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    ck_assert_int_eq(tls_handshake(&server), TLS_FAILED);
    ck_assert_str_eq(stream_fault(&server), "plain HTTP on a TLS port");
    stream_close(&server, false);
    close(other);
    tls_policy_unref(policy);
}
END_TEST

static const struct {
    const char *ours[2];
    unsigned char offer[32];
    unsigned length;
    const char *chosen; /* "": none, and it goes on; NULL: refused */
} alpn_cases[] = {
    {{"h2", "http/1.1"}, "\x08http/1.1\x02h2", 12, "h2"}, /* our order counts */
    {{"http/1.1", "h2"}, "\x08http/1.1\x02h2", 12, "http/1.1"},
    {{"h2", "fix"}, {3, 'f', 'i', 'x'}, 4, "fix"},
    {{"h2", "fix"}, "\x08http/1.1", 9, NULL},
    {{"h2", "fix"}, "", 0, ""},
    {{NULL, NULL}, "\x08http/1.1", 9, ""}, /* no list of ours: not looked at */
};

START_TEST(alpn_is_chosen_in_our_order)
{
    struct kit_model model;
    struct kit_link link;
    struct tls_facts facts;
    kit_model(&model, two, 2);
    if (alpn_cases[_i].ours[0] != NULL)
        kit_model_alpn(&model, alpn_cases[_i].ours[0], alpn_cases[_i].ours[1]);
    struct tls_policy *policy = kit_policy(&model, NULL);
    if (alpn_cases[_i].length > 0)
        SSL_CTX_set_alpn_protos(client, alpn_cases[_i].offer, alpn_cases[_i].length);
    seen_alert = -1;
    SSL_CTX_set_info_callback(client, watch_alert);
    kit_open(&link, policy, NULL, client, NULL);
    if (alpn_cases[_i].chosen == NULL) {
        refuse(&link, "none of the client's ALPN protocols");
        ck_assert_int_eq(seen_alert, SSL_AD_NO_APPLICATION_PROTOCOL);
    } else {
        kit_handshake(&link);
        tls_get_facts(&link.server, &facts);
        ck_assert(span_is(facts.alpn, alpn_cases[_i].chosen));
        kit_close(&link);
    }
    tls_policy_unref(policy);
}
END_TEST

/* --- ends in the middle ----------------------------------------------------------------------- */

START_TEST(a_client_that_leaves_in_mid_handshake_is_no_failure)
{
    bool reset = _i == 1;
    struct tls_policy *policy = policy_of_two();
    struct kit_link link;
    kit_open(&link, policy, NULL, client, NULL);
    SSL_connect(link.client); /* the hello */
    ck_assert_int_eq(tls_handshake(&link.server), TLS_AGAIN);
    if (reset)
        kit_close_client(&link, true);
    else
        shutdown(link.client_fd, SHUT_WR);
    link.client_state = -1;
    kit_run(&link);
    ck_assert_int_eq(link.server_state, reset ? TLS_CLIENT_RESET : TLS_CLIENT_CLOSED);
    kit_close(&link);
    tls_policy_unref(policy);
}
END_TEST

/* A socket that keeps the bounds of each send shows how many there were. */
START_TEST(a_flight_is_one_send)
{
    /* larger than the 4 KB that OpenSSL itself would collect */
    enum { DEPTH = 6 };
    struct kit_signer signers[DEPTH];
    X509 *chain[DEPTH];
    for (int i = 0; i < DEPTH; i++) {
        char cn[16];
        snprintf(cn, sizeof cn, "signer %d", i);
        signers[i] = kit_make(&(struct kit_spec){
            .cn = cn, .key = KIT_RSA, .is_ca = true, .by = i > 0 ? &signers[i - 1] : NULL});
        chain[DEPTH - 1 - i] = signers[i].certificate;
    }
    static const char *const names[] = {"big"};
    struct kit_model model;
    struct error error;
    struct stream server;
    unsigned char bytes[32768];
    int fds[2];
    kit_save_certificates("big.crt", chain, DEPTH);
    kit_save_key("big.key", signers[DEPTH - 1].key, NULL);
    kit_model(&model, names, 1);
    struct tls_policy *policy = kit_policy(&model, NULL);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);

    SSL *ssl = SSL_new(client);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_connect(ssl);
    int length = BIO_read(out, bytes, sizeof bytes);
    ck_assert_int_eq(send(fds[1], bytes, (size_t)length, 0), length);
    ck_assert(tls_accept(&server, policy, 0, fds[0], NULL, &error));
    ck_assert_int_eq(tls_handshake(&server), TLS_AGAIN);
    ssize_t flight = recv(fds[1], bytes, sizeof bytes, 0);
    ck_assert_msg(flight > 4600, "%zd bytes", flight);
    ck_assert_int_eq(recv(fds[1], bytes + flight, 1, 0), -1);
    BIO_write(in, bytes, (int)flight);
    ck_assert_int_eq(SSL_connect(ssl), 1); /* nothing was kept back */

    SSL_free(ssl);
    stream_close(&server, false);
    close(fds[1]);
    tls_policy_unref(policy);
    for (int i = 0; i < DEPTH; i++)
        kit_signer_free(&signers[i]);
}
END_TEST

static bool holds_key(EVP_PKEY *key)
{
    unsigned char bytes[64];
    size_t length = sizeof bytes;
    bool holds = EVP_PKEY_get_raw_public_key(key, bytes, &length) == 1;
    EVP_PKEY_free(key);
    return holds;
}

START_TEST(the_keys_of_the_exchange_and_the_chain_are_not_kept)
{
    struct tls_policy *policy = policy_of_two();
    struct kit_link link;
    EVP_PKEY *own = NULL, *peer = NULL, *theirs = NULL;
    STACK_OF(X509) *chain = NULL;
    kit_open(&link, policy, NULL, client, NULL);
    kit_handshake(&link);
    SSL *ssl = ((struct tls_connection *)link.server.state)->ssl;
    ck_assert_int_eq(SSL_get_tmp_key(link.client, &theirs), 1);
    ck_assert(holds_key(theirs)); /* so would ours */
    ck_assert_int_eq(SSL_get_tmp_key(ssl, &own), 1);
    ck_assert(!holds_key(own));
    ck_assert_int_eq(SSL_get_peer_tmp_key(ssl, &peer), 1);
    ck_assert(!holds_key(peer));
    ck_assert_int_eq(SSL_get0_chain_certs(ssl, &chain), 1);
    ck_assert_ptr_null(chain);
    ck_assert_int_eq(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    kit_ping(&link); /* later keys come from the secrets alone */
    kit_ping(&link);
    kit_close(&link);
    tls_policy_unref(policy);
}
END_TEST

START_TEST(an_alert_record_is_seven_bytes)
{
    unsigned char room[7];
    ck_assert_uint_eq(tls_alert_record(room, 50), 7);
    ck_assert_mem_eq(room, "\x15\x03\x03\x00\x02\x02\x32", 7);
}
END_TEST

/* --- resumption ------------------------------------------------------------------------------- */

static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

static bool visit(struct tls_policy *policy, const char *name)
{
    struct kit_link link;
    struct tls_facts facts;
    kit_open(&link, policy, name, client, name);
    if (kept != NULL)
        SSL_set_session(link.client, kept);
    kit_handshake(&link);
    kit_ping(&link); /* so that the ticket has arrived */
    tls_get_facts(&link.server, &facts);
    kit_close(&link);
    return facts.resumed;
}

static void begin_keeping(int version)
{
    kept = NULL;
    SSL_CTX_set_max_proto_version(client, version);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, keep_session);
}

static void drop_session(void)
{
    SSL_SESSION_free(kept);
    kept = NULL;
}

START_TEST(a_ticket_outlives_a_reload)
{
    struct tls_policy *first = policy_of_two();
    struct kit_model model;
    kit_model(&model, two, 2);
    begin_keeping(versions[_i].version);
    ck_assert(!visit(first, "one.example.com"));
    ck_assert_ptr_nonnull(kept);
    ck_assert(visit(first, "one.example.com"));
    ck_assert(visit(first, "one.example.com"));
    struct tls_policy *second = kit_policy(&model, first);
    tls_policy_unref(first);
    ck_assert(visit(second, "one.example.com"));
    struct tls_policy *stranger = kit_policy(&model, NULL);
    ck_assert(!visit(stranger, "one.example.com"));
    drop_session();
    tls_policy_unref(second);
    tls_policy_unref(stranger);
}
END_TEST

START_TEST(a_ticket_of_one_certificate_opens_no_other)
{
    struct tls_policy *policy = policy_of_two();
    begin_keeping(versions[_i].version);
    ck_assert(!visit(policy, "one.example.com"));
    ck_assert(!visit(policy, "two.example.com"));
    drop_session();
    /* same certificate, another of its names: a full handshake too (RFC 6066, section 3) */
    ck_assert(!visit(policy, "one.example.com"));
    ck_assert(!visit(policy, "b.wild.example.com"));
    drop_session();
    tls_policy_unref(policy);
}
END_TEST

START_TEST(a_ticket_does_not_survive_other_demands)
{
    struct tls_policy *lax = policy_of_two();
    struct kit_model model;
    kit_model(&model, two, 2);
    model.tls.strict_sni = true;
    struct tls_policy *strict = kit_policy(&model, lax);
    kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com"});
    model.tls.strict_sni = false;
    struct tls_policy *renamed = kit_policy(&model, lax);
    begin_keeping(versions[_i].version);
    ck_assert(!visit(lax, "one.example.com"));
    ck_assert(!visit(strict, "one.example.com"));
    drop_session();
    ck_assert(!visit(lax, "one.example.com"));
    ck_assert(!visit(renamed, "one.example.com"));
    drop_session();
    tls_policy_unref(lax);
    tls_policy_unref(strict);
    tls_policy_unref(renamed);
}
END_TEST

static unsigned tickets_seen;

static void count_tickets(int ours, int version, int type, const void *bytes, size_t length,
                          SSL *ssl, void *context)
{
    (void)version;
    (void)ssl;
    (void)context;
    const unsigned char *message = bytes;
    if (!ours && type == SSL3_RT_HANDSHAKE && length > 0 && message[0] == SSL3_MT_NEWSESSION_TICKET)
        tickets_seen++;
}

START_TEST(a_handshake_gives_one_ticket)
{
    struct tls_policy *policy = policy_of_two();
    SSL_CTX_set_msg_callback(client, count_tickets);
    tickets_seen = 0;
    kept = NULL;
    visit(policy, NULL);
    ck_assert_uint_eq(tickets_seen, 1);
    tls_policy_unref(policy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls handshake");
    TCase *names = tcase_create("names"), *terms = tcase_create("terms"),
          *ends = tcase_create("ends"), *tickets = tcase_create("tickets");
    TCase *all[] = {names, terms, ends, tickets};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        tcase_add_checked_fixture(all[i], set_up, tear_down);
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_loop_test(names, the_name_chooses_the_certificate, 0, (int)COUNT_OF(choices));
    tcase_add_loop_test(names, strict_sni_refuses_missing_and_unknown_names, 0,
                        (int)COUNT_OF(strict_cases));
    tcase_add_loop_test(names, a_name_other_than_the_one_that_picked_the_rule_fails_closed, 0,
                        (int)COUNT_OF(mismatches));
    tcase_add_test(names, a_hello_retry_request_keeps_the_name);
    tcase_add_test(names, a_second_hello_with_another_name_fails_closed);
    tcase_add_loop_test(names, key_types_stand_side_by_side, 0, (int)COUNT_OF(key_choices));
    tcase_add_loop_test(terms, the_facts_tell_version_and_cipher, 0, (int)COUNT_OF(versions));
    tcase_add_test(terms, an_old_client_is_told_what_is_needed);
    tcase_add_test(terms, an_old_client_is_served_where_the_policy_says_so);
    tcase_add_test(terms, a_version_above_max_is_not_negotiated);
    tcase_add_test(terms, no_cipher_in_common_is_told);
    tcase_add_test(terms, a_client_that_does_not_trust_us_is_told);
    tcase_add_test(terms, plain_http_is_told);
    tcase_add_loop_test(terms, alpn_is_chosen_in_our_order, 0, (int)COUNT_OF(alpn_cases));
    tcase_add_loop_test(ends, a_client_that_leaves_in_mid_handshake_is_no_failure, 0, 2);
    tcase_add_test(ends, a_flight_is_one_send);
    tcase_add_test(ends, the_keys_of_the_exchange_and_the_chain_are_not_kept);
    tcase_add_test(ends, an_alert_record_is_seven_bytes);
    tcase_add_loop_test(tickets, a_ticket_outlives_a_reload, 0, (int)COUNT_OF(versions));
    tcase_add_loop_test(tickets, a_ticket_of_one_certificate_opens_no_other, 0,
                        (int)COUNT_OF(versions));
    tcase_add_loop_test(tickets, a_ticket_does_not_survive_other_demands, 0,
                        (int)COUNT_OF(versions));
    tcase_add_test(tickets, a_handshake_gives_one_ticket);
    return suite_run(suite);
}
