/* What is served now, and shown to servers, for people: read off what is in use. */
#include "base/clock.h"
#include "tls/client_private.h"
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

static void show(struct tls_certificate *ret, const struct tls_credential *credential)
{
    *ret = (struct tls_certificate){.names = credential->names,
                                    .name_count = credential->name_count,
                                    .title = credential->title,
                                    .file = credential->file,
                                    .not_before = credential->not_before,
                                    .not_after = credential->not_after};
    show_serial(credential->leaf, ret->serial, sizeof ret->serial);
    show_fingerprint(credential->leaf, ret->fingerprint_sha256);
}

/* A certificate that has just come may have no plan yet. */
static void show_ocsp(struct tls_ocsp_state *ret, const struct tls_stapling *stapling,
                      const struct tls_credential *credential)
{
    const struct tls_plan *plan = tls_stapling_find(stapling, credential->digest);
    const struct tls_staple *staple = plan != NULL ? plan->staple : NULL;
    const char *told = plan != NULL ? plan->told : NULL;
    ret->wanted = stapling->automatic || stapling->file != NULL;
    ret->url = plan != NULL ? plan->url : NULL;
    ret->file = stapling->file;
    ret->last_error = told != NULL ? told : stapling->file_told;
    ret->stapled = staple != NULL && staple->next_update > clock_wall_s();
    if (!ret->stapled)
        return;
    ret->produced_at = staple->produced_at;
    ret->this_update = staple->this_update;
    ret->next_update = staple->next_update;
}

void tls_policy_each_certificate(const struct tls_policy *policy,
                                 void (*each)(void *context, const struct tls_certificate *shown),
                                 void *context)
{
    for (size_t i = 0; i < tls_store_count(policy->current); i++) {
        const struct tls_credential *credential = tls_store_credential(policy->current, i);
        struct tls_certificate shown;
        show(&shown, credential);
        show_ocsp(&shown.ocsp, &policy->stapling, credential);
        each(context, &shown);
    }
}

void tls_client_each_certificate(const struct tls_client *client,
                                 void (*each)(void *context, const struct tls_certificate *shown),
                                 void *context)
{
    struct tls_certificate shown;
    if (client->means.credential == NULL)
        return;
    show(&shown, client->means.credential);
    each(context, &shown);
}
