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
static const char *find_bundle(void)
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

static bool add_all(SSL_CTX *context, const STACK_OF(X509) * all)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    for (int i = 0; i < sk_X509_num(all); i++)
        if (X509_STORE_add_cert(store, sk_X509_value(all, i)) != 1)
            return false;
    return true;
}

static bool load_read(SSL_CTX *context, const struct tls_file *file, struct error *error)
{
    STACK_OF(X509) *all = NULL;
    if (!tls_chain_read(&all, file, error))
        return false;
    bool good = add_all(context, all) || error_memory(error);
    sk_X509_pop_free(all, X509_free);
    ERR_clear_error();
    return good;
}

bool tls_authorities_load(SSL_CTX *context, const char *name, unsigned char ret[32],
                          struct error *error)
{
    struct tls_file file;
    if (name == NULL)
        name = find_bundle();
    if (name == NULL)
        return error_input(error, "this system has no certificates of authorities (install "
                                  "ca-certificates, name a \"ca\", or set \"verify\": false)");
    switch (tls_file_read(&file, name, error)) {
    case TLS_FILE_OK:
        break;
    case TLS_FILE_UNSTABLE:
        return error_input(error, "%s is being written to just now (try again)", name);
    default:
        return false;
    }
    SHA256(file.bytes, file.length, ret);
    bool good = load_read(context, &file, error);
    tls_file_release(&file);
    return good;
}
