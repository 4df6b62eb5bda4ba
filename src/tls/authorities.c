#include "tls/authorities.h"

#include "base/compiler.h"
#include "tls/chain.h"
#include "tls/file.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where distributions keep all authorities in one file. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
    "/etc/ssl/ca-bundle.pem",             /* openSUSE */
    "/etc/ssl/cert.pem",
};

/* OpenSSL's own idea comes first, so that SSL_CERT_FILE works as elsewhere. */
const char *tls_authorities_find(void)
{
    const char *named = secure_getenv(X509_get_default_cert_file_env());
    if (named != NULL && named[0] != '\0')
        return named;
    if (access(X509_get_default_cert_file(), R_OK) == 0)
        return X509_get_default_cert_file();
    for (size_t i = 0; i < COUNT_OF(bundles); i++)
        if (access(bundles[i], R_OK) == 0)
            return bundles[i];
    return NULL;
}

static bool add_all(X509_STORE *store, const STACK_OF(X509) * all)
{
    for (int i = 0; i < sk_X509_num(all); i++)
        if (X509_STORE_add_cert(store, sk_X509_value(all, i)) != 1)
            return false;
    return true;
}

static bool parse(X509_STORE **ret, const struct tls_file *file, struct error *error)
{
    STACK_OF(X509) *all = NULL;
    if (!tls_chain_read(&all, file, error))
        return false;
    X509_STORE *store = X509_STORE_new();
    bool good = (store != NULL && add_all(store, all)) || error_memory(error);
    sk_X509_pop_free(all, X509_free);
    ERR_clear_error();
    if (good)
        *ret = store;
    else
        X509_STORE_free(store);
    return good;
}

enum tls_file_status tls_authorities_load(X509_STORE **ret, const char *name,
                                          const unsigned char known[32], unsigned char digest[32],
                                          struct error *error)
{
    struct tls_file file;
    memset(digest, 0, 32);
    enum tls_file_status status = tls_file_read(&file, name, error);
    if (status != TLS_FILE_OK)
        return status;
    SHA256(file.bytes, file.length, digest);
    bool same = known != NULL && memcmp(known, digest, 32) == 0;
    bool good = same || parse(ret, &file, error);
    tls_file_release(&file);
    return good ? TLS_FILE_OK : TLS_FILE_FAILED;
}

bool tls_authorities_expired(X509_STORE *authorities)
{
    bool expired = true;
    (void)X509_STORE_lock(authorities); /* a worker's first look-up sorts them */
    const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(authorities);
    for (int i = 0; expired && i < sk_X509_OBJECT_num(all); i++) {
        const X509 *one = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
        if (one != NULL && X509_cmp_current_time(X509_get0_notAfter(one)) > 0)
            expired = false;
    }
    (void)X509_STORE_unlock(authorities);
    return expired;
}
