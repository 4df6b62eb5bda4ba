#include "base/clock.h"
#include "base/hash.h"
#include "tls/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What only a renewal is held to: at start the operator is there to read the warning. `old` NULL: a
 * new file in a folder. */
static bool check_renewal(const struct tls_source *source, const struct tls_credential *fresh,
                          const struct tls_credential *old, struct error *error)
{
    int64_t now = clock_wall_s();
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
    if (old != NULL && !tls_credential_covers(fresh, old, &missing))
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
    struct tls_policy *policy;
    bool any;
    size_t dropped;
    char dropped_title[256];
};

/* Without memory it is told at the next look. */
static void refuse(struct tls_policy *policy, uint64_t *told, const unsigned char digest[32],
                   const struct error *reason)
{
    struct tls_round *round = &policy->round;
    uint64_t refusal = refusal_of(digest, reason);
    if (*told == refusal)
        return;
    struct error *refusals = realloc(round->refusals, (round->count + 1) * sizeof *refusals);
    if (refusals == NULL)
        return;
    round->refusals = refusals;
    round->refusals[round->count++] = *reason;
    *told = refusal;
}

/* The file of a folder that held the same and is gone: it was renamed. */
static bool was_renamed(const struct tls_origin *origin, const unsigned char digest[32])
{
    for (size_t i = 0; i < origin->count; i++) {
        const struct tls_source *other = &origin->sources[i];
        if (other->gone && other->credential != NULL &&
            memcmp(other->credential->digest, digest, 32) == 0)
            return true;
    }
    return false;
}

static bool is_passed_over(const struct tls_source *source, const unsigned char digest[32])
{
    return source->passes && memcmp(digest, source->passed, sizeof source->passed) == 0;
}

static void look_at(struct look *look, const struct tls_origin *origin, struct tls_source *source)
{
    struct tls_credential *old = source->credential, *fresh = NULL;
    struct error reason = {.kind = ERROR_NONE};
    unsigned char digest[32];
    enum tls_part part;
    if (old != NULL && source->told == 0 && tls_source_is_unchanged(source))
        return;
    enum tls_file_status status =
        tls_source_load(look->policy, source, &fresh, digest, &part, &reason);
    bool same = (old != NULL && memcmp(digest, old->digest, sizeof digest) == 0) ||
                is_passed_over(source, digest);
    bool good = status == TLS_FILE_OK && !same &&
                ((old == NULL && was_renamed(origin, digest)) ||
                 check_renewal(source, fresh, old, &reason));
    if (good || same)
        source->told = 0;
    else if (status != TLS_FILE_UNSTABLE)
        refuse(look->policy, &source->told, digest, &reason);
    if (!good) {
        tls_credential_unref(fresh);
        return;
    }
    source->credential = fresh;
    source->passes = false;
    look->any = source->changed = true;
    tls_credential_unref(old);
}

static size_t count_live(const struct tls_origin *origin)
{
    size_t live = 0;
    for (size_t i = 0; i < origin->count; i++)
        live += !origin->sources[i].gone && origin->sources[i].credential != NULL;
    return live;
}

static void note_dropped(struct look *look, const struct tls_origin *origin)
{
    for (size_t i = 0; i < origin->count; i++) {
        const struct tls_source *source = &origin->sources[i];
        if (!source->gone || source->credential == NULL)
            continue;
        if (look->dropped++ == 0)
            snprintf(look->dropped_title, sizeof look->dropped_title, "%s (%s)",
                     source->credential->title, source->certificate);
        look->any = true;
    }
}

/* A folder that has nothing good left keeps what it had. */
static void look_at_folder(struct look *look, struct tls_origin *origin)
{
    static const unsigned char none[32];
    struct error reason = {.kind = ERROR_NONE};
    if (!tls_origin_list(origin, &reason)) {
        refuse(look->policy, &origin->told, none, &reason);
        return;
    }
    for (size_t i = 0; i < origin->count; i++)
        if (!origin->sources[i].gone)
            look_at(look, origin, &origin->sources[i]);
    if (count_live(origin) == 0) {
        error_tls(&reason, "%s: no certificate is left in the folder that can be used",
                  origin->folder);
        refuse(look->policy, &origin->told, none, &reason);
        return;
    }
    origin->told = 0;
    note_dropped(look, origin);
    tls_origin_drop_gone(origin);
}

static void look_at_all(struct look *look)
{
    struct tls_policy *policy = look->policy;
    policy->round.count = policy->round.next = 0;
    for (size_t i = 0; i < policy->origin_count; i++) {
        struct tls_origin *origin = &policy->origins[i];
        if (origin->folder != NULL)
            look_at_folder(look, origin);
        else
            look_at(look, origin, origin->sources);
    }
}

/* --- the store -------------------------------------------------------------------------------- */

static size_t count_sources(const struct tls_policy *policy)
{
    size_t count = 0;
    for (size_t i = 0; i < policy->origin_count; i++)
        count += policy->origins[i].count;
    return count;
}

/* What is served, in the order of the configuration; borrowed. */
static size_t gather(const struct tls_policy *policy, struct tls_credential **credentials,
                     bool *changed)
{
    size_t count = 0;
    for (size_t i = 0; i < policy->origin_count; i++) {
        const struct tls_origin *origin = &policy->origins[i];
        for (size_t k = 0; k < origin->count; k++) {
            if (origin->sources[k].credential == NULL)
                continue;
            credentials[count] = origin->sources[k].credential;
            changed[count++] = origin->sources[k].changed;
        }
    }
    return count;
}

static void forget_changes(struct tls_policy *policy)
{
    for (size_t i = 0; i < policy->origin_count; i++)
        for (size_t k = 0; k < policy->origins[i].count; k++)
            policy->origins[i].sources[k].changed = false;
}

bool tls_policy_make_store(struct tls_policy *policy, struct tls_store **ret, struct error *error)
{
    size_t room = count_sources(policy) + 1;
    struct tls_credential **credentials = calloc(room, sizeof(struct tls_credential *));
    bool *changed = calloc(room, sizeof *changed);
    bool good = credentials != NULL && changed != NULL;
    if (good) {
        size_t count = gather(policy, credentials, changed);
        good = tls_store_create(ret, credentials, count, changed, policy->demands, error);
    } else {
        error_memory(error);
    }
    free(credentials);
    free(changed);
    if (good)
        forget_changes(policy);
    return good;
}

static enum tls_refresh publish(const struct look *look, struct tls_store **ret,
                                struct error *error)
{
    struct tls_policy *policy = look->policy;
    struct tls_store *store;
    policy->round.unpublished = !tls_policy_make_store(policy, &store, error);
    if (policy->round.unpublished) {
        policy->round.open = true; /* another look would fail likewise */
        return TLS_REFRESH_REFUSED;
    }
    tls_store_note_dropped(store, look->dropped, look->dropped_title);
    tls_store_unref(policy->current);
    policy->current = store;
    *ret = tls_store_ref(store);
    return TLS_REFRESH_NEW;
}

static enum tls_refresh tell_next(struct tls_round *round, struct error *error)
{
    if (round->next == round->count) {
        round->open = false;
        return TLS_REFRESH_SAME;
    }
    *error = round->refusals[round->next++];
    round->open = true;
    return TLS_REFRESH_REFUSED;
}

enum tls_refresh tls_policy_refresh(struct tls_policy *policy, struct tls_store **ret,
                                    struct error *error)
{
    struct error ignored;
    if (error == NULL)
        error = &ignored;
    if (policy->round.open)
        return tell_next(&policy->round, error);
    struct look look = {.policy = policy, .any = policy->round.unpublished};
    look_at_all(&look);
    if (!look.any)
        return tell_next(&policy->round, error);
    policy->round.open = policy->round.count > 0;
    return publish(&look, ret, error);
}

/* --- files that are not taken ----------------------------------------------------------------- */

/* What cannot be read now has no content to be known by. */
static bool digest_files(const struct tls_source *source, unsigned char ret[32])
{
    struct tls_file certificate, key;
    struct error error;
    if (tls_file_read(&certificate, source->certificate, &error) != TLS_FILE_OK)
        return false;
    bool good = tls_file_read(&key, source->key, &error) == TLS_FILE_OK;
    if (good) {
        tls_credential_digest(ret, &certificate, &key);
        tls_file_release(&key);
    }
    tls_file_release(&certificate);
    return good;
}

static bool pass_over(struct tls_source *source)
{
    const struct tls_credential *own = source->credential;
    source->passes = digest_files(source, source->passed) &&
                     (own == NULL || memcmp(own->digest, source->passed, sizeof own->digest) != 0);
    return source->passes;
}

const char *tls_policy_pass_over(struct tls_policy *policy)
{
    struct error ignored;
    const char *first = NULL;
    for (size_t i = 0; i < policy->origin_count; i++) {
        struct tls_origin *origin = &policy->origins[i];
        if (origin->folder != NULL && !tls_origin_list(origin, &ignored))
            continue;
        for (size_t k = 0; k < origin->count; k++)
            if (pass_over(&origin->sources[k]) && first == NULL)
                first = origin->sources[k].certificate;
    }
    return first;
}
