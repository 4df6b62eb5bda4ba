/* Clients' certificates: who is let in, what the others are told, and what a ticket is worth. */
#include "suite.h"
#include "tls_kit.h"

#include "tls/file.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static const char *const pair[] = {"gate"};
static struct kit_signer root, middle, other_root, desk;
static struct kit_model model;
static SSL_CTX *client;
static SSL_SESSION *kept;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept);
    kept = session;
    return 1;
}

static const char *file(const char *name)
{
    return kit_file(name);
}

static size_t crowd; /* others that a CRL revokes, too */

static void revoke_crowd(X509_CRL *crl, const ASN1_TIME *from)
{
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    for (size_t i = 0; i < crowd; i++) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ck_assert_int_eq(ASN1_INTEGER_set_uint64(serial, (UINT64_C(1) << 40) + i), 1);
        X509_REVOKED_set_serialNumber(entry, serial);
        X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)(uintptr_t)from);
        X509_CRL_add0_revoked(crl, entry);
    }
    ASN1_INTEGER_free(serial);
}

/* A CRL of `ca` that revokes `count` certificates, good until `days` from now. */
static void save_crl(const char *name, const struct kit_signer *ca, const struct kit_signer *signer,
                     X509 *const *revoked, size_t count, int days)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *from = X509_time_adj_ex(NULL, -30, 0, NULL),
              *to = X509_time_adj_ex(NULL, days, 60, NULL);
    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->certificate));
    X509_CRL_set1_lastUpdate(crl, from);
    X509_CRL_set1_nextUpdate(crl, to);
    for (size_t i = 0; i < count; i++) {
        X509_REVOKED *entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked[i]));
        X509_REVOKED_set_revocationDate(entry, from);
        X509_CRL_add0_revoked(crl, entry);
    }
    revoke_crowd(crl, from);
    ck_assert_int_gt(X509_CRL_sign(crl, signer->key, EVP_sha256()), 0);
    BIO *bio = BIO_new(BIO_s_mem());
    char *bytes;
    ck_assert_int_eq(PEM_write_bio_X509_CRL(bio, crl), 1);
    long length = BIO_get_mem_data(bio, &bytes);
    kit_write(name, bytes, (size_t)length);
    BIO_free(bio);
    X509_CRL_free(crl);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
}

static void ask(enum client_auth mode, const char *ca, const char *crl)
{
    model.tls.client_auth =
        (struct model_client_auth){true, mode, (char *)(uintptr_t)file(ca),
                                   crl == NULL ? NULL : (char *)(uintptr_t)file(crl), 4};
}

static void set_up(void)
{
    kit_start();
    kit_pair("gate", &(struct kit_spec){.san = "DNS:gate.example.com"});
    root = kit_make(&(struct kit_spec){.cn = "root", .is_ca = true});
    middle = kit_make(&(struct kit_spec){.cn = "middle", .is_ca = true, .by = &root});
    other_root = kit_make(&(struct kit_spec){.cn = "other", .is_ca = true});
    desk = kit_make(&(struct kit_spec){
        .cn = "desk-1", .san = "DNS:desk.example.com", .by = &root, .usage = "clientAuth"});
    kit_save_certificates("root.pem", &root.certificate, 1);
    kit_save_certificates("middle.pem", &middle.certificate, 1);
    kit_save_certificates("other.pem", &other_root.certificate, 1);
    save_crl("empty.crl", &root, &root, NULL, 0, 30);
    save_crl("revoked.crl", &root, &root, &desk.certificate, 1, 30);
    kit_model(&model, pair, 1);
    ask(CLIENT_AUTH_REQUIRE, "root.pem", NULL);
    client = kit_client_context();
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, keep_session);
    kept = NULL;
}

static void tear_down(void)
{
    SSL_SESSION_free(kept);
    SSL_CTX_free(client);
    kit_signer_free(&root);
    kit_signer_free(&middle);
    kit_signer_free(&other_root);
    kit_signer_free(&desk);
    kit_stop();
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void speak(int version)
{
    SSL_CTX_set_min_proto_version(client, version);
    SSL_CTX_set_max_proto_version(client, version);
}

static void carry(const struct kit_signer *who, X509 *ca)
{
    ck_assert_int_eq(SSL_CTX_use_certificate(client, who->certificate), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(client, who->key), 1);
    if (ca != NULL)
        ck_assert_int_eq(SSL_CTX_add1_chain_cert(client, ca), 1);
}

static void open_link(struct kit_link *link, struct tls_policy *policy)
{
    kit_open(link, policy, NULL, client, NULL);
    if (kept != NULL)
        ck_assert_int_eq(SSL_set_session(link->client, kept), 1);
}

/* The name of the client ("": it gave none) and whether the session was resumed. */
static void let_in(struct tls_policy *policy, const char *cn, bool resumed)
{
    struct kit_link link;
    struct tls_facts facts;
    open_link(&link, policy);
    kit_handshake(&link);
    kit_ping(&link);
    tls_get_facts(&link.server, &facts);
    ck_assert_int_eq(facts.resumed, resumed);
    if (cn[0] == '\0')
        ck_assert_ptr_null(facts.client_cert);
    else
        ck_assert_str_eq(facts.client_cert->cn, cn);
    kit_close(&link);
}

static void refuse(struct tls_policy *policy, const char *words)
{
    struct kit_link link;
    open_link(&link, policy);
    kit_run(&link);
    ck_assert_int_eq(link.server_state, TLS_FAILED);
    const char *fault = stream_fault(&link.server);
    ck_assert_msg(strstr(fault, words) != NULL, "\"%s\" is not in \"%s\"", words, fault);
    kit_close(&link);
}

/* --- who is let in ---------------------------------------------------------------------------- */

START_TEST(a_client_of_the_ca_is_let_in_and_known)
{
    struct kit_link link;
    struct tls_facts facts;
    struct tls_policy *policy = kit_policy(&model, NULL);
    speak(versions[_i]);
    carry(&desk, NULL);
    open_link(&link, policy);
    kit_handshake(&link);
    tls_get_facts(&link.server, &facts);
    ck_assert_str_eq(facts.client_cert->cn, "desk-1");
    ck_assert_uint_eq(facts.client_cert->san_count, 1);
    ck_assert_str_eq(facts.client_cert->san[0].text, "desk.example.com");
    kit_close(&link);
    tls_policy_unref(policy);
}
END_TEST

START_TEST(require_refuses_a_client_without_one_and_request_does_not)
{
    speak(versions[_i]);
    struct tls_policy *policy = kit_policy(&model, NULL);
    refuse(policy, "the client gave no certificate");
    tls_policy_unref(policy);
    ask(CLIENT_AUTH_REQUEST, "root.pem", NULL);
    policy = kit_policy(&model, NULL);
    let_in(policy, "", false);
    tls_policy_unref(policy);
}
END_TEST

START_TEST(without_client_auth_nobody_is_asked)
{
    model.tls.client_auth.mode = CLIENT_AUTH_NONE;
    struct tls_policy *policy = kit_policy(&model, NULL);
    speak(versions[_i]);
    carry(&desk, NULL);
    let_in(policy, "", false);
    tls_policy_unref(policy);
}
END_TEST

/* An invalid certificate is refused whether one is required or requested. */
static const struct {
    struct kit_spec spec;
    int by; /* 0: itself, 1: root, 2: other */
    const char *words;
} unwelcome[] = {
    {{.cn = "desk-2"}, 2, "the client's certificate is from an unknown CA (CN=desk-2)"},
    {{.cn = "desk-2"}, 0, "the client's certificate is signed by nobody but itself (CN=desk-2)"},
    {{.cn = "desk-2", .from_days = -9, .to_days = -2}, 1, "has expired (CN=desk-2)"},
    {{.cn = "desk-2", .from_days = 2, .to_days = 9}, 1, "is not valid yet"},
    {{.cn = "desk-2", .usage = "serverAuth"}, 1, "is not for clients"},
    {{.cn = "desk-2", .key = KIT_RSA_SMALL}, 1, "has too small a key"},
};

static void refuse_unwelcome(size_t i, enum client_auth mode, int version)
{
    struct kit_spec spec = unwelcome[i].spec;
    spec.by = unwelcome[i].by == 1 ? &root : unwelcome[i].by == 2 ? &other_root : NULL;
    struct kit_signer who = kit_make(&spec);
    SSL_CTX_set_security_level(client, 0);
    speak(version);
    carry(&who, NULL);
    ask(mode, "root.pem", NULL);
    struct tls_policy *policy = kit_policy(&model, NULL);
    refuse(policy, unwelcome[i].words);
    tls_policy_unref(policy);
    kit_signer_free(&who);
}

START_TEST(an_invalid_certificate_is_refused_with_a_reason)
{
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        refuse_unwelcome((size_t)_i, CLIENT_AUTH_REQUIRE, versions[v]);
        refuse_unwelcome((size_t)_i, CLIENT_AUTH_REQUEST, versions[v]);
    }
}
END_TEST

START_TEST(a_name_with_a_nul_is_refused)
{
    static const unsigned char evil[] = "desk-1\0.evil";
    struct kit_signer who = kit_make(&(struct kit_spec){.by = &root});
    X509_NAME *subject = X509_NAME_new();
    X509_NAME_add_entry_by_txt(subject, "CN", V_ASN1_UTF8STRING, evil, sizeof evil - 1, -1, 0);
    X509_set_subject_name(who.certificate, subject);
    X509_NAME_free(subject);
    ck_assert_int_gt(X509_sign(who.certificate, root.key, EVP_sha256()), 0);
    struct tls_policy *policy = kit_policy(&model, NULL);
    speak(versions[_i]);
    carry(&who, NULL);
    refuse(policy, "the client's certificate is refused: its common name has a NUL byte in it");
    tls_policy_unref(policy);
    kit_signer_free(&who);
}
END_TEST

START_TEST(depth_bounds_the_cas_between)
{
    struct kit_signer low = kit_make(&(struct kit_spec){.cn = "desk-3", .by = &middle});
    speak(versions[_i]);
    carry(&low, middle.certificate);
    struct tls_policy *policy = kit_policy(&model, NULL);
    let_in(policy, "desk-3", false);
    tls_policy_unref(policy);
    model.tls.client_auth.depth = 0;
    policy = kit_policy(&model, NULL);
    refuse(policy, "has more CAs above it than depth allows");
    tls_policy_unref(policy);
    kit_signer_free(&low);
}
END_TEST

START_TEST(a_ca_in_the_middle_is_trusted_by_itself)
{
    struct kit_signer low = kit_make(&(struct kit_spec){.cn = "desk-3", .by = &middle});
    save_crl("middle.crl", &middle, &middle, NULL, 0, 30);
    ask(CLIENT_AUTH_REQUIRE, "middle.pem", _i == 0 ? NULL : "middle.crl");
    struct tls_policy *policy = kit_policy(&model, NULL);
    carry(&low, NULL);
    let_in(policy, "desk-3", false);
    tls_policy_unref(policy);
    SSL_SESSION_free(kept);
    kept = NULL;
    save_crl("middle.crl", &middle, &middle, &low.certificate, 1, 30);
    policy = kit_policy(&model, NULL);
    if (_i == 0)
        let_in(policy, "desk-3", false);
    else
        refuse(policy, "the client's certificate was revoked (CN=desk-3)");
    tls_policy_unref(policy);
    kit_signer_free(&low);
}
END_TEST

START_TEST(the_names_of_the_cas_are_told)
{
    struct kit_link link;
    X509 *const both[] = {root.certificate, other_root.certificate};
    kit_save_certificates("both.pem", both, 2);
    ask(CLIENT_AUTH_REQUEST, "both.pem", NULL);
    struct tls_policy *policy = kit_policy(&model, NULL);
    speak(versions[_i]);
    open_link(&link, policy);
    kit_handshake(&link);
    const STACK_OF(X509_NAME) *told = SSL_get0_peer_CA_list(link.client);
    ck_assert_int_eq(sk_X509_NAME_num(told), 2);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(X509_NAME_cmp(sk_X509_NAME_value(told, i), X509_get_subject_name(both[i])),
                         0);
    kit_close(&link);
    tls_policy_unref(policy);
}
END_TEST

/* --- revocation ------------------------------------------------------------------------------- */

/* A client is refused by the list that has it, and let in by the one that has not. */
static void judge_by_crl(void)
{
    ask(CLIENT_AUTH_REQUIRE, "root.pem", "revoked.crl");
    struct tls_policy *policy = kit_policy(&model, NULL);
    carry(&desk, NULL);
    refuse(policy, "the client's certificate was revoked (CN=desk-1)");
    tls_policy_unref(policy);
    ask(CLIENT_AUTH_REQUIRE, "root.pem", "empty.crl");
    policy = kit_policy(&model, NULL);
    let_in(policy, "desk-1", false);
    tls_policy_unref(policy);
}

START_TEST(a_revoked_client_is_refused)
{
    speak(versions[_i]);
    judge_by_crl();
}
END_TEST

START_TEST(a_crl_may_have_megabytes)
{
    crowd = 70000;
    save_crl("empty.crl", &root, &root, NULL, 0, 30);
    save_crl("revoked.crl", &root, &root, &desk.certificate, 1, 30);
    crowd = 0;
    struct tls_stamp stamp;
    ck_assert(tls_stamp_take(&stamp, kit_file("revoked.crl")));
    ck_assert_int_gt(stamp.size, 2 * 1024 * 1024);
    judge_by_crl();
}
END_TEST

START_TEST(without_a_good_crl_nobody_is_let_in)
{
    char lines[1024];
    carry(&desk, NULL);
    save_crl("old.crl", &root, &root, NULL, 0, -3);
    ask(CLIENT_AUTH_REQUIRE, "root.pem", "old.crl");
    ck_assert(kit_compile(&model, lines, sizeof lines));
    ck_assert_ptr_nonnull(strstr(lines, "tls.client_auth.crl: the CRL of CN=root has expired on "));
    struct tls_policy *policy = kit_policy(&model, NULL);
    refuse(policy, "the CRL for the client's certificate has expired");
    tls_policy_unref(policy);
    save_crl("others.crl", &other_root, &other_root, NULL, 0, 30);
    ask(CLIENT_AUTH_REQUIRE, "root.pem", "others.crl");
    ck_assert(kit_compile(&model, lines, sizeof lines));
    ck_assert_ptr_nonnull(strstr(lines, "no CRL of CN=root: its clients are refused"));
    policy = kit_policy(&model, NULL);
    refuse(policy, "there is no CRL for the client's certificate");
    tls_policy_unref(policy);
}
END_TEST

/* --- the files -------------------------------------------------------------------------------- */

static const struct {
    const char *ca, *crl, *line;
} bad_files[] = {
    {"none.pem", NULL, "tls.client_auth.ca: cannot read "},
    {"void.pem", NULL, "tls.client_auth.ca: "},
    {"cut.pem", NULL, "certificate 1 is damaged or cut short"},
    {"root.pem", "none.crl", "tls.client_auth.crl: cannot read "},
    {"root.pem", "root.pem", "tls.client_auth.crl: "},
    {"root.pem", "forged.crl", "the CRL of CN=root has a wrong signature"},
};

START_TEST(a_bad_file_is_an_error_at_its_place)
{
    char lines[1024], bytes[4096];
    size_t length = kit_read("root.pem", bytes, sizeof bytes);
    kit_write("void.pem", "no PEM here\n", 12);
    kit_write("cut.pem", bytes, length / 2);
    save_crl("forged.crl", &root, &other_root, NULL, 0, 30);
    ask(CLIENT_AUTH_REQUEST, bad_files[_i].ca, bad_files[_i].crl);
    ck_assert(!kit_compile(&model, lines, sizeof lines));
    ck_assert_msg(strstr(lines, bad_files[_i].line) != NULL, "%s", lines);
}
END_TEST

START_TEST(suspicious_cas_are_warned_of)
{
    char lines[2048];
    struct kit_signer old =
        kit_make(&(struct kit_spec){.cn = "old", .is_ca = true, .from_days = -9, .to_days = -2});
    struct kit_signer soon =
        kit_make(&(struct kit_spec){.cn = "soon", .is_ca = true, .from_days = -9, .to_days = 5});
    X509 *const three[] = {old.certificate, soon.certificate, desk.certificate};
    kit_save_certificates("three.pem", three, 3);
    ask(CLIENT_AUTH_REQUIRE, "three.pem", NULL);
    ck_assert(kit_compile(&model, lines, sizeof lines));
    ck_assert_ptr_nonnull(strstr(lines, "the CA CN=old has expired on "));
    ck_assert_ptr_nonnull(strstr(lines, "the CA CN=soon expires on "));
    ck_assert_ptr_nonnull(strstr(lines, "CN=desk-1 is no CA"));
    kit_signer_free(&old);
    kit_signer_free(&soon);
}
END_TEST

static enum tls_refresh renew(struct tls_policy *policy, struct error *error)
{
    struct tls_trust *trust;
    enum tls_refresh result = tls_policy_refresh_trust(policy, &trust, error);
    if (result == TLS_REFRESH_NEW)
        tls_policy_set_trust(policy, 0, trust);
    return result;
}

START_TEST(renewed_files_are_used_for_new_handshakes)
{
    struct error error;
    struct tls_policy *policy = kit_policy(&model, NULL);
    carry(&desk, NULL);
    ck_assert_int_eq(renew(policy, &error), TLS_REFRESH_SAME);
    kit_save_certificates("root.pem", &other_root.certificate, 1);
    let_in(policy, "desk-1", false);
    ck_assert_int_eq(renew(policy, &error), TLS_REFRESH_NEW);
    ck_assert_int_eq(renew(policy, &error), TLS_REFRESH_SAME);
    refuse(policy, "from an unknown CA");
    tls_policy_unref(policy);
}
END_TEST

START_TEST(a_bad_renewal_is_told_once_and_changes_nothing)
{
    struct error error;
    char good[4096];
    size_t length = kit_read("root.pem", good, sizeof good);
    struct tls_policy *policy = kit_policy(&model, NULL);
    carry(&desk, NULL);
    kit_write("root.pem", good, length / 2);
    ck_assert_int_eq(renew(policy, &error), TLS_REFRESH_REFUSED);
    ck_assert_ptr_nonnull(strstr(error.text, "root.pem: certificate 1 is damaged or cut short"));
    ck_assert_int_eq(renew(policy, &error), TLS_REFRESH_SAME);
    kit_write("root.pem", "", 0);
    ck_assert_int_eq(renew(policy, &error), TLS_REFRESH_REFUSED);
    ck_assert_int_eq(renew(policy, &error), TLS_REFRESH_SAME);
    let_in(policy, "desk-1", false);
    kit_write("root.pem", good, length);
    ck_assert_int_eq(renew(policy, &error), TLS_REFRESH_SAME);
    tls_policy_unref(policy);
}
END_TEST

START_TEST(an_expired_crl_does_not_take_the_place_of_a_good_one)
{
    struct error error;
    ask(CLIENT_AUTH_REQUIRE, "root.pem", "empty.crl");
    struct tls_policy *policy = kit_policy(&model, NULL);
    carry(&desk, NULL);
    save_crl("empty.crl", &root, &root, NULL, 0, -3);
    ck_assert_int_eq(renew(policy, &error), TLS_REFRESH_REFUSED);
    ck_assert_ptr_nonnull(strstr(error.text, "a CRL in it has expired"));
    let_in(policy, "desk-1", false);
    tls_policy_unref(policy);
}
END_TEST

/* --- tickets ---------------------------------------------------------------------------------- */

START_TEST(a_resumed_session_keeps_its_client)
{
    struct tls_policy *policy = kit_policy(&model, NULL);
    speak(versions[_i]);
    carry(&desk, NULL);
    let_in(policy, "desk-1", false);
    let_in(policy, "desk-1", true);
    let_in(policy, "desk-1", true);
    tls_policy_unref(policy);
}
END_TEST

START_TEST(a_ticket_dies_with_the_crl_that_revokes_its_client)
{
    struct error error;
    ask(CLIENT_AUTH_REQUIRE, "root.pem", "empty.crl");
    struct tls_policy *policy = kit_policy(&model, NULL);
    speak(versions[_i]);
    carry(&desk, NULL);
    let_in(policy, "desk-1", false);
    let_in(policy, "desk-1", true);
    save_crl("empty.crl", &root, &root, &desk.certificate, 1, 30);
    ck_assert_int_eq(renew(policy, &error), TLS_REFRESH_NEW);
    refuse(policy, "the client's certificate was revoked");
    tls_policy_unref(policy);
}
END_TEST

/* The same ticket keys all along, as between two rules that share a file, or before and behind a
 * reload. Each change is tried both ways. */
static void change(int what)
{
    ask(CLIENT_AUTH_REQUIRE, "root.pem", NULL);
    switch (what) {
    case 0:
        model.tls.client_auth.mode = CLIENT_AUTH_NONE;
        break;
    case 1:
        model.tls.client_auth.mode = CLIENT_AUTH_REQUEST;
        break;
    case 2:
        ask(CLIENT_AUTH_REQUIRE, "both.pem", NULL);
        break;
    case 3:
        ask(CLIENT_AUTH_REQUIRE, "root.pem", "empty.crl");
        break;
    case 4:
        model.tls.client_auth.depth = 0;
        break;
    default:
        break;
    }
}

START_TEST(a_ticket_is_worth_nothing_under_other_demands)
{
    X509 *const both[] = {root.certificate, other_root.certificate};
    kit_save_certificates("both.pem", both, 2);
    carry(&desk, NULL);
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        for (int way = 0; way < 2; way++) {
            SSL_SESSION_free(kept);
            kept = NULL;
            speak(versions[v]);
            change(way == 0 ? _i : -1);
            struct tls_policy *first = kit_policy(&model, NULL);
            const char *cn = way == 0 && _i == 0 ? "" : "desk-1";
            let_in(first, cn, false);
            let_in(first, cn, true);
            change(way == 0 ? -1 : _i);
            struct tls_policy *second = kit_policy(&model, first);
            let_in(second, way == 1 && _i == 0 ? "" : "desk-1", false);
            tls_policy_unref(first);
            tls_policy_unref(second);
        }
    }
}
END_TEST

START_TEST(a_ticket_dies_with_the_certificate_in_it)
{
    struct tls_policy *policy = kit_policy(&model, NULL);
    X509_gmtime_adj(X509_getm_notAfter(desk.certificate), 2);
    ck_assert_int_gt(X509_sign(desk.certificate, root.key, EVP_sha256()), 0);
    speak(versions[_i]);
    carry(&desk, NULL);
    let_in(policy, "desk-1", false);
    let_in(policy, "desk-1", true);
    while (X509_cmp_current_time(X509_get0_notAfter(desk.certificate)) > 0)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* time itself is the case */
    refuse(policy, "the client's certificate has expired");
    tls_policy_unref(policy);
}
END_TEST

START_TEST(a_client_without_a_certificate_resumes_as_nobody)
{
    ask(CLIENT_AUTH_REQUEST, "root.pem", NULL);
    struct tls_policy *policy = kit_policy(&model, NULL);
    speak(versions[_i]);
    let_in(policy, "", false);
    let_in(policy, "", true);
    tls_policy_unref(policy);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls client_auth");
    TCase *entry = tcase_create("entry"), *revocation = tcase_create("revocation"),
          *files = tcase_create("files"), *tickets = tcase_create("tickets");
    TCase *all[] = {entry, revocation, files, tickets};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        tcase_add_checked_fixture(all[i], set_up, tear_down);
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_loop_test(entry, a_client_of_the_ca_is_let_in_and_known, 0, 2);
    tcase_add_loop_test(entry, require_refuses_a_client_without_one_and_request_does_not, 0, 2);
    tcase_add_loop_test(entry, without_client_auth_nobody_is_asked, 0, 2);
    tcase_add_loop_test(entry, an_invalid_certificate_is_refused_with_a_reason, 0,
                        (int)COUNT_OF(unwelcome));
    tcase_add_loop_test(entry, a_name_with_a_nul_is_refused, 0, 2);
    tcase_add_loop_test(entry, depth_bounds_the_cas_between, 0, 2);
    tcase_add_loop_test(entry, a_ca_in_the_middle_is_trusted_by_itself, 0, 2);
    tcase_add_loop_test(entry, the_names_of_the_cas_are_told, 0, 2);
    tcase_add_loop_test(revocation, a_revoked_client_is_refused, 0, 2);
    tcase_add_test(revocation, a_crl_may_have_megabytes);
    tcase_add_test(revocation, without_a_good_crl_nobody_is_let_in);
    tcase_add_loop_test(files, a_bad_file_is_an_error_at_its_place, 0, (int)COUNT_OF(bad_files));
    tcase_add_test(files, suspicious_cas_are_warned_of);
    tcase_add_test(files, renewed_files_are_used_for_new_handshakes);
    tcase_add_test(files, a_bad_renewal_is_told_once_and_changes_nothing);
    tcase_add_test(files, an_expired_crl_does_not_take_the_place_of_a_good_one);
    tcase_add_loop_test(tickets, a_resumed_session_keeps_its_client, 0, 2);
    tcase_add_loop_test(tickets, a_ticket_dies_with_the_crl_that_revokes_its_client, 0, 2);
    tcase_add_loop_test(tickets, a_ticket_is_worth_nothing_under_other_demands, 0, 5);
    tcase_add_loop_test(tickets, a_ticket_dies_with_the_certificate_in_it, 0, 2);
    tcase_add_loop_test(tickets, a_client_without_a_certificate_resumes_as_nobody, 0, 2);
    return suite_run(suite);
}
