/* bench_certs: a folder full of certificates, as a gateway of many names has it.
 *
 *   bench_certs FOLDER COUNT     writes FOLDER/hostN.pem, N from 0: a certificate for
 *                                hostN.example.org, signed by itself, and its key (ECDSA P-256)
 *
 * Every certificate has a key of its own: a gateway that shared what keys have in common would
 * otherwise look better than it is. */
#include "util.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define NAME_MAX_LENGTH 64
#define PATH_MAX_LENGTH 4096
#define VALID_SECONDS   (100L * 24 * 3600)

static void must(bool done, const char *what)
{
    if (!done)
        die("%s failed", what);
}

static void name_it(X509 *cert, const char *name)
{
    char alternative[NAME_MAX_LENGTH + 8];
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_EXTENSION *extension;

    must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1,
                                    -1, 0) == 1,
         "the certificate's subject");
    must(X509_set_issuer_name(cert, subject) == 1, "the certificate's issuer");
    snprintf(alternative, sizeof alternative, "DNS:%s", name);
    extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
    must(extension != NULL && X509_add_ext(cert, extension, -1) == 1, "the certificate's name");
    X509_EXTENSION_free(extension);
}

static X509 *certificate_make(EVP_PKEY *key, const char *name, long serial)
{
    X509 *cert = X509_new();

    must(cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1, "X509_new");
    must(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial) == 1, "the serial number");
    must(X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL, "notBefore");
    must(X509_gmtime_adj(X509_getm_notAfter(cert), VALID_SECONDS) != NULL, "notAfter");
    name_it(cert, name);
    must(X509_set_pubkey(cert, key) == 1, "the public key");
    must(X509_sign(cert, key, EVP_sha256()) > 0, "X509_sign");
    return cert;
}

static void write_pair(const char *folder, uint64_t number)
{
    char path[PATH_MAX_LENGTH], name[NAME_MAX_LENGTH];
    EVP_PKEY *key = EVP_EC_gen("P-256");

    must(key != NULL, "EVP_EC_gen");
    snprintf(name, sizeof name, "host%llu.example.org", (unsigned long long)number);
    snprintf(path, sizeof path, "%s/host%llu.pem", folder, (unsigned long long)number);
    X509 *cert = certificate_make(key, name, (long)number + 1);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        die("%s cannot be written", path);
    bool written = PEM_write_X509(file, cert) == 1 &&
                   PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (fclose(file) != 0 || !written)
        die("%s was not written", path);
    X509_free(cert);
    EVP_PKEY_free(key);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        die("usage: bench_certs FOLDER COUNT");
    umask(S_IRWXG | S_IRWXO);
    for (uint64_t n = number_of(argv[2], "COUNT", 1, 1000000); n > 0; n--)
        write_pair(argv[1], n - 1);
    return EXIT_SUCCESS;
}
