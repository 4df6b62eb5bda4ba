#include "tls/credential.h"

#include "tls/chain.h"
#include "tls/names.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void tls_credential_digest(unsigned char ret[32], const struct tls_file *certificate,
                           const struct tls_file *key)
{
    unsigned char both[2 * SHA256_DIGEST_LENGTH];
    SHA256(certificate->bytes, certificate->length, both);
    SHA256(key->bytes, key->length, both + SHA256_DIGEST_LENGTH);
    SHA256(both, sizeof both, ret);
}

static bool read_key(struct tls_credential *credential, struct tls_key_reader *reader,
                     const struct tls_file *file, struct error *error)
{
    bool encrypted;
    credential->key = tls_key_read(reader, file, &encrypted);
    if (credential->key != NULL)
        return true;
    if (encrypted)
        return error_tls(error,
                         "%s: the key is encrypted, and nobody is there to type its passphrase "
                         "(store it decrypted: openssl pkey -in FILE -out FILE, mode 0600)",
                         file->name);
    return error_tls(error, "%s: no private key in PEM form, or a damaged one", file->name);
}

static bool find_type(struct tls_credential *credential, const char *file, struct error *error)
{
    static const struct {
        int nid;
        enum tls_key_type type;
    } known[] = {
        {EVP_PKEY_RSA, TLS_KEY_RSA},     {EVP_PKEY_RSA_PSS, TLS_KEY_RSA_PSS},
        {EVP_PKEY_EC, TLS_KEY_ECDSA},    {EVP_PKEY_ED25519, TLS_KEY_ED25519},
        {EVP_PKEY_ED448, TLS_KEY_ED448},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (EVP_PKEY_get_base_id(credential->key) == known[i].nid) {
            credential->type = known[i].type;
            return true;
        }
    }
    return error_tls(error, "%s: not an RSA, ECDSA or Ed25519 key", file);
}

static bool read_time(int64_t *ret, const ASN1_TIME *time)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    *ret = timegm(&tm);
    return true;
}

/* Clients judge a root by their own copy, so a self-signed one in the chain says nothing. */
static bool read_chain_dates(struct tls_credential *credential, const char *file,
                             struct error *error)
{
    X509 *first = NULL;
    credential->chain_not_after = INT64_MAX;
    for (int i = 0; i < sk_X509_num(credential->chain); i++) {
        X509 *link = sk_X509_value(credential->chain, i);
        int64_t until;
        if (!read_time(&until, X509_get0_notAfter(link)))
            return error_tls(error, "%s: the dates of certificate %d cannot be read", file, i + 2);
        if ((X509_get_extension_flags(link) & EXFLAG_SS) != 0 ||
            until >= credential->chain_not_after)
            continue;
        credential->chain_not_after = until;
        first = link;
    }
    if (first == NULL)
        return true;
    char subject[160];
    X509_NAME_oneline(X509_get_subject_name(first), subject, sizeof subject);
    credential->chain_subject = strdup(subject);
    return credential->chain_subject != NULL || error_memory(error);
}

/* The feature "status_request" (RFC 7633 §4). */
static bool demands_staple(const X509 *leaf)
{
    TLS_FEATURE *features = X509_get_ext_d2i(leaf, NID_tlsfeature, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++)
        found = found ||
                ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == TLSEXT_TYPE_status_request;
    TLS_FEATURE_free(features);
    return found;
}

static bool read_leaf(struct tls_credential *credential, const char *file, struct error *error)
{
    if (!read_time(&credential->not_before, X509_get0_notBefore(credential->leaf)) ||
        !read_time(&credential->not_after, X509_get0_notAfter(credential->leaf)))
        return error_tls(error, "%s: the certificate's dates cannot be read", file);
    credential->must_staple = demands_staple(credential->leaf);
    credential->file = strdup(file);
    if (credential->file == NULL)
        return error_memory(error);
    return tls_names_read(credential->leaf, file, &credential->names, &credential->name_count,
                          &credential->title, error);
}

static bool parse(struct tls_credential *credential, struct tls_key_reader *reader,
                  const struct tls_file *certificate, const struct tls_file *key,
                  enum tls_part *ret_part, struct error *error)
{
    STACK_OF(X509) *all = NULL;
    *ret_part = TLS_PART_CERTIFICATE;
    if (!tls_chain_read(&all, certificate, error))
        return false;
    *ret_part = TLS_PART_KEY;
    bool good = read_key(credential, reader, key, error) &&
                find_type(credential, key->name, error) &&
                tls_chain_find_leaf(&credential->leaf, all, credential->key, certificate->name,
                                    key->name, error);
    if (good) {
        *ret_part = TLS_PART_CERTIFICATE;
        good =
            tls_chain_order(&credential->chain, credential->leaf, all, certificate->name, error) &&
            read_chain_dates(credential, certificate->name, error) &&
            read_leaf(credential, certificate->name, error);
    }
    sk_X509_pop_free(all, X509_free);
    return good;
}

bool tls_credential_parse(struct tls_credential **ret, struct tls_key_reader *reader,
                          const struct tls_file *certificate, const struct tls_file *key,
                          enum tls_part *ret_part, struct error *error)
{
    *ret_part = TLS_PART_CERTIFICATE;
    struct tls_credential *credential = calloc(1, sizeof *credential);
    if (credential == NULL)
        return error_memory(error);
    atomic_init(&credential->references, 1);
    tls_credential_digest(credential->digest, certificate, key);
    credential->key_exposed = key->exposed;
    bool good = parse(credential, reader, certificate, key, ret_part, error);
    ERR_clear_error();
    if (good)
        *ret = credential;
    else
        tls_credential_unref(credential);
    return good;
}

static bool check_key(const struct tls_file *file, struct error *error)
{
    struct tls_credential alone = {.key = NULL};
    bool good = read_key(&alone, NULL, file, error) && find_type(&alone, file->name, error);
    EVP_PKEY_free(alone.key);
    ERR_clear_error();
    return good;
}

static bool check_certificates(const struct tls_file *file, struct error *error)
{
    STACK_OF(X509) *all = NULL;
    bool good = tls_chain_read(&all, file, error);
    sk_X509_pop_free(all, X509_free);
    return good;
}

enum tls_file_status tls_credential_check_half(const char *name, enum tls_part part,
                                               struct error *error)
{
    struct tls_file file;
    enum tls_file_status status = tls_file_read(&file, name, error);
    if (status != TLS_FILE_OK)
        return status;
    bool good = part == TLS_PART_KEY ? check_key(&file, error) : check_certificates(&file, error);
    tls_file_release(&file);
    return good ? TLS_FILE_OK : TLS_FILE_FAILED;
}

struct tls_credential *tls_credential_ref(struct tls_credential *credential)
{
    atomic_fetch_add_explicit(&credential->references, 1, memory_order_relaxed);
    return credential;
}

void tls_credential_unref(struct tls_credential *credential)
{
    if (credential == NULL ||
        atomic_fetch_sub_explicit(&credential->references, 1, memory_order_acq_rel) != 1)
        return;
    tls_names_free(credential->names, credential->name_count);
    free(credential->title);
    free(credential->chain_subject);
    free(credential->file);
    sk_X509_pop_free(credential->chain, X509_free);
    EVP_PKEY_free(credential->key); /* cleanses */
    X509_free(credential->leaf);
    free(credential);
}

bool tls_credential_use(const struct tls_credential *credential, SSL *ssl)
{
    return SSL_use_cert_and_key(ssl, credential->leaf, credential->key, credential->chain, 0) == 1;
}

static bool has_name(const struct tls_credential *credential, const char *name)
{
    for (size_t i = 0; i < credential->name_count; i++)
        if (strcmp(credential->names[i], name) == 0)
            return true;
    const char *dot = strchr(name, '.');
    if (dot == NULL || name[0] == '*')
        return false;
    for (size_t i = 0; i < credential->name_count; i++)
        if (credential->names[i][0] == '*' && strcmp(credential->names[i] + 1, dot) == 0)
            return true;
    return false;
}

bool tls_credential_covers(const struct tls_credential *credential,
                           const struct tls_credential *old, const char **ret_missing)
{
    for (size_t i = 0; i < old->name_count; i++) {
        if (!has_name(credential, old->names[i])) {
            *ret_missing = old->names[i];
            return false;
        }
    }
    return true;
}

void tls_date_format(int64_t seconds, char ret[TLS_DATE_MAX])
{
    struct tm tm;
    time_t time = (time_t)seconds;
    if (gmtime_r(&time, &tm) == NULL || strftime(ret, TLS_DATE_MAX, "%Y-%m-%d", &tm) == 0)
        memcpy(ret, "?", 2);
}
