/* What a policy takes, what it refuses, and the lines that tell; pairs, chains and names. */
#include "suite.h"
#include "tls/policy.h"
#include "tls_kit.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>

static const char *const one[] = {"one"};
static struct kit_model model;
static char lines[4096];

static void set_up(void)
{
    kit_start();
    kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com"});
    kit_model(&model, one, 1);
}

static void tear_down(void)
{
    kit_stop();
}

static void expect_line(const char *words)
{
    ck_assert_msg(strstr(lines, words) != NULL, "\"%s\" is not in \"%s\"", words, lines);
}

static void expect_error(const char *words)
{
    ck_assert(!kit_compile(&model, lines, sizeof lines));
    expect_line(words);
    ck_assert_ptr_null(strstr(lines, "warning"));
}

static void expect_warning(const char *words)
{
    ck_assert_msg(kit_compile(&model, lines, sizeof lines), "%s", lines);
    expect_line("warning: ");
    expect_line(words);
}

static void expect_silence(void)
{
    ck_assert_msg(kit_compile(&model, lines, sizeof lines), "%s", lines);
    ck_assert_str_eq(lines, "");
}

START_TEST(a_plain_policy_is_taken_in_silence)
{
    expect_silence();
}
END_TEST

/* --- versions, ciphers, groups ---------------------------------------------------------------- */

static const struct {
    const char *ciphers, *suites, *groups, *line; /* NULL: taken */
} lists[] = {
    {"ECDHE-ECDSA-AES128-GCM-SHA256", NULL, NULL, NULL},
    {"HIGH:!aNULL:!MD5:!RC4:!3DES:!EXPORT:@STRENGTH", NULL, NULL, NULL},
    {"ECDHE+AESGCM:ECDHE+CHACHA20:-RSA", NULL, NULL, NULL},
    {"ECDHE+AESGCM ECDHE-RSA-AES256-SHA,@SECLEVEL=1", NULL, NULL, NULL},
    {"ECDHE-ECDSA-AES128-GCM-SHA256:NONSENSE", NULL, NULL,
     "tls.ciphers: this OpenSSL has no cipher \"NONSENSE\""},
    {"ECDHE+AESGCM:!aNUL", NULL, NULL, "tls.ciphers: this OpenSSL has no cipher \"!aNUL\""},
    {"ECDHE+AESGCM:TLS_AES_128_GCM_SHA256", NULL, NULL, "belong to ciphersuites"},
    {"AESGCM:!AESGCM", NULL, NULL, "tls.ciphers: no cipher is left of this list"},
    {"", NULL, NULL, "tls.ciphers: no cipher is left of this list"},
    {NULL, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256", NULL, NULL},
    {NULL, "TLS_AES_128_GCM_SHA256:TLS_NONSENSE", NULL,
     "tls.ciphersuites: this OpenSSL has no TLS 1.3 cipher suite \"TLS_NONSENSE\""},
    {NULL, "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, "older ones belong to ciphers"},
    {NULL, NULL, "X25519:P-256", NULL},
    {NULL, NULL, "X25519:P-257", "tls.groups: this OpenSSL has no group \"P-257\""},
};

START_TEST(every_item_of_a_list_must_be_known)
{
    char ciphers[80], suites[80], groups[80];
    if (lists[_i].ciphers != NULL) {
        snprintf(ciphers, sizeof ciphers, "%s", lists[_i].ciphers);
        model.tls.ciphers = ciphers;
    }
    if (lists[_i].suites != NULL) {
        snprintf(suites, sizeof suites, "%s", lists[_i].suites);
        model.tls.ciphersuites = suites;
    }
    if (lists[_i].groups != NULL) {
        snprintf(groups, sizeof groups, "%s", lists[_i].groups);
        model.tls.groups = groups;
    }
    if (lists[_i].line == NULL)
        expect_silence();
    else
        expect_error(lists[_i].line);
}
END_TEST

START_TEST(all_problems_are_told_at_once)
{
    char ciphers[] = "FIRST:ECDHE+AESGCM:SECOND", groups[] = "THIRD";
    model.tls.ciphers = ciphers;
    model.tls.groups = groups;
    kit_write("one.crt", "hello\n", 6);
    expect_error("\"FIRST\"");
    expect_line("\"SECOND\"");
    expect_line("\"THIRD\"");
    expect_line("tls.certificates[0].cert: ");
}
END_TEST

START_TEST(versions_must_be_in_order)
{
    model.tls.min_version = TLS1_3_VERSION;
    model.tls.max_version = TLS1_2_VERSION;
    expect_error("tls.max_version: TLS 1.2 is below min_version, TLS 1.3");
}
END_TEST

START_TEST(a_policy_without_certificates_is_judged_and_that_is_all)
{
    char groups[] = "NOPE";
    model.tls.certificate_count = 0;
    ck_assert(!kit_compile(&model, lines, sizeof lines)); /* no policy */
    ck_assert_str_eq(lines, "");
    model.tls.groups = groups;
    expect_error("tls.groups: this OpenSSL has no group \"NOPE\"");
}
END_TEST

START_TEST(an_empty_alpn_name_is_refused)
{
    kit_model_alpn(&model, "h2", "");
    expect_error("tls.alpn: ");
}
END_TEST

/* --- files ------------------------------------------------------------------------------------ */

START_TEST(a_missing_file_is_told_at_its_key)
{
    kit_remove("one.key");
    expect_error("tls.certificates[0].key: cannot read ");
    expect_line("No such file");
}
END_TEST

START_TEST(a_key_that_does_not_match_is_told)
{
    struct kit_signer other = kit_make(&(struct kit_spec){.san = NULL});
    kit_save_key("one.key", other.key, NULL);
    kit_signer_free(&other);
    expect_error("tls.certificates[0].key: ");
    expect_line("the key does not match the certificate in ");
}
END_TEST

START_TEST(an_encrypted_key_is_told)
{
    struct kit_signer made = kit_make(&(struct kit_spec){.san = NULL});
    kit_save_key("one.key", made.key, "secret");
    kit_signer_free(&made);
    expect_error("the key is encrypted");
}
END_TEST

START_TEST(a_key_that_others_may_read_is_warned_of)
{
    ck_assert_int_eq(chmod(kit_file("one.key"), 0640), 0);
    expect_warning("tls.certificates[0].key: group or others may read the key ");
    expect_line("(chmod 600)");
}
END_TEST

START_TEST(one_file_may_hold_both)
{
    bool key_first = _i == 1;
    static char bytes[8192];
    size_t length = kit_read(key_first ? "one.key" : "one.crt", bytes, sizeof bytes);
    length += kit_read(key_first ? "one.crt" : "one.key", bytes + length, sizeof bytes - length);
    kit_write("both.pem", bytes, length);
    kit_model_pem(&model, "both.pem");
    expect_silence();
    kit_write("both.pem", "hello\n", 6);
    expect_error("tls.certificates[0].pem: ");
}
END_TEST

/* As "cert" and "key" they keep their names, whatever they hold. */
START_TEST(the_same_file_twice_is_told_at_its_own_key)
{
    kit_write("one.crt", "hello\n", 6);
    model.tls.certificates[0].key = model.tls.certificates[0].cert;
    expect_error("tls.certificates[0].cert: ");
    ck_assert_ptr_null(strstr(lines, ".pem"));
}
END_TEST

START_TEST(a_key_too_small_is_refused_before_a_client_meets_it)
{
    kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com", .key = KIT_RSA_SMALL});
    expect_error("tls.certificates[0].cert: ");
    expect_line("too small");
}
END_TEST

/* --- dates ------------------------------------------------------------------------------------ */

static const struct {
    int from_days, to_days;
    const char *line; /* NULL: silence */
} dates[] = {
    {-1, 30, NULL},
    {-1, 29, "the certificate expires in 29 days (20"},
    {-1, 1, "the certificate expires in 1 day (20"},
    {-1, 0, "the certificate expires in 0 days (20"},
    {-9, -1, "the certificate has expired on 20"},
    {1, 90, "the certificate is not valid before 20"},
};

START_TEST(dates_are_warned_of_and_served)
{
    kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com",
                                       .from_days = dates[_i].from_days,
                                       .to_days = dates[_i].to_days});
    if (dates[_i].line == NULL)
        expect_silence();
    else
        expect_warning(dates[_i].line);
}
END_TEST

static const struct {
    int to_days;
    const char *line; /* NULL: silence */
} chain_dates[] = {
    {60, NULL},
    {9, "warning: tls.certificates[0].cert: the intermediate certificate of \"/CN=middle\" "
        "expires in 9 days (20"},
    {-1, "the intermediate certificate of \"/CN=middle\" has expired on 20"},
};

START_TEST(an_intermediate_that_expires_is_warned_of)
{
    struct kit_signer root =
        kit_make(&(struct kit_spec){.cn = "root", .is_ca = true, .from_days = -9, .to_days = -5});
    struct kit_signer middle = kit_make(&(struct kit_spec){.cn = "middle",
                                                           .is_ca = true,
                                                           .by = &root,
                                                           .from_days = -9,
                                                           .to_days = chain_dates[_i].to_days});
    struct kit_signer leaf =
        kit_make(&(struct kit_spec){.san = "DNS:one.example.com", .by = &middle});
    X509 *const chain[] = {leaf.certificate, middle.certificate, root.certificate};
    kit_save_certificates("one.crt", chain, 3);
    kit_save_key("one.key", leaf.key, NULL);
    if (chain_dates[_i].line == NULL)
        expect_silence(); /* the root's date is for the clients to judge */
    else
        expect_warning(chain_dates[_i].line);
    kit_signer_free(&root);
    kit_signer_free(&middle);
    kit_signer_free(&leaf);
}
END_TEST

/* --- chains ----------------------------------------------------------------------------------- */

static const struct {
    const char *order; /* l leaf, m middle, r root, x a stranger */
    const char *line;  /* NULL: taken */
    const char *chain; /* what clients get */
} chains[] = {
    {"l", NULL, "l"},
    {"lm", NULL, "lm"},
    {"lmr", NULL, "lmr"},
    {"lrm", NULL, "lmr"},
    {"mlr", NULL, "lmr"},
    {"rml", NULL, "lmr"},
    {"lr", "does not belong to the chain", NULL},
    {"lmx", "does not belong to the chain", NULL},
    {"lx", "does not belong to the chain", NULL}, /* the right name and the wrong key */
    {"lmm", "does not belong to the chain", NULL},
    {"mr", "does not match", NULL},
};

START_TEST(a_chain_is_held_in_order)
{
    struct kit_signer root = kit_make(&(struct kit_spec){.cn = "root", .is_ca = true});
    struct kit_signer middle =
        kit_make(&(struct kit_spec){.cn = "middle", .is_ca = true, .by = &root});
    struct kit_signer leaf =
        kit_make(&(struct kit_spec){.san = "DNS:one.example.com", .by = &middle});
    struct kit_signer stranger = kit_make(&(struct kit_spec){.cn = "middle", .is_ca = true});
    X509 *list[8];
    size_t count = 0;
    for (const char *at = chains[_i].order; *at != '\0'; at++)
        list[count++] = *at == 'l'   ? leaf.certificate
                        : *at == 'm' ? middle.certificate
                        : *at == 'r' ? root.certificate
                                     : stranger.certificate;
    kit_save_certificates("one.crt", list, count);
    kit_save_key("one.key", leaf.key, NULL);
    if (chains[_i].line != NULL) {
        expect_error(chains[_i].line);
    } else {
        struct kit_link link;
        SSL_CTX *client = kit_client_context();
        struct tls_policy *policy = kit_policy(&model, NULL);
        kit_open(&link, policy, NULL, client, NULL);
        kit_handshake(&link);
        STACK_OF(X509) *got = SSL_get_peer_cert_chain(link.client);
        ck_assert_int_eq(sk_X509_num(got), (int)strlen(chains[_i].chain));
        for (int i = 0; i < sk_X509_num(got); i++) {
            const X509 *wanted = chains[_i].chain[i] == 'l'   ? leaf.certificate
                                 : chains[_i].chain[i] == 'm' ? middle.certificate
                                                              : root.certificate;
            ck_assert_int_eq(X509_cmp(sk_X509_value(got, i), wanted), 0);
        }
        kit_close(&link);
        SSL_CTX_free(client);
        tls_policy_unref(policy);
    }
    kit_signer_free(&root);
    kit_signer_free(&middle);
    kit_signer_free(&leaf);
    kit_signer_free(&stranger);
}
END_TEST

/* --- names ------------------------------------------------------------------------------------ */

static struct tls_credential *load(const struct kit_spec *spec)
{
    struct tls_credential *credential = NULL;
    struct tls_file certificate, key;
    struct error error;
    enum tls_part part;
    kit_pair("named", spec);
    ck_assert_int_eq(tls_file_read(&certificate, kit_file("named.crt"), &error), TLS_FILE_OK);
    ck_assert_int_eq(tls_file_read(&key, kit_file("named.key"), &error), TLS_FILE_OK);
    ck_assert_msg(tls_credential_parse(&credential, NULL, &certificate, &key, &part, &error), "%s",
                  error.text);
    tls_file_release(&certificate);
    tls_file_release(&key);
    return credential;
}

static const struct {
    const char *san, *cn, *names, *title;
} named[] = {
    {"DNS:b.example,DNS:A.example,DNS:b.EXAMPLE", "cn.example", "a.example b.example ",
     "b.example"},
    {NULL, "CN.example", "cn.example ", "cn.example"},
    {"IP:127.0.0.1", "cn.example", "cn.example ", "cn.example"},
    {"DNS:a b,DNS:*.example,DNS:a*.example", "cn.example", "*.example ", "*.example"},
    {NULL, "Joe Public", "", "(no name)"},
};

START_TEST(names_are_the_alternative_ones_else_the_common_one)
{
    char all[128] = "";
    struct tls_credential *credential =
        load(&(struct kit_spec){.san = named[_i].san, .cn = named[_i].cn});
    for (size_t i = 0; i < credential->name_count; i++) {
        size_t have = strlen(all);
        snprintf(all + have, sizeof all - have, "%s ", credential->names[i]);
    }
    ck_assert_str_eq(all, named[_i].names);
    ck_assert_str_eq(credential->title, named[_i].title);
    tls_credential_unref(credential);
}
END_TEST

START_TEST(a_nul_in_a_name_is_refused)
{
    struct kit_signer made = kit_make(&(struct kit_spec){.cn = "kit"});
    GENERAL_NAMES *list = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, "one.example.com\0.evil.example", 29);
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(list, name);
    X509_add1_ext_i2d(made.certificate, NID_subject_alt_name, list, 0, 0);
    GENERAL_NAMES_free(list);
    ck_assert_int_gt(X509_sign(made.certificate, made.key, EVP_sha256()), 0);
    kit_save_certificates("one.crt", &made.certificate, 1);
    kit_save_key("one.key", made.key, NULL);
    kit_signer_free(&made);
    expect_error("has a NUL byte in it");
}
END_TEST

START_TEST(the_earlier_of_two_certificates_has_the_name)
{
    static const char *const both[] = {"one", "again"};
    kit_pair("again", &(struct kit_spec){.san = "DNS:one.example.com"});
    kit_model(&model, both, 2);
    expect_warning("tls.certificates[1].cert: never served");
    kit_pair("again", &(struct kit_spec){.san = "DNS:one.example.com", .key = KIT_ED25519});
    expect_silence();
}
END_TEST

START_TEST(thousands_of_names_are_all_found)
{
    enum { COUNT = 3000 };
    static char san[COUNT * 24];
    unsigned char demands[32] = {0};
    struct tls_store *store;
    struct error error;
    size_t length = 0;
    for (int i = 0; i < COUNT; i++)
        length += (size_t)snprintf(san + length, sizeof san - length, "%sDNS:%sn%d.example",
                                   i == 0 ? "" : ",", i % 2 == 0 ? "" : "*.", i);
    struct tls_credential *credential = load(&(struct kit_spec){.san = san});
    ck_assert_uint_eq(credential->name_count, COUNT);
    ck_assert(tls_store_create(&store, &credential, 1, NULL, demands, &error));
    tls_credential_unref(credential);
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "%sn%d.example", i % 2 == 0 ? "" : "x.", i);
        ck_assert_ptr_nonnull(tls_store_find(store, name));
        snprintf(name, sizeof name, "%sn%d.example", i % 2 == 0 ? "x." : "", i);
        ck_assert_ptr_null(tls_store_find(store, name));
    }
    ck_assert_ptr_null(tls_store_find(store, "example"));
    ck_assert_ptr_null(tls_store_find(store, ""));
    tls_store_unref(store);
}
END_TEST

/* --- a reload --------------------------------------------------------------------------------- */

static const struct tls_credential *first_of(const struct tls_policy *policy)
{
    return tls_store_credential(policy->current, 0);
}

START_TEST(a_reload_parses_only_what_is_new)
{
    static const char *const both[] = {"one", "two"};
    kit_pair("two", &(struct kit_spec){.san = "DNS:two.example.com"});
    kit_model(&model, both, 2);
    struct tls_policy *before = kit_policy(&model, NULL);
    kit_pair("two", &(struct kit_spec){.san = "DNS:two.example.com"});
    struct tls_policy *after = kit_policy(&model, before);
    ck_assert_ptr_eq(first_of(after), first_of(before));
    ck_assert_ptr_ne(tls_store_credential(after->current, 1),
                     tls_store_credential(before->current, 1));
    tls_policy_unref(before); /* it lives on by itself */
    ck_assert_str_eq(first_of(after)->title, "one.example.com");
    tls_policy_unref(after);
}
END_TEST

START_TEST(the_same_under_another_name_or_mode_is_read_anew)
{
    struct tls_policy *before = kit_policy(&model, NULL), *after;
    ck_assert_int_eq(chmod(kit_file("one.key"), 0644), 0);
    after = kit_policy(&model, before);
    ck_assert(first_of(after)->key_exposed && !first_of(before)->key_exposed);
    tls_policy_unref(after);
    ck_assert_int_eq(rename(kit_file("one.crt"), kit_file("moved.crt")), 0);
    model.certificates[0].cert = (char *)(uintptr_t)kit_file("moved.crt");
    after = kit_policy(&model, before);
    ck_assert_str_eq(first_of(after)->file, kit_file("moved.crt"));
    tls_policy_unref(after);
    tls_policy_unref(before);
}
END_TEST

START_TEST(what_is_not_parsed_again_is_still_held_to_the_policy)
{
    struct problems *problems;
    struct tls_policy *strict = NULL;
    kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com", .key = KIT_RSA_SMALL});
    model.tls.ciphers = (char *)(uintptr_t) "DEFAULT:@SECLEVEL=0";
    struct tls_policy *lax = kit_policy(&model, NULL);
    model.tls.ciphers = NULL;
    ck_assert(problems_create(&problems, "test.json"));
    ck_assert(!tls_policy_compile(&strict, &model.tls, 2, lax, problems));
    problems_free(problems);
    tls_policy_unref(lax);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls policy");
    TCase *all = tcase_create("policy");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_plain_policy_is_taken_in_silence);
    tcase_add_loop_test(all, every_item_of_a_list_must_be_known, 0, (int)COUNT_OF(lists));
    tcase_add_test(all, all_problems_are_told_at_once);
    tcase_add_test(all, versions_must_be_in_order);
    tcase_add_test(all, a_policy_without_certificates_is_judged_and_that_is_all);
    tcase_add_test(all, an_empty_alpn_name_is_refused);
    tcase_add_test(all, a_missing_file_is_told_at_its_key);
    tcase_add_test(all, a_key_that_does_not_match_is_told);
    tcase_add_test(all, an_encrypted_key_is_told);
    tcase_add_test(all, a_key_that_others_may_read_is_warned_of);
    tcase_add_loop_test(all, one_file_may_hold_both, 0, 2);
    tcase_add_test(all, a_key_too_small_is_refused_before_a_client_meets_it);
    tcase_add_loop_test(all, dates_are_warned_of_and_served, 0, (int)COUNT_OF(dates));
    tcase_add_loop_test(all, an_intermediate_that_expires_is_warned_of, 0,
                        (int)COUNT_OF(chain_dates));
    tcase_add_test(all, the_same_file_twice_is_told_at_its_own_key);
    tcase_add_loop_test(all, a_chain_is_held_in_order, 0, (int)COUNT_OF(chains));
    tcase_add_loop_test(all, names_are_the_alternative_ones_else_the_common_one, 0,
                        (int)COUNT_OF(named));
    tcase_add_test(all, a_nul_in_a_name_is_refused);
    tcase_add_test(all, the_earlier_of_two_certificates_has_the_name);
    tcase_add_test(all, thousands_of_names_are_all_found);
    tcase_add_test(all, a_reload_parses_only_what_is_new);
    tcase_add_test(all, the_same_under_another_name_or_mode_is_read_anew);
    tcase_add_test(all, what_is_not_parsed_again_is_still_held_to_the_policy);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
