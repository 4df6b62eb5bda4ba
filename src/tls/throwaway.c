#include "tls/throwaway.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

/* Long enough that no warning of its end is shown. */
#define LIFETIME_SECONDS (90L * 86400L)

static bool add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool set_serial(X509 *certificate)
{
    uint64_t serial;
    return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) == 1;
}

static bool fill(X509 *certificate, EVP_PKEY *key)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -60) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), LIFETIME_SECONDS) != NULL &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"muxgate demo", -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           add_extension(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

static BIO *create_file(const char *file, mode_t mode)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    BIO *bio = fd < 0 ? NULL : BIO_new_fd(fd, BIO_CLOSE);
    if (bio == NULL && fd >= 0)
        (void)close(fd);
    return bio;
}

static bool write_files(X509 *certificate, EVP_PKEY *key, const char *cert_file,
                        const char *key_file, struct error *error)
{
    BIO *cert_bio = create_file(cert_file, 0644), *key_bio = create_file(key_file, 0600);
    bool good = cert_bio != NULL && key_bio != NULL &&
                PEM_write_bio_X509(cert_bio, certificate) == 1 &&
                PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    int number = errno;
    BIO_free_all(cert_bio);
    BIO_free_all(key_bio);
    return good || error_system(error, number, "cannot write %s", cert_file);
}

bool tls_write_throwaway(const char *cert_file, const char *key_file, struct error *error)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool good = key != NULL && certificate != NULL && fill(certificate, key);
    if (good)
        good = write_files(certificate, key, cert_file, key_file, error);
    else
        (void)error_tls(error, "cannot make a throw-away certificate");
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good;
}
