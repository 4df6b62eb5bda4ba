/* Our view of a ClientHello beside OpenSSL's: two parsers that disagree are two gates. */
#include "inspect/client_hello.h"
#include "inspect/client_hello_write.h"
#include "suite.h"

#include "hello_builder.h"
#include "openssl_hello.h"
#include "split.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

static unsigned char scratch[CLIENT_HELLO_MAX];
static unsigned char made[CLIENT_HELLO_RECORD_MAX];
static size_t made_length;
static struct client_hello hello;
static SSL_CTX *server;

static enum verdict parse(void *context, struct span bytes)
{
    (void)context;
    return client_hello_parse(&hello, bytes, scratch);
}

/* --- OpenSSL's view -------------------------------------------------------------------------- */

static int alpn_accept(SSL *ssl, const unsigned char **out, unsigned char *length,
                       const unsigned char *in, unsigned in_length, void *context)
{
    (void)ssl, (void)in_length, (void)context;
    *out = in + 1;
    *length = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static void server_certify(SSL_CTX *context)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    ck_assert_int_eq(SSL_CTX_use_certificate(context, certificate), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(context, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* Nothing in here is refused for its strength: only for its form. */
static void setup(void)
{
    server = SSL_CTX_new(TLS_server_method());
    ck_assert_ptr_nonnull(server);
    ck_assert_int_eq(SSL_CTX_set_cipher_list(server, "ALL:COMPLEMENTOFALL:@SECLEVEL=0"), 1);
    SSL_CTX_set_min_proto_version(server, SSL3_VERSION);
    SSL_CTX_set_alpn_select_cb(server, alpn_accept, NULL);
    server_certify(server);
}

static void teardown(void)
{
    SSL_CTX_free(server);
}

/* Does OpenSSL answer these records with a ServerHello or a HelloRetryRequest? */
static bool openssl_accepts(struct span records)
{
    SSL *ssl = SSL_new(server);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    unsigned char answer = 0;
    size_t length;
    SSL_set_bio(ssl, in, out);
    SSL_set_accept_state(ssl);
    BIO_write(in, records.data, (int)records.length);
    SSL_do_handshake(ssl);
    bool accepted = BIO_read_ex(out, &answer, 1, &length) == 1 && answer == 22;
    SSL_free(ssl);
    return accepted;
}

static int compare_views(SSL *ssl, int *alert, void *context)
{
    (void)alert;
    const unsigned char *data;
    size_t length = SSL_client_hello_get0_ciphers(ssl, &data);
    ck_assert(span_equal(hello.ciphers, span_of(data, length)));
    ck_assert_uint_eq(hello.legacy_version, SSL_client_hello_get0_legacy_version(ssl));
    bool there = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &length) == 1;
    ck_assert_int_eq(hello.has_sni, there);
    if (there)
        ck_assert(span_equal(hello.sni_raw, span_skip(span_of(data, length), 5)));
    there = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation,
                                      &data, &length) == 1;
    ck_assert_int_eq(hello.alpn.length > 0, there);
    if (there)
        ck_assert(span_equal(hello.alpn, span_skip(span_of(data, length), 2)));
    there = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &data, &length) == 1;
    ck_assert_int_eq(hello.versions.length > 0, there);
    if (there)
        ck_assert(span_equal(hello.versions, span_skip(span_of(data, length), 1)));
    *(bool *)context = true;
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* First those that the library makes here, then those that tests/fuzz/collect took from the clients
 * that people use: all of them ask for one name. */
static const char *const real[] = {"openssl", "curl", "gnutls", "nss",
                                   "node",    "java", "python", "chromium"};
#define REAL_SNI "clients.example.com"
enum { HELLO_COUNT = HELLO_CONFIG_COUNT + (int)(sizeof real / sizeof real[0]) };

static void load_real(const char *client)
{
    char path[512];
    snprintf(path, sizeof path, "%s/real_%s", HELLO_CORPUS, client);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s cannot be read", path);
    made_length = fread(made, 1, sizeof made, file);
    fclose(file);
}

static void make(int which)
{
    if (which < HELLO_CONFIG_COUNT)
        made_length = hello_make(&hello_configs[which], made, sizeof made);
    else
        load_real(real[which - HELLO_CONFIG_COUNT]);
}

/* --- tests ----------------------------------------------------------------------------------- */

START_TEST(a_real_hello_is_more_until_its_last_byte)
{
    make(_i);
    split_check(parse, NULL, span_of(made, made_length), made_length, VERDICT_YES, "openssl");
}
END_TEST

START_TEST(both_parsers_see_the_same)
{
    bool compared = false;
    make(_i);
    ck_assert_int_eq(parse(NULL, span_of(made, made_length)), VERDICT_YES);
    SSL_CTX_set_client_hello_cb(server, compare_views, &compared);
    (void)openssl_accepts(span_of(made, made_length));
    ck_assert(compared);
}
END_TEST

START_TEST(the_configured_facts_are_seen)
{
    const struct hello_config *config = &hello_configs[_i];
    make(_i);
    ck_assert_int_eq(parse(NULL, span_of(made, made_length)), VERDICT_YES);
    unsigned highest = config->max_version == 0 ? TLS1_3_VERSION : (unsigned)config->max_version;
    ck_assert_uint_eq(hello.max_version, highest);
    ck_assert(span_is(hello.sni_raw, config->sni == NULL ? "" : config->sni));
    ck_assert(span_is(hello.alpn, config->alpn == NULL ? "" : config->alpn));
}
END_TEST

START_TEST(a_real_client_s_facts_are_seen)
{
    load_real(real[_i]);
    ck_assert_int_eq(parse(NULL, span_of(made, made_length)), VERDICT_YES);
    ck_assert_str_eq(hello.sni, REAL_SNI);
    ck_assert_uint_eq(hello.max_version, TLS1_3_VERSION);
    ck_assert_uint_gt(hello.ciphers.length, 0);
    ck_assert_uint_gt(hello.groups.length, 0);
    ck_assert_uint_gt(hello.signatures.length, 0);
    bool browser = strcmp(real[_i], "chromium") == 0;
    ck_assert_int_eq(span_is(hello.alpn, "\2h2\10http/1.1"),
                     browser || strcmp(real[_i], "curl") == 0);
}
END_TEST

START_TEST(a_hello_that_is_written_is_one_to_both)
{
    static const char *const names[] = {"h2", "http/1.1"};
    static const char *const sni[] = {NULL, "example.com", "A.Example.", "192.0.2.1"};
    struct client_hello_offer offer = {sni[_i % 4], names, (size_t)_i / 4};
    made_length = client_hello_write(made, &offer);
    ck_assert_uint_gt(made_length, 0);
    ck_assert_int_eq(parse(NULL, span_of(made, made_length)), VERDICT_YES);
    ck_assert(span_is(hello.sni_raw, offer.sni == NULL ? "" : offer.sni));
    ck_assert(
        span_equal(hello.alpn, span_first(span_text("\2h2\10http/1.1"),
                                          offer.alpn_count == 2 ? 12 : offer.alpn_count * 3)));
    bool compared = false;
    SSL_CTX_set_client_hello_cb(server, compare_views, &compared);
    ck_assert(openssl_accepts(span_of(made, made_length)));
    ck_assert(compared);
}
END_TEST

START_TEST(a_hello_that_does_not_fit_into_a_record_is_not_written)
{
    static char name[16384];
    memset(name, 'a', sizeof name - 1);
    struct client_hello_offer offer = {.sni = name};
    ck_assert_uint_eq(client_hello_write(made, &offer), 0);
    name[16000] = '\0';
    made_length = client_hello_write(made, &offer);
    ck_assert_int_eq(parse(NULL, span_of(made, made_length)), VERDICT_YES);
    ck_assert_uint_eq(hello.sni_raw.length, 16000);
}
END_TEST

START_TEST(records_of_every_size_give_the_same_facts)
{
    static struct builder split;
    make(_i);
    struct span message = span_skip(span_of(made, made_length), 5);
    struct client_hello whole;
    ck_assert_int_eq(client_hello_parse(&whole, span_of(made, made_length), scratch), VERDICT_YES);
    for (size_t size = 1; size <= message.length; size++) {
        split.length = 0;
        build_records(&split, message, size);
        ck_assert_int_eq(parse(NULL, span_of(split.bytes, split.length)), VERDICT_YES);
        ck_assert_str_eq(hello.sni, whole.sni);
        ck_assert_uint_eq(hello.max_version, whole.max_version);
        ck_assert(span_equal(hello.extensions, whole.extensions));
        ck_assert(span_equal(hello.alpn, whole.alpn));
        ck_assert(span_equal(hello.ciphers, whole.ciphers));
    }
}
END_TEST

START_TEST(openssl_takes_one_byte_records_too)
{
    static struct builder split;
    make(_i);
    ck_assert(openssl_accepts(span_of(made, made_length)));
    build_records(&split, span_skip(span_of(made, made_length), 5), 1);
    ck_assert(openssl_accepts(span_of(split.bytes, split.length)));
}
END_TEST

/* What OpenSSL accepts is accepted here: no client is turned away that a server would serve. The
 * six bytes are stricter than OpenSSL in one thing, the record's minor version: such bytes are
 * plain, which is our contract. */
static void hold_against_openssl(struct span records, size_t at, unsigned char value)
{
    enum verdict verdict = split_ask(parse, NULL, records);
    if (verdict == VERDICT_NO)
        ck_assert_uint_lt(at, 6);
    else if (verdict != VERDICT_YES)
        ck_assert_msg(!openssl_accepts(records), "byte %zu = %02x: %s here (%s), fine to OpenSSL",
                      at, value, split_name(verdict),
                      verdict == VERDICT_BROKEN ? hello.reason : "");
}

START_TEST(a_changed_byte_never_refuses_what_openssl_takes)
{
    static const unsigned char changes[] = {0x01, 0x80, 0xff};
    make(_i);
    for (size_t at = 0; at < made_length; at++) {
        for (size_t i = 0; i < sizeof changes; i++) {
            unsigned char before = made[at];
            made[at] ^= changes[i];
            hold_against_openssl(span_of(made, made_length), at, made[at]);
            made[at] = before;
        }
    }
}
END_TEST

START_TEST(a_byte_of_every_value_never_refuses_what_openssl_takes)
{
    make(1);
    size_t at = (size_t)_i;
    if (at >= made_length)
        return;
    for (unsigned value = 0; value < 256; value += 5) {
        unsigned char before = made[at];
        made[at] = (unsigned char)value;
        hold_against_openssl(span_of(made, made_length), at, made[at]);
        made[at] = before;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hello_openssl");
    TCase *cases = tcase_create("differential");
    tcase_set_timeout(cases, 120);
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, a_real_hello_is_more_until_its_last_byte, 0, HELLO_COUNT);
    tcase_add_loop_test(cases, both_parsers_see_the_same, 0, HELLO_COUNT);
    tcase_add_loop_test(cases, the_configured_facts_are_seen, 0, HELLO_CONFIG_COUNT);
    tcase_add_loop_test(cases, a_real_client_s_facts_are_seen, 0, HELLO_COUNT - HELLO_CONFIG_COUNT);
    tcase_add_loop_test(cases, records_of_every_size_give_the_same_facts, 0, HELLO_COUNT);
    tcase_add_loop_test(cases, openssl_takes_one_byte_records_too, 0, HELLO_COUNT);
    tcase_add_loop_test(cases, a_changed_byte_never_refuses_what_openssl_takes, 0, HELLO_COUNT);
    tcase_add_loop_test(cases, a_hello_that_is_written_is_one_to_both, 0, 12);
    tcase_add_test(cases, a_hello_that_does_not_fit_into_a_record_is_not_written);
    tcase_add_loop_test(cases, a_byte_of_every_value_never_refuses_what_openssl_takes, 0, 160);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
