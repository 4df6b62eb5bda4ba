/* What is served now, for people: read off the current store. */
#include "tls/policy.h"

#include <openssl/bn.h>
#include <stdio.h>

static void show_serial(const X509 *leaf, char *ret, size_t size)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf), NULL);
    char *serial = number != NULL ? BN_bn2hex(number) : NULL;
    (void)snprintf(ret, size, "%s", serial != NULL ? serial : "?");
    OPENSSL_free(serial);
    BN_free(number);
}

static void show_fingerprint(const X509 *leaf, char ret[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (X509_digest(leaf, EVP_sha256(), digest, &length) != 1)
        length = 0;
    ret[0] = '\0';
    for (unsigned i = 0; i < length && i < 32; i++)
        (void)snprintf(ret + 2 * (size_t)i, 3, "%02x", digest[i]);
}

void tls_policy_each_certificate(const struct tls_policy *policy,
                                 void (*each)(void *context, const struct tls_certificate *shown),
                                 void *context)
{
    for (size_t i = 0; i < tls_store_count(policy->current); i++) {
        const struct tls_credential *credential = tls_store_credential(policy->current, i);
        struct tls_certificate shown = {.names = credential->names,
                                        .name_count = credential->name_count,
                                        .title = credential->title,
                                        .file = credential->file,
                                        .not_before = credential->not_before,
                                        .not_after = credential->not_after};
        show_serial(credential->leaf, shown.serial, sizeof shown.serial);
        show_fingerprint(credential->leaf, shown.fingerprint_sha256);
        each(context, &shown);
    }
}
