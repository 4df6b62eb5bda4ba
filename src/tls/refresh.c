#include "base/clock.h"
#include "base/hash.h"
#include "tls/policy.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* What only a renewal is held to: at start the operator is there to read the warning. */
static bool check_renewal(const struct tls_source *source, const struct tls_credential *fresh,
                          const struct tls_credential *old, struct error *error)
{
    int64_t now = (int64_t)(clock_wall_ms() / 1000);
    char date[TLS_DATE_MAX];
    const char *missing;
    if (fresh->not_after <= now) {
        tls_date_format(fresh->not_after, date);
        return error_tls(error, "%s: the certificate has expired on %s", source->certificate, date);
    }
    if (fresh->not_before > now) {
        tls_date_format(fresh->not_before, date);
        return error_tls(error, "%s: the certificate is not valid before %s", source->certificate,
                         date);
    }
    if (!tls_credential_covers(fresh, old, &missing))
        return error_tls(error,
                         "%s: the certificate no longer holds the name %s (reload the "
                         "configuration to take it all the same)",
                         source->certificate, missing);
    return true;
}

/* One number for a refusal, so that the same one is not told again. Never 0. */
static uint64_t refusal_of(const unsigned char digest[32], const struct error *error)
{
    uint64_t of_files = hash_bytes(span_of(digest, 32));
    return (of_files ^ hash_bytes(span_text(error->text))) | 1u;
}

/* What the look at all sources of a policy has found. */
struct look {
    struct tls_credential **credentials; /* owned references: new where changed, else as before */
    bool *changed;
    bool any;
    struct tls_source *refused; /* the first whose refusal has not been told; NULL for none */
    uint64_t refusal;
};

static void refuse(struct look *look, struct tls_source *source, const unsigned char digest[32],
                   const struct error *reason, struct error *error)
{
    uint64_t refusal = refusal_of(digest, reason);
    if (look->refused != NULL || source->told == refusal)
        return;
    look->refused = source;
    look->refusal = refusal;
    *error = *reason;
}

static void look_at(struct look *look, const struct tls_policy *policy, size_t i,
                    struct error *error)
{
    struct tls_source *source = &policy->sources[i];
    struct tls_credential *old = tls_store_credential(policy->current, i), *fresh = NULL;
    struct error reason = {.kind = ERROR_NONE};
    unsigned char digest[32];
    enum tls_part part;
    enum tls_file_status status = tls_source_load(policy, source, &fresh, digest, &part, &reason);
    bool same = memcmp(digest, old->digest, sizeof digest) == 0;
    bool good = status == TLS_FILE_OK && !same && check_renewal(source, fresh, old, &reason);
    if (good)
        look->any = look->changed[i] = true;
    if (good || same)
        source->told = 0;
    else if (status != TLS_FILE_UNSTABLE)
        refuse(look, source, digest, &reason, error);
    look->credentials[i] = tls_credential_ref(good ? fresh : old);
    tls_credential_unref(fresh);
}

static enum tls_refresh conclude(struct look *look, struct tls_policy *policy,
                                 struct tls_store **ret, struct error *error)
{
    struct tls_store *store;
    if (look->any) {
        if (!tls_store_create(&store, look->credentials, policy->source_count, look->changed,
                              policy->demands, error))
            return TLS_REFRESH_REFUSED;
        tls_store_unref(policy->current);
        policy->current = store;
        *ret = tls_store_ref(store);
        return TLS_REFRESH_NEW;
    }
    if (look->refused == NULL)
        return TLS_REFRESH_SAME;
    look->refused->told = look->refusal;
    return TLS_REFRESH_REFUSED;
}

enum tls_refresh tls_policy_refresh(struct tls_policy *policy, struct tls_store **ret,
                                    struct error *error)
{
    enum tls_refresh result = TLS_REFRESH_SAME;
    struct look look = {
        .credentials = calloc(policy->source_count, sizeof(struct tls_credential *)),
        .changed = calloc(policy->source_count, sizeof(bool)),
    };
    struct error ignored;
    if (error == NULL)
        error = &ignored;
    if (look.credentials != NULL && look.changed != NULL) {
        for (size_t i = 0; i < policy->source_count; i++)
            look_at(&look, policy, i, error);
        result = conclude(&look, policy, ret, error);
        for (size_t i = 0; i < policy->source_count; i++)
            tls_credential_unref(look.credentials[i]);
    }
    free(look.credentials);
    free(look.changed);
    return result;
}
