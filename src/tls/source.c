#include "tls/policy.h"

#include <openssl/err.h>
#include <string.h>

/* Whether a connection of this policy could use it: the security level may refuse small keys and
 * weak signatures, which must not come out in a client's handshake. */
static bool try_credential(const struct tls_policy *policy, const struct tls_credential *credential,
                           const char *file, struct error *error)
{
    SSL *ssl = SSL_new(policy->context);
    if (ssl == NULL)
        return error_memory(error);
    ERR_clear_error();
    bool good = tls_credential_use(credential, ssl);
    if (!good) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        error_tls(error, "%s: OpenSSL does not take this certificate: %s", file,
                  reason != NULL ? reason : "no reason given");
    }
    ERR_clear_error();
    SSL_free(ssl);
    return good;
}

static enum tls_file_status parse(const struct tls_policy *policy,
                                  const struct tls_file *certificate, const struct tls_file *key,
                                  struct tls_credential **ret, enum tls_part *ret_part,
                                  const unsigned char digest[32], struct error *error)
{
    struct tls_credential *credential =
        tls_known_find(&policy->known, digest, certificate->name, key->exposed);
    if (credential == NULL &&
        !tls_credential_parse(&credential, policy->keys, certificate, key, ret_part, error))
        return TLS_FILE_FAILED;
    if (!policy->vague && !try_credential(policy, credential, certificate->name, error)) {
        *ret_part = TLS_PART_CERTIFICATE;
        tls_credential_unref(credential);
        return TLS_FILE_FAILED;
    }
    *ret = credential;
    return TLS_FILE_OK;
}

enum tls_file_status tls_source_load(const struct tls_policy *policy, struct tls_source *source,
                                     struct tls_credential **ret, unsigned char digest[32],
                                     enum tls_part *ret_part, struct error *error)
{
    struct tls_file certificate, key;
    memset(digest, 0, 32);
    source->settled = false;
    *ret_part = TLS_PART_CERTIFICATE;
    enum tls_file_status status = tls_file_read(&certificate, source->certificate, error);
    if (status != TLS_FILE_OK)
        return status;
    *ret_part = TLS_PART_KEY;
    status = tls_file_read(&key, source->key, error);
    if (status == TLS_FILE_OK) {
        source->stamps[TLS_PART_CERTIFICATE] = certificate.stamp;
        source->stamps[TLS_PART_KEY] = key.stamp;
        source->settled = certificate.settled && key.settled;
        tls_credential_digest(digest, &certificate, &key);
        status = parse(policy, &certificate, &key, ret, ret_part, digest, error);
        tls_file_release(&key);
    }
    tls_file_release(&certificate);
    return status;
}
