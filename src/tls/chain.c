#include "tls/chain.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* The reader's queue says why it stopped: at the end of the file, or at something damaged. */
static bool stopped_at_end(void)
{
    unsigned long code = ERR_peek_last_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static bool read_all(STACK_OF(X509) * all, BIO *bio, const char *file, struct error *error)
{
    ERR_clear_error();
    X509 *certificate;
    while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
        if (sk_X509_push(all, certificate) == 0) {
            X509_free(certificate);
            return error_memory(error);
        }
    }
    if (!stopped_at_end())
        return error_tls(error, "%s: certificate %d is damaged or cut short", file,
                         sk_X509_num(all) + 1);
    if (sk_X509_num(all) == 0)
        return error_tls(error, "%s: no certificate in PEM form", file);
    return true;
}

bool tls_chain_read(STACK_OF(X509) * *ret, const struct tls_file *file, struct error *error)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->length);
    bool good = all != NULL && bio != NULL ? read_all(all, bio, file->name, error)
                                           : error_memory(error);
    BIO_free(bio);
    ERR_clear_error();
    if (good)
        *ret = all;
    else
        sk_X509_pop_free(all, X509_free);
    return good;
}

bool tls_chain_find_leaf(X509 **ret, STACK_OF(X509) * all, EVP_PKEY *key, const char *file,
                         const char *key_file, struct error *error)
{
    for (int i = 0; i < sk_X509_num(all); i++) {
        if (EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(all, i)), key) == 1) {
            *ret = sk_X509_delete(all, i);
            return true;
        }
    }
    return error_tls(error, "%s: the key does not match the certificate in %s", key_file, file);
}

static bool signs(X509 *issuer, X509 *subject)
{
    return X509_check_issued(issuer, subject) == X509_V_OK &&
           X509_verify(subject, X509_get0_pubkey(issuer)) == 1;
}

static int find_issuer(X509 *subject, const STACK_OF(X509) * candidates)
{
    for (int i = 0; i < sk_X509_num(candidates); i++)
        if (signs(sk_X509_value(candidates, i), subject))
            return i;
    return -1;
}

static bool has_no_place(X509 *certificate, const char *file, struct error *error)
{
    char subject[160];
    X509_NAME_oneline(X509_get_subject_name(certificate), subject, sizeof subject);
    return error_tls(error,
                     "%s: the certificate of \"%s\" does not belong to the chain (each certificate "
                     "must sign the one before)",
                     file, subject);
}

static bool order(STACK_OF(X509) * chain, X509 *leaf, STACK_OF(X509) * all, const char *file,
                  struct error *error)
{
    for (X509 *last = leaf; sk_X509_num(all) > 0;) {
        int at = find_issuer(last, all);
        if (at < 0)
            return has_no_place(sk_X509_value(all, 0), file, error);
        last = sk_X509_delete(all, at);
        if (sk_X509_push(chain, last) == 0) {
            X509_free(last);
            return error_memory(error);
        }
    }
    return true;
}

bool tls_chain_order(STACK_OF(X509) * *ret, X509 *leaf, STACK_OF(X509) * all, const char *file,
                     struct error *error)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    if (chain == NULL)
        return error_memory(error);
    if (!order(chain, leaf, all, file, error)) {
        sk_X509_pop_free(chain, X509_free);
        return false;
    }
    *ret = chain;
    return true;
}
