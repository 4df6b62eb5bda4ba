#include "tls/suites.h"

#include "base/span.h"
#include "tls/report.h"

#include <openssl/err.h>
#include <stdio.h>
#include <strings.h>

/* TLS 1.2 without a key exchange that keeps no secrets and without CBC. */
#define CIPHERS_MODERN                                                                             \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* For those who ask for TLS 1.0 or 1.1, which know nothing better. Their signatures are SHA-1,
 * which OpenSSL 3 allows at its lowest security level only. */
#define CIPHERS_LEGACY CIPHERS_MODERN ":ECDHE+AES:@SECLEVEL=0"

/* No finite fields: of those a client may ask for 8192 bits, which cost us much and it nothing. */
#define GROUPS_MODERN "X25519:P-256:P-384:P-521"
/* For libraries that have it (OpenSSL 3.5). */
#define GROUPS_HYBRID "X25519MLKEM768:" GROUPS_MODERN

/* One name of a list; longer ones exist nowhere. */
#define ITEM_MAX 96u

const char *tls_version_name(int version)
{
    switch (version) {
    case SSL3_VERSION:
        return "SSL 3.0";
    case TLS1_VERSION:
        return "TLS 1.0";
    case TLS1_1_VERSION:
        return "TLS 1.1";
    case TLS1_2_VERSION:
        return "TLS 1.2";
    case TLS1_3_VERSION:
        return "TLS 1.3";
    default:
        return "an unknown version";
    }
}

/* The next item of a list, copied; false at its end. Items longer than any name are cut, and so
 * are unknown. */
static bool next_item(const char **at, const char *separators, char ret[ITEM_MAX])
{
    *at += strspn(*at, separators);
    size_t length = strcspn(*at, separators);
    if (length == 0)
        return false;
    snprintf(ret, ITEM_MAX, "%.*s", (int)(length < ITEM_MAX ? length : ITEM_MAX - 1), *at);
    *at += length;
    return true;
}

/* What people exclude by habit and this library no longer has. */
static bool is_extinct(const char *name)
{
    static const char *const extinct[] = {
        "RC2",  "RC4",    "MD5",  "DES",   "3DES",     "IDEA",     "SEED",   "EXP",    "EXPORT",
        "LOW",  "MEDIUM", "DSS",  "aDSS",  "EXPORT40", "EXPORT56", "SSLv2",  "KRB5",   "kKRB5",
        "aDH",  "kDH",    "kDHr", "kDHd",  "aECDH",    "kECDH",    "kECDHr", "kECDHe", "eNULL",
        "NULL", "GOST",   "ADH",  "AECDH", "CAMELLIA", "PSK",      "SRP",    "DH",     "ECDH",
    };
    for (size_t i = 0; i < COUNT_OF(extinct); i++)
        if (strcmp(name, extinct[i]) == 0)
            return true;
    return false;
}

static bool cipher_is_known(SSL_CTX *scratch, const char *item)
{
    bool excludes = item[0] == '!' || item[0] == '-';
    const char *name = item + strspn(item, "!-+");
    return SSL_CTX_set_cipher_list(scratch, name[0] == '@' ? item : name) == 1 ||
           strcmp(name, "@STRENGTH") == 0 || strncmp(name, "@SECLEVEL=", 10) == 0 ||
           (excludes && is_extinct(name));
}

static bool suite_is_known(SSL_CTX *scratch, const char *item)
{
    if (SSL_CTX_set_ciphersuites(scratch, item) != 1)
        return false;
    STACK_OF(SSL_CIPHER) *all = SSL_CTX_get_ciphers(scratch);
    for (int i = 0; i < sk_SSL_CIPHER_num(all); i++)
        if (strcasecmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(all, i)), item) == 0)
            return true;
    return false;
}

static bool group_is_known(SSL_CTX *scratch, const char *item)
{
    return SSL_CTX_set1_groups_list(scratch, item) == 1;
}

struct list {
    const char *key, *separators, *what, *hint;
    bool (*is_known)(SSL_CTX *scratch, const char *item);
};

static const struct list cipher_list = {
    "ciphers", ":, ;", "cipher", "see openssl ciphers -v; those of TLS 1.3 belong to ciphersuites",
    cipher_is_known};
static const struct list suite_list = {
    "ciphersuites", ":", "TLS 1.3 cipher suite",
    "such as TLS_AES_256_GCM_SHA384; older ones belong to ciphers", suite_is_known};
static const struct list group_list = {"groups", ":", "group", "such as X25519 or P-256",
                                       group_is_known};

/* Reports every unknown item; true when there was none. */
static bool check_list(const struct list *list, const char *text, const char *path,
                       struct problems *problems)
{
    SSL_CTX *scratch = SSL_CTX_new(TLS_server_method());
    if (scratch == NULL)
        return tls_report(problems, path, list->key, "out of memory");
    bool good = true;
    char item[ITEM_MAX];
    for (const char *at = text; next_item(&at, list->separators, item);)
        if (!list->is_known(scratch, item))
            good = tls_report(problems, path, list->key, "this OpenSSL has no %s \"%s\" (%s)",
                              list->what, item, list->hint);
    SSL_CTX_free(scratch);
    ERR_clear_error();
    return good;
}

static bool apply_versions(SSL_CTX *context, const struct model_tls *model,
                           struct problems *problems)
{
    int least = model->min_version == 0 ? TLS1_2_VERSION : model->min_version;
    /* Of a vague one nobody may have written `least`. */
    if (!model->vague && model->max_version != 0 && model->max_version < least)
        return tls_report(problems, model->path, "max_version", "%s is below min_version, %s",
                          tls_version_name(model->max_version), tls_version_name(least));
    if (SSL_CTX_set_min_proto_version(context, least) != 1 ||
        SSL_CTX_set_max_proto_version(context, model->max_version) != 1)
        return tls_report(problems, model->path, "min_version",
                          "this OpenSSL does not have these versions of TLS");
    return true;
}

static bool apply_ciphers(SSL_CTX *context, const struct model_tls *model,
                          struct problems *problems)
{
    bool legacy = model->min_version != 0 && model->min_version < TLS1_2_VERSION;
    const char *list = model->ciphers;
    if (list == NULL)
        list = legacy ? CIPHERS_LEGACY : CIPHERS_MODERN;
    else if (!check_list(&cipher_list, list, model->path, problems))
        return false;
    if (SSL_CTX_set_cipher_list(context, list) == 1)
        return true;
    return tls_report(problems, model->path, "ciphers", "no cipher is left of this list");
}

static bool apply_suites(SSL_CTX *context, const struct model_tls *model, struct problems *problems)
{
    if (model->ciphersuites == NULL)
        return true;
    return check_list(&suite_list, model->ciphersuites, model->path, problems) &&
           (SSL_CTX_set_ciphersuites(context, model->ciphersuites) == 1 ||
            tls_report(problems, model->path, "ciphersuites", "OpenSSL does not take this list"));
}

/* OpenSSL's own parser refuses unknown groups; the list is only looked through to name them. */
static bool apply_groups(SSL_CTX *context, const struct model_tls *model, struct problems *problems)
{
    if (model->groups == NULL)
        return SSL_CTX_set1_groups_list(context, GROUPS_HYBRID) == 1 ||
               SSL_CTX_set1_groups_list(context, GROUPS_MODERN) == 1 ||
               tls_report(problems, model->path, "groups", "OpenSSL does not take the usual list");
    if (SSL_CTX_set1_groups_list(context, model->groups) == 1)
        return true;
    return check_list(&group_list, model->groups, model->path, problems) &&
           tls_report(problems, model->path, "groups", "OpenSSL does not take this list");
}

bool tls_suites_apply(SSL_CTX *context, const struct model_tls *model, struct problems *problems)
{
    bool versions = apply_versions(context, model, problems);
    bool ciphers = apply_ciphers(context, model, problems);
    bool suites = apply_suites(context, model, problems);
    bool groups = apply_groups(context, model, problems);
    if (model->prefer_server_ciphers)
        /* A client that puts ChaCha20 first has no AES in its hardware. */
        SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    ERR_clear_error();
    return versions && ciphers && suites && groups;
}
