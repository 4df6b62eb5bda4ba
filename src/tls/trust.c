#include "tls/trust.h"

#include "tls/chain.h"
#include "tls/peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

/* A list of names has a 16-bit length on the wire (RFC 8446 §4.2.4). */
#define NAMES_MAX_BYTES 60000

void tls_trust_digest(unsigned char ret[32], const struct tls_file *ca, const struct tls_file *crl)
{
    unsigned char both[2 * SHA256_DIGEST_LENGTH] = {0};
    SHA256(ca->bytes, ca->length, both);
    if (crl != NULL)
        SHA256(crl->bytes, crl->length, both + SHA256_DIGEST_LENGTH);
    SHA256(both, sizeof both, ret);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What the library keeps of a certificate once it was asked is worked out now. */
static bool read_anchors(struct tls_trust *trust, const struct tls_file *file, struct error *error)
{
    int bytes = 0;
    if (!tls_chain_read(&trust->anchors, file, error))
        return false;
    trust->names = sk_X509_NAME_new_null();
    for (int i = 0; trust->names != NULL && i < sk_X509_num(trust->anchors); i++) {
        X509 *anchor = sk_X509_value(trust->anchors, i);
        (void)X509_check_purpose(anchor, -1, 0);
        X509_NAME *name = X509_NAME_dup(X509_get_subject_name(anchor));
        if (name == NULL || sk_X509_NAME_push(trust->names, name) == 0) {
            X509_NAME_free(name);
            return error_memory(error);
        }
        bytes += 2 + i2d_X509_NAME(name, NULL);
    }
    if (bytes > NAMES_MAX_BYTES)
        return error_tls(error, "%s: more CAs than can be named to a client (64 KB of names)",
                         file->name);
    return trust->names != NULL || error_memory(error);
}

static bool read_crls(struct tls_trust *trust, const struct tls_file *file, struct error *error)
{
    BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->length);
    trust->crls = sk_X509_CRL_new_null();
    bool good = bio != NULL && trust->crls != NULL;
    X509_CRL *crl;
    ERR_clear_error();
    while (good && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
        good = sk_X509_CRL_push(trust->crls, crl) > 0;
        if (!good)
            X509_CRL_free(crl);
    }
    BIO_free(bio);
    if (!good)
        return error_memory(error);
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return error_tls(error, "%s: CRL %d is damaged or cut short", file->name,
                         sk_X509_CRL_num(trust->crls) + 1);
    if (sk_X509_CRL_num(trust->crls) == 0)
        return error_tls(error, "%s: no CRL in PEM form", file->name);
    return true;
}

/* A CA that changed its key has more than one certificate by its name. */
static bool check_signature(const struct tls_trust *trust, X509_CRL *crl, const char *file,
                            struct error *error)
{
    char name[160];
    bool known = false;
    for (int i = 0; i < sk_X509_num(trust->anchors); i++) {
        X509 *anchor = sk_X509_value(trust->anchors, i);
        if (X509_NAME_cmp(X509_get_subject_name(anchor), X509_CRL_get_issuer(crl)) != 0)
            continue;
        if (X509_CRL_verify(crl, X509_get0_pubkey(anchor)) == 1)
            return true;
        known = true;
    }
    if (!known)
        return true; /* of a CA that clients bring along: looked at then */
    tls_peer_show(X509_CRL_get_issuer(crl), name, sizeof name);
    return error_tls(error, "%s: the CRL of %s has a wrong signature", file, name);
}

/* The library sorts a CRL when it first looks something up, under a lock of its own. */
static bool check_crls(const struct tls_trust *trust, const char *file, struct error *error)
{
    ASN1_INTEGER *any = ASN1_INTEGER_new();
    bool good = any != NULL || error_memory(error);
    for (int i = 0; good && i < sk_X509_CRL_num(trust->crls); i++) {
        X509_CRL *crl = sk_X509_CRL_value(trust->crls, i);
        X509_REVOKED *revoked;
        (void)X509_CRL_get0_by_serial(crl, &revoked, any);
        good = check_signature(trust, crl, file, error);
    }
    ASN1_INTEGER_free(any);
    return good;
}

bool tls_trust_parse(struct tls_trust **ret, const struct tls_file *ca, const struct tls_file *crl,
                     enum tls_trust_part *ret_part, struct error *error)
{
    struct tls_trust *trust = calloc(1, sizeof *trust);
    *ret_part = TLS_TRUST_CA;
    if (trust == NULL)
        return error_memory(error);
    atomic_init(&trust->references, 1);
    tls_trust_digest(trust->digest, ca, crl);
    bool good = read_anchors(trust, ca, error);
    if (good && crl != NULL) {
        *ret_part = TLS_TRUST_CRL;
        good = read_crls(trust, crl, error) && check_crls(trust, crl->name, error);
    }
    ERR_clear_error();
    if (good)
        *ret = trust;
    else
        tls_trust_unref(trust);
    return good;
}

bool tls_trust_check_crls(const struct tls_file *file, struct error *error)
{
    struct tls_trust alone = {.crls = NULL};
    bool good = read_crls(&alone, file, error);
    sk_X509_CRL_pop_free(alone.crls, X509_CRL_free);
    ERR_clear_error();
    return good;
}

struct tls_trust *tls_trust_ref(struct tls_trust *trust)
{
    atomic_fetch_add_explicit(&trust->references, 1, memory_order_relaxed);
    return trust;
}

void tls_trust_unref(struct tls_trust *trust)
{
    if (trust == NULL ||
        atomic_fetch_sub_explicit(&trust->references, 1, memory_order_acq_rel) != 1)
        return;
    sk_X509_pop_free(trust->anchors, X509_free);
    sk_X509_CRL_pop_free(trust->crls, X509_CRL_free);
    sk_X509_NAME_pop_free(trust->names, X509_NAME_free);
    free(trust);
}

/* --- verifying -------------------------------------------------------------------------------- */

/* With CRLs each certificate of a chain must be covered by one, but for what is trusted by being in
 * our file: whether that was revoked is for whoever wrote the file to know. */
static int forgive_anchor(int good, X509_STORE_CTX *context)
{
    int last = sk_X509_num(X509_STORE_CTX_get0_chain(context)) - 1;
    if (good || X509_STORE_CTX_get_error(context) != X509_V_ERR_UNABLE_TO_GET_CRL || last < 1 ||
        X509_STORE_CTX_get_error_depth(context) != last)
        return good;
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
}

int tls_trust_verify(const struct tls_trust *trust, X509_STORE_CTX *context)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(context);
    unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
    X509_STORE_CTX_set0_trusted_stack(context, trust->anchors);
    if (trust->crls != NULL) {
        X509_STORE_CTX_set0_crls(context, trust->crls);
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
    }
    X509_VERIFY_PARAM_set_flags(param, flags);
    X509_STORE_CTX_set_verify_cb(context, forgive_anchor);
    return X509_verify_cert(context);
}

struct words {
    int code;
    const char *before, *after; /* whose certificate it is stands between them */
};

static const struct words *find_words(int code)
{
    static const struct words words[] = {
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "", " is from an unknown CA"},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "", " is from an unknown CA"},
        {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "", " is from an unknown CA"},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "", " is from an unknown CA"},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "", " is signed by nobody but itself"},
        {X509_V_ERR_CERT_HAS_EXPIRED, "", " has expired"},
        {X509_V_ERR_CERT_NOT_YET_VALID, "", " is not valid yet"},
        {X509_V_ERR_CERT_REVOKED, "", " was revoked"},
        {X509_V_ERR_CERT_SIGNATURE_FAILURE, "", " has a wrong signature"},
        {X509_V_ERR_CERT_CHAIN_TOO_LONG, "", " has more CAs above it than depth allows"},
        {X509_V_ERR_INVALID_PURPOSE, "", " is not for clients"},
        {X509_V_ERR_INVALID_CA, "", " is signed by one that is no CA"},
        {X509_V_ERR_PATH_LENGTH_EXCEEDED, "", " has more CAs above it than one of them allows"},
        {X509_V_ERR_PERMITTED_VIOLATION, "", " has a name that its CA may not give"},
        {X509_V_ERR_EXCLUDED_VIOLATION, "", " has a name that its CA may not give"},
        {X509_V_ERR_EE_KEY_TOO_SMALL, "", " has too small a key"},
        {X509_V_ERR_CA_KEY_TOO_SMALL, "", " has too small a key"},
        {X509_V_ERR_CA_MD_TOO_WEAK, "", " has too weak a signature"},
        {X509_V_ERR_UNABLE_TO_GET_CRL, "there is no CRL for ", ""},
        {X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, "there is no CRL for ", ""},
        {X509_V_ERR_CRL_HAS_EXPIRED, "the CRL for ", " has expired"},
        {X509_V_ERR_CRL_NOT_YET_VALID, "the CRL for ", " is not valid yet"},
        {X509_V_ERR_CRL_SIGNATURE_FAILURE, "the CRL for ", " has a wrong signature"},
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (words[i].code == code)
            return &words[i];
    return NULL;
}

void tls_trust_blame(X509_STORE_CTX *context, char *ret, size_t size)
{
    int code = X509_STORE_CTX_get_error(context);
    const X509 *leaf = X509_STORE_CTX_get0_cert(context);
    bool own = X509_STORE_CTX_get_error_depth(context) == 0;
    const char *whose = own ? "the client's certificate" : "a CA of the client's certificate";
    const struct words *words = find_words(code);
    char what[200], name[100];
    if (words != NULL)
        snprintf(what, sizeof what, "%s%s%s", words->before, whose, words->after);
    else
        snprintf(what, sizeof what, "%s is refused: %s", whose,
                 X509_verify_cert_error_string(code));
    tls_peer_show(X509_get_subject_name(leaf), name, sizeof name);
    snprintf(ret, size, name[0] != '\0' ? "%s (%s)" : "%s", what, name);
}
