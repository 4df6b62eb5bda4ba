/* The certificates of a policy when it is compiled: whatever is wrong is told at its key. */
#include "tls/policy.h"
#include "tls/report.h"

#include <stdlib.h>
#include <string.h>

#define SECONDS_PER_DAY    INT64_C(86400)
#define EXPIRY_NOTICE_DAYS 30

static bool out_of_memory(const struct model_tls *model, struct problems *problems)
{
    problems_error(problems, model->path, "out of memory");
    return false;
}

/* Of a draft. */
static bool is_half(const struct tls_source *pair)
{
    return pair->certificate == NULL || pair->key == NULL;
}

static bool make_origins(struct tls_policy *policy, const struct model_tls *model)
{
    size_t count = model->certificate_count, files = 0;
    policy->origins = calloc(count, sizeof *policy->origins);
    policy->files = calloc(2 * count + 1, sizeof *policy->files);
    if (policy->origins == NULL || policy->files == NULL)
        return false;
    for (; policy->origin_count < count; policy->origin_count++) {
        struct tls_origin *origin = &policy->origins[policy->origin_count];
        if (!tls_origin_init(origin, &model->certificates[policy->origin_count])) {
            policy->origin_count++;
            return false;
        }
        if (!model->watch)
            continue;
        const struct tls_source *pair = origin->sources;
        if (origin->folder == NULL && is_half(pair))
            continue;
        policy->files[files++] = origin->folder != NULL ? origin->watch : pair->certificate;
        if (origin->folder == NULL && strcmp(pair->certificate, pair->key) != 0)
            policy->files[files++] = pair->key;
    }
    return true;
}

/* Of a folder's certificates the line says which file is meant; elsewhere its place does. */
static void warn(const struct tls_origin *origin, const struct tls_source *source,
                 enum tls_part part, struct problems *problems, const char *text)
{
    bool folder = origin->folder != NULL;
    tls_report_warning(problems, origin->path, tls_origin_key(origin, part), "%s%s%s",
                       folder ? source->certificate : "", folder ? ": " : "", text);
}

static void warn_of_expiry(const struct tls_origin *origin, const struct tls_source *source,
                           const char *what, int64_t until, struct problems *problems)
{
    int64_t now = (int64_t)problems_now(problems);
    int64_t days = (until - now) / SECONDS_PER_DAY;
    char date[TLS_DATE_MAX], text[320];
    tls_date_format(until, date);
    if (until <= now)
        snprintf(text, sizeof text, "%s has expired on %s; it is served all the same", what, date);
    else if (days < EXPIRY_NOTICE_DAYS)
        snprintf(text, sizeof text, "%s expires in %d day%s (%s)", what, (int)days,
                 days == 1 ? "" : "s", date);
    else
        return;
    warn(origin, source, TLS_PART_CERTIFICATE, problems, text);
}

static void warn_of_dates(const struct tls_origin *origin, const struct tls_source *source,
                          struct problems *problems)
{
    const struct tls_credential *credential = source->credential;
    int64_t now = (int64_t)problems_now(problems);
    char date[TLS_DATE_MAX], text[320];
    warn_of_expiry(origin, source, "the certificate", credential->not_after, problems);
    if (credential->not_before > now) {
        tls_date_format(credential->not_before, date);
        snprintf(text, sizeof text, "the certificate is not valid before %s", date);
        warn(origin, source, TLS_PART_CERTIFICATE, problems, text);
    }
    if (credential->chain_subject != NULL) {
        snprintf(text, sizeof text, "the intermediate certificate of \"%s\"",
                 credential->chain_subject);
        warn_of_expiry(origin, source, text, credential->chain_not_after, problems);
    }
}

static bool report_failure(const struct tls_origin *origin, const struct tls_source *source,
                           enum tls_part part, enum tls_file_status status, struct error *error,
                           struct problems *problems)
{
    if (status == TLS_FILE_UNSTABLE)
        error_input(error, "%s is being written to just now (try again)",
                    part == TLS_PART_CERTIFICATE ? source->certificate : source->key);
    const char *key = tls_origin_key(origin, part);
    if (origin->folder == NULL)
        return tls_report(problems, origin->path, key, "%s", error->text);
    tls_report_warning(problems, origin->path, key, "left out: %s", error->text);
    return false;
}

static void check_half(const struct tls_origin *origin, const struct tls_source *pair,
                       enum tls_part part, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    const char *file = part == TLS_PART_KEY ? pair->key : pair->certificate;
    if (file == NULL)
        return;
    enum tls_file_status status = tls_credential_check_half(file, part, &error);
    if (status != TLS_FILE_OK)
        (void)report_failure(origin, pair, part, status, &error, problems);
}

static bool load_source(const struct tls_policy *policy, const struct tls_origin *origin,
                        struct tls_source *source, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    unsigned char digest[32];
    enum tls_part part;
    enum tls_file_status status =
        tls_source_load(policy, source, &source->credential, digest, &part, &error);
    if (status != TLS_FILE_OK) {
        /* The certificate is looked at first, and may have kept from looking at the key. */
        if (part == TLS_PART_CERTIFICATE && origin->folder == NULL && !origin->pem)
            check_half(origin, source, TLS_PART_KEY, problems);
        return report_failure(origin, source, part, status, &error, problems);
    }
    warn_of_dates(origin, source, problems);
    if (source->credential->key_exposed)
        tls_report_warning(problems, origin->path, tls_origin_key(origin, TLS_PART_KEY),
                           "group or others may read the key %s (chmod 600)", source->key);
    return true;
}

static bool load_pair(const struct tls_policy *policy, struct tls_origin *origin,
                      struct problems *problems)
{
    if (!is_half(origin->sources))
        return load_source(policy, origin, origin->sources, problems);
    check_half(origin, origin->sources, TLS_PART_CERTIFICATE, problems);
    check_half(origin, origin->sources, TLS_PART_KEY, problems);
    return false;
}

/* One bad file does not take the others away; a folder without a good one is an error. */
static bool load_folder(const struct tls_policy *policy, struct tls_origin *origin,
                        struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    if (!tls_origin_list(origin, &error))
        return tls_report(problems, origin->path, "directory", "%s", error.text);
    if (origin->count == 0)
        return tls_report(problems, origin->path, "directory", "no *.pem in the folder %s",
                          origin->folder);
    size_t good = 0;
    for (size_t i = 0; i < origin->count; i++)
        good += load_source(policy, origin, &origin->sources[i], problems);
    return good > 0 || tls_report(problems, origin->path, "directory",
                                  "none of the files in the folder %s can be used", origin->folder);
}

static bool load_origins(struct tls_policy *policy, struct problems *problems)
{
    bool good = true;
    for (size_t i = 0; i < policy->origin_count; i++) {
        struct tls_origin *origin = &policy->origins[i];
        if (origin->folder != NULL)
            good = load_folder(policy, origin, problems) && good;
        else
            good = load_pair(policy, origin, problems) && good;
    }
    return good;
}

static void warn_of_unused(const struct tls_policy *policy, struct problems *problems)
{
    size_t at = 0;
    for (size_t i = 0; i < policy->origin_count; i++) {
        const struct tls_origin *origin = &policy->origins[i];
        for (size_t k = 0; k < origin->count; k++)
            if (origin->sources[k].credential != NULL && !tls_store_uses(policy->current, at++))
                warn(origin, &origin->sources[k], TLS_PART_CERTIFICATE, problems,
                     "never served: earlier certificates with the same type of key hold all its "
                     "names");
    }
}

bool tls_policy_load(struct tls_policy *policy, const struct model_tls *model,
                     const struct tls_policy *previous, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    if (!make_origins(policy, model))
        return out_of_memory(model, problems);
    if (previous != NULL)
        tls_known_gather(&policy->known, previous->current);
    policy->keys = tls_key_reader_create();
    bool good = load_origins(policy, problems);
    tls_key_reader_free(policy->keys);
    policy->keys = NULL;
    tls_known_release(&policy->known);
    if (!good)
        return false;
    if (!tls_policy_make_store(policy, &policy->current, &error))
        return out_of_memory(model, problems);
    warn_of_unused(policy, problems);
    return true;
}
