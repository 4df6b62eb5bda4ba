/* The names of a certificate: a client's to go by, and what is told of our own. */
#include "suite.h"
#include "tls_kit.h"

#include "tls/peer.h"

#include <openssl/asn1.h>
#include <openssl/x509v3.h>

static struct kit_signer signer;
static struct client_cert cert;

static void set_up(void)
{
    kit_start();
    cert = (struct client_cert){0};
}

static void tear_down(void)
{
    client_cert_release(&cert);
    kit_signer_free(&signer);
    kit_stop();
}

static bool read_made(const struct kit_spec *spec)
{
    struct error error;
    signer = kit_make(spec);
    return tls_peer_read(&cert, signer.certificate, &error);
}

START_TEST(the_names_of_a_certificate_are_read)
{
    static const char *const texts[] = {"a.example.com", "desk@example.com", "spiffe://prod/desk",
                                        "10.0.0.1", "2001:db8::1"};
    static const enum san_kind kinds[] = {SAN_DNS, SAN_EMAIL, SAN_URI, SAN_IP, SAN_IP};
    ck_assert(
        read_made(&(struct kit_spec){.cn = "desk-1",
                                     .san = "DNS:A.example.com,email:desk@EXAMPLE.com,RID:1.2.3,"
                                            "URI:spiffe://prod/desk,IP:10.0.0.1,IP:2001:db8::1"}));
    ck_assert_str_eq(cert.cn, "desk-1");
    ck_assert_uint_eq(cert.san_count, COUNT_OF(texts));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        ck_assert_int_eq((int)cert.san[i].kind, (int)kinds[i]);
        ck_assert_str_eq(cert.san[i].text, texts[i]);
    }
}
END_TEST

static bool read_subject(const char *const *cns, size_t count, int type, int length)
{
    struct error error;
    signer = kit_make(&(struct kit_spec){.cn = "replaced"});
    X509_NAME *subject = X509_NAME_new();
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(X509_NAME_add_entry_by_txt(subject, "CN", type,
                                                    (const unsigned char *)cns[i], length, -1, 0),
                         1);
    X509_set_subject_name(signer.certificate, subject);
    X509_NAME_free(subject);
    return tls_peer_read(&cert, signer.certificate, &error);
}

START_TEST(of_several_common_names_the_most_specific_counts)
{
    static const char *const cns[] = {"Users", "desk-1"};
    ck_assert(read_subject(cns, 2, MBSTRING_UTF8, -1));
    ck_assert_str_eq(cert.cn, "desk-1");
}
END_TEST

START_TEST(a_common_name_comes_out_as_utf8)
{
    static const char wide[] = {0, 'J', 0, (char)0xf6, 0, 'r', 0, 'g'};
    const char *const bmp[] = {wide};
    ck_assert(read_subject(bmp, 1, V_ASN1_BMPSTRING, sizeof wide));
    ck_assert_str_eq(cert.cn, "J\xc3\xb6rg");
}
END_TEST

START_TEST(a_nul_in_the_common_name_refuses_the_certificate)
{
    static const char *const cns[] = {"desk-1\0.evil"};
    ck_assert(!read_subject(cns, 1, V_ASN1_UTF8STRING, 12));
    ck_assert_ptr_null(cert.cn);
}
END_TEST

START_TEST(a_nul_in_an_alternative_name_refuses_the_certificate)
{
    struct error error;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, "a.example.com\0.evil", 19);
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(names, name);
    signer = kit_make(&(struct kit_spec){.cn = "desk-1"});
    ck_assert_int_eq(
        X509_add1_ext_i2d(signer.certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT),
        1);
    GENERAL_NAMES_free(names);
    ck_assert(!tls_peer_read(&cert, signer.certificate, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "NUL"));
    ck_assert_ptr_null(cert.cn);
}
END_TEST

START_TEST(no_names_are_no_fault)
{
    static const char *const cns[] = {""};
    ck_assert(read_subject(cns, 0, MBSTRING_UTF8, -1));
    ck_assert_ptr_null(cert.cn);
    ck_assert_uint_eq(cert.san_count, 0);
}
END_TEST

/* --- what is told of a connection ------------------------------------------------------------- */

static const struct {
    enum kit_key key;
    const char *algorithm, *signature;
} served[] = {
    {KIT_ECDSA, "EC256", "ecdsa-with-SHA256"},
    {KIT_RSA, "RSA2048", "RSA-SHA256"},
    {KIT_ED25519, "ED25519", "ED25519"},
};

START_TEST(our_own_certificate_is_described)
{
    static const char *const one[] = {"one"};
    struct kit_model model;
    struct kit_link link;
    struct tls_served told;
    struct tls_facts facts;
    kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com", .key = served[_i].key});
    kit_model(&model, one, 1);
    struct tls_policy *policy = kit_policy(&model, NULL);
    SSL_CTX *client = kit_client_context();
    kit_open(&link, policy, NULL, client, NULL);
    kit_handshake(&link);
    tls_get_served(&link.server, &told);
    ck_assert_str_eq(told.key_algorithm, served[_i].algorithm);
    ck_assert_str_eq(told.signature_algorithm, served[_i].signature);
    tls_get_facts(&link.server, &facts);
    ck_assert_ptr_null(facts.client_cert);
    kit_close(&link);
    SSL_CTX_free(client);
    tls_policy_unref(policy);
    signer = (struct kit_signer){0};
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls peer");
    TCase *names = tcase_create("names"), *own = tcase_create("own");
    tcase_add_checked_fixture(names, set_up, tear_down);
    tcase_add_checked_fixture(own, set_up, tear_down);
    suite_add_tcase(suite, names);
    suite_add_tcase(suite, own);
    tcase_add_test(names, the_names_of_a_certificate_are_read);
    tcase_add_test(names, of_several_common_names_the_most_specific_counts);
    tcase_add_test(names, a_common_name_comes_out_as_utf8);
    tcase_add_test(names, a_nul_in_the_common_name_refuses_the_certificate);
    tcase_add_test(names, a_nul_in_an_alternative_name_refuses_the_certificate);
    tcase_add_test(names, no_names_are_no_fault);
    tcase_add_loop_test(own, our_own_certificate_is_described, 0, (int)COUNT_OF(served));
    return suite_run(suite);
}
