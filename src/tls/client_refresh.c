/* A client's files change. */
#include "base/clock.h"
#include "base/hash.h"
#include "tls/authorities.h"
#include "tls/client_private.h"

#include <string.h>

static uint64_t refusal_of(const unsigned char digest[32], const struct error *reason)
{
    return (hash_bytes(span_of(digest, 32)) ^ hash_bytes(span_text(reason->text))) | 1u;
}

/* Told once per state of the files. */
static enum tls_refresh refuse(uint64_t *told, const unsigned char digest[32],
                               const struct error *reason, struct error *error)
{
    uint64_t refusal = refusal_of(digest, reason);
    if (*told == refusal)
        return TLS_REFRESH_SAME;
    *told = refusal;
    *error = *reason;
    return TLS_REFRESH_REFUSED;
}

/* Handshakes that run hold on to the context they began with. */
static void install(struct tls_client *client, const struct tls_means *fresh)
{
    pthread_mutex_lock(&client->mutex);
    struct tls_means before = client->means;
    client->means = *fresh;
    pthread_mutex_unlock(&client->mutex);
    tls_means_release(&before);
}

/* --- the authorities -------------------------------------------------------------------------- */

/* What would shut every server out is not taken while what is in use does not. */
static bool take_authorities(struct tls_client *client, X509_STORE *fresh,
                             const unsigned char digest[32], struct error *error)
{
    struct tls_means means;
    if (tls_authorities_expired(fresh) && !tls_authorities_expired(client->means.authorities))
        return error_tls(error, "%s: every CA in it has expired", client->ca);
    if (!tls_means_make(&means, client, fresh, digest, client->means.credential, error))
        return false;
    install(client, &means);
    return true;
}

enum tls_refresh tls_client_refresh_authorities(struct tls_client *client, const char **ret_file,
                                                struct error *error)
{
    X509_STORE *fresh = NULL;
    struct error reason = {.kind = ERROR_NONE};
    unsigned char digest[32];
    if (client->ca == NULL)
        return TLS_REFRESH_SAME;
    *ret_file = client->ca;
    enum tls_file_status status =
        tls_authorities_load(&fresh, client->ca, client->means.authorities_digest, digest, &reason);
    bool same = memcmp(digest, client->means.authorities_digest, sizeof digest) == 0;
    bool taken = !same && status == TLS_FILE_OK && take_authorities(client, fresh, digest, &reason);
    X509_STORE_free(fresh);
    if (same || taken)
        client->told_ca = 0;
    if (same || status == TLS_FILE_UNSTABLE)
        return TLS_REFRESH_SAME;
    return taken ? TLS_REFRESH_NEW : refuse(&client->told_ca, digest, &reason, error);
}

/* --- our certificate -------------------------------------------------------------------------- */

static bool has_expired(const struct tls_credential *credential)
{
    return credential->not_after <= clock_wall_s();
}

static bool take_credential(struct tls_client *client, struct tls_credential *fresh,
                            struct error *error)
{
    struct tls_means means;
    char date[TLS_DATE_MAX];
    if (has_expired(fresh)) {
        tls_date_format(fresh->not_after, date);
        return error_tls(error, "%s: the certificate has expired on %s", client->cert, date);
    }
    if (!tls_means_make(&means, client, client->means.authorities, client->means.authorities_digest,
                        fresh, error))
        return false;
    install(client, &means);
    return true;
}

enum tls_refresh tls_client_refresh_certificate(struct tls_client *client, const char **ret_file,
                                                struct error *error)
{
    struct tls_credential *fresh = NULL;
    struct error reason = {.kind = ERROR_NONE};
    unsigned char digest[32];
    enum tls_part part;
    if (client->means.credential == NULL)
        return TLS_REFRESH_SAME;
    *ret_file = client->cert;
    enum tls_file_status status = tls_means_load_credential(client, &fresh, digest, &part, &reason);
    bool same = memcmp(digest, client->means.credential->digest, sizeof digest) == 0 ||
                (client->passes && memcmp(digest, client->passed, sizeof digest) == 0);
    bool taken = !same && status == TLS_FILE_OK && take_credential(client, fresh, &reason);
    tls_credential_unref(fresh);
    if (same || taken)
        client->told_cert = 0;
    if (taken)
        client->passes = false;
    if (same || status == TLS_FILE_UNSTABLE)
        return TLS_REFRESH_SAME;
    return taken ? TLS_REFRESH_NEW : refuse(&client->told_cert, digest, &reason, error);
}

const char *tls_client_pass_over(struct tls_client *client)
{
    struct tls_credential *found = NULL;
    struct error ignored;
    enum tls_part part;
    const struct tls_credential *own = client->means.credential;
    if (own == NULL)
        return NULL;
    client->passes = tls_means_load_credential(client, &found, client->passed, &part, &ignored) ==
                         TLS_FILE_OK &&
                     memcmp(client->passed, own->digest, sizeof client->passed) != 0;
    tls_credential_unref(found);
    return client->passes ? client->cert : NULL;
}
