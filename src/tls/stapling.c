#include "tls/stapling.h"

#include "base/clock.h"
#include "tls/policy.h"
#include "tls/report.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define US_PER_SECOND UINT64_C(1000000)

/* Without memory it is told next time. */
void tls_stapling_note(struct tls_stapling *stapling, char **told, const struct error *reason)
{
    if (*told != NULL && strcmp(*told, reason->text) == 0)
        return;
    struct error *all = realloc(stapling->failures, (stapling->failure_count + 1) * sizeof *all);
    if (all == NULL)
        return;
    stapling->failures = all;
    char *text = strdup(reason->text);
    if (text == NULL)
        return;
    free(*told);
    *told = text;
    all[stapling->failure_count++] = *reason;
}

void tls_stapling_forget(char **told)
{
    free(*told);
    *told = NULL;
}

/* --- plans ------------------------------------------------------------------------------------ */

static int compare_plans(const void *a, const void *b)
{
    const struct tls_plan *left = a, *right = b;
    return memcmp(left->credential->digest, right->credential->digest, 32);
}

struct tls_plan *tls_stapling_find(const struct tls_stapling *stapling, const unsigned char *digest)
{
    size_t low = 0, high = stapling->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(stapling->plans[middle].credential->digest, digest, 32) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == stapling->count || memcmp(stapling->plans[low].credential->digest, digest, 32) != 0)
        return NULL;
    return &stapling->plans[low];
}

static void release_plans(struct tls_plan *plans, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tls_credential_unref(plans[i].credential);
        tls_staple_unref(plans[i].staple);
        free(plans[i].url);
        free(plans[i].told);
    }
    free(plans);
}

static struct tls_plan make_plan(const struct tls_stapling *stapling,
                                 struct tls_credential *credential, const struct tls_plan *before)
{
    struct tls_plan plan = {.credential = tls_credential_ref(credential), .due_us = TLS_PLAN_NEVER};
    if (stapling->automatic)
        plan.url = tls_ocsp_url(credential);
    if (plan.url != NULL)
        plan.due_us = clock_monotonic_us();
    if (before == NULL)
        return plan;
    plan.staple = before->staple != NULL ? tls_staple_ref(before->staple) : NULL;
    plan.told = before->told != NULL ? strdup(before->told) : NULL;
    if (plan.url != NULL && before->url != NULL) {
        plan.due_us = before->due_us;
        plan.failures = before->failures;
    }
    return plan;
}

/* One plan per certificate of the store, with what `from` knows of it. Without memory the plans
 * stay as they are. */
static bool make_plans(struct tls_stapling *stapling, struct tls_store *store,
                       const struct tls_stapling *from)
{
    size_t count = tls_store_count(store);
    struct tls_plan *plans = calloc(count, sizeof *plans);
    if (plans == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct tls_credential *credential = tls_store_credential(store, i);
        plans[i] = make_plan(stapling, credential,
                             from != NULL ? tls_stapling_find(from, credential->digest) : NULL);
    }
    if (count > 1)
        qsort(plans, count, sizeof *plans, compare_plans);
    release_plans(stapling->plans, stapling->count);
    stapling->plans = plans;
    stapling->count = count;
    tls_store_unref(stapling->of);
    stapling->of = tls_store_ref(store);
    stapling->changed = true;
    return true;
}

void tls_stapling_set(struct tls_stapling *stapling, struct tls_plan *plan,
                      struct tls_staple *staple)
{
    stapling->changed = stapling->changed || staple != plan->staple;
    tls_staple_unref(plan->staple);
    plan->staple = staple;
    if (staple != NULL)
        tls_stapling_forget(&plan->told);
}

const char *tls_plan_insists(const struct tls_plan *plan)
{
    return plan->credential->must_staple && plan->staple == NULL
               ? " (clients that honour its must-staple refuse the certificate)"
               : "";
}

/* --- from a file ------------------------------------------------------------------------------ */

/* Gives it to the certificates that it is about; the worst that any of them says of it. */
static enum tls_ocsp_verdict take_response(struct tls_stapling *stapling,
                                           const struct tls_file *file, struct error *error)
{
    struct span response = span_of(file->bytes, file->length);
    struct tls_staple *staple;
    bool any = false;
    for (size_t i = 0; i < stapling->count; i++) {
        struct tls_plan *plan = &stapling->plans[i];
        if (stapling->count > 1 && !tls_ocsp_is_about(plan->credential, response))
            continue;
        enum tls_ocsp_verdict verdict =
            tls_ocsp_check(&staple, plan->credential, response, clock_wall_s(), error);
        if (verdict == TLS_OCSP_REVOKED)
            tls_stapling_set(stapling, plan, NULL);
        if (verdict != TLS_OCSP_GOOD)
            return verdict;
        tls_stapling_set(stapling, plan, staple);
        any = true;
    }
    if (!any)
        error_tls(error, "it is about none of the certificates");
    return any ? TLS_OCSP_GOOD : TLS_OCSP_BAD;
}

static void refuse_file(const char *file, struct error *error)
{
    error_prefix(error, "%s: the OCSP response is not taken", file);
}

/* Anything but TLS_OCSP_GOOD: it is not to be used, for a reason that is to be told. */
static enum tls_ocsp_verdict look_at_file(struct tls_stapling *stapling, struct error *error)
{
    struct tls_file file;
    unsigned char digest[32];
    enum tls_ocsp_verdict verdict = TLS_OCSP_GOOD;
    enum tls_file_status status = tls_file_read(&file, stapling->file, error);
    if (status != TLS_FILE_OK)
        return status == TLS_FILE_UNSTABLE ? TLS_OCSP_GOOD : TLS_OCSP_BAD;
    SHA256(file.bytes, file.length, digest);
    if (memcmp(digest, stapling->file_digest, sizeof digest) != 0)
        verdict = take_response(stapling, &file, error);
    tls_file_release(&file);
    if (verdict == TLS_OCSP_GOOD) {
        memcpy(stapling->file_digest, digest, sizeof digest);
        return verdict;
    }
    refuse_file(stapling->file, error);
    memset(stapling->file_digest, 0, sizeof stapling->file_digest);
    return verdict;
}

/* --- time ------------------------------------------------------------------------------------- */

/* Handshakes look at the time themselves; this is what tells. */
static void drop_stale(struct tls_stapling *stapling)
{
    struct error reason = {.kind = ERROR_NONE};
    char date[TLS_DATE_MAX];
    for (size_t i = 0; i < stapling->count; i++) {
        struct tls_plan *plan = &stapling->plans[i];
        if (plan->staple == NULL || plan->staple->next_update > clock_wall_s())
            continue;
        tls_date_format(plan->staple->next_update, date);
        tls_stapling_set(stapling, plan, NULL);
        error_tls(&reason, "the OCSP response for %s was good until %s and is no longer stapled%s",
                  plan->credential->title, date, tls_plan_insists(plan));
        tls_stapling_note(stapling, &plan->told, &reason);
    }
}

static double seconds_to(uint64_t due_us, uint64_t now_us)
{
    return due_us <= now_us ? 0. : (double)(due_us - now_us) / (double)US_PER_SECOND;
}

double tls_policy_staples_due(const struct tls_policy *policy)
{
    const struct tls_stapling *stapling = &policy->stapling;
    uint64_t now_us = clock_monotonic_us();
    int64_t now = clock_wall_s();
    double least = -1.;
    for (size_t i = 0; i < stapling->count; i++) {
        const struct tls_plan *plan = &stapling->plans[i];
        double wait = -1.;
        if (plan->due_us != TLS_PLAN_NEVER && !plan->asked)
            wait = seconds_to(plan->due_us, now_us);
        if (plan->staple != NULL) {
            double left = (double)(plan->staple->next_update - now);
            wait = wait < 0. || left < wait ? left : wait;
        }
        if (wait >= 0. && (least < 0. || wait < least))
            least = wait;
    }
    return least;
}

/* --- the set ---------------------------------------------------------------------------------- */

static bool make_set(struct tls_stapling *stapling, struct error *error)
{
    struct tls_stapled *list = calloc(stapling->count + 1, sizeof *list);
    struct tls_staples *set;
    size_t count = 0;
    if (list == NULL)
        return error_memory(error);
    for (size_t i = 0; i < stapling->count; i++)
        if (stapling->plans[i].staple != NULL)
            list[count++] =
                (struct tls_stapled){stapling->plans[i].credential, stapling->plans[i].staple};
    bool good = tls_staples_create(&set, list, count, error);
    free(list);
    if (!good)
        return false;
    tls_staples_unref(stapling->current);
    stapling->current = set;
    stapling->changed = false;
    return true;
}

static void describe(const struct tls_stapling *stapling, struct error *ret)
{
    const struct tls_plan *first = NULL;
    size_t count = 0;
    char date[TLS_DATE_MAX];
    for (size_t i = 0; i < stapling->count; i++) {
        const struct tls_plan *plan = &stapling->plans[i];
        count += plan->staple != NULL;
        if (plan->staple != NULL &&
            (first == NULL || plan->staple->next_update < first->staple->next_update))
            first = plan;
    }
    if (first == NULL) {
        snprintf(ret->text, sizeof ret->text, "none");
        return;
    }
    tls_date_format(first->staple->next_update, date);
    snprintf(ret->text, sizeof ret->text, "%zu of %zu certificates; the first, of %s, until %s",
             count, stapling->count, first->credential->title, date);
}

static enum tls_refresh tell_next(struct tls_stapling *stapling, struct error *error)
{
    if (stapling->failure_next == stapling->failure_count) {
        stapling->failure_next = stapling->failure_count = 0;
        return TLS_REFRESH_SAME;
    }
    *error = stapling->failures[stapling->failure_next++];
    return TLS_REFRESH_REFUSED;
}

enum tls_refresh tls_stapling_refresh(struct tls_stapling *stapling, struct tls_store *store,
                                      struct tls_staples **ret, struct error *error)
{
    struct error reason = {.kind = ERROR_NONE};
    if (!stapling->automatic && stapling->file == NULL)
        return TLS_REFRESH_SAME;
    if (stapling->failure_next > 0)
        return tell_next(stapling, error);
    if (stapling->of != store && make_plans(stapling, store, stapling))
        memset(stapling->file_digest, 0, sizeof stapling->file_digest);
    bool look = stapling->file != NULL && stapling->watch;
    if (look && look_at_file(stapling, &reason) == TLS_OCSP_GOOD)
        tls_stapling_forget(&stapling->file_told);
    else if (look)
        tls_stapling_note(stapling, &stapling->file_told, &reason);
    drop_stale(stapling);
    if (!stapling->changed || !make_set(stapling, &reason))
        return tell_next(stapling, error);
    *ret = tls_staples_ref(stapling->current);
    describe(stapling, error);
    return TLS_REFRESH_NEW;
}

enum tls_refresh tls_policy_refresh_staples(struct tls_policy *policy, struct tls_staples **ret,
                                            struct error *error)
{
    return tls_stapling_refresh(&policy->stapling, policy->current, ret, error);
}

void tls_policy_set_staples(struct tls_policy *policy, unsigned worker, struct tls_staples *staples)
{
    tls_staples_unref(policy->slots[worker].staples);
    policy->slots[worker].staples = staples;
}

/* --- life ------------------------------------------------------------------------------------- */

static void warn_of_silent(const struct tls_stapling *stapling, const struct model_tls *model,
                           struct problems *problems)
{
    const struct tls_plan *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < stapling->count; i++) {
        if (stapling->plans[i].url != NULL)
            continue;
        first = first == NULL ? &stapling->plans[i] : first;
        count++;
    }
    if (first == NULL)
        return;
    if (count == 1)
        tls_report_warning(problems, model->path, "ocsp_staple",
                           "the certificate of %s names no OCSP responder over http",
                           first->credential->title);
    else
        tls_report_warning(problems, model->path, "ocsp_staple",
                           "%zu certificates name no OCSP responder over http, the first that of "
                           "%s",
                           count, first->credential->title);
}

/* A response that does not help (any more) is a warning: it is renewed under us, and without it the
 * gateway still does its work. */
static bool load_file(struct tls_stapling *stapling, const struct model_tls *model,
                      struct problems *problems)
{
    struct error reason = {.kind = ERROR_NONE};
    enum tls_ocsp_verdict verdict = look_at_file(stapling, &reason);
    if (verdict == TLS_OCSP_GOOD)
        return true;
    if (verdict == TLS_OCSP_BAD)
        return tls_report(problems, model->path, "ocsp_staple", "%s", reason.text);
    tls_report_warning(problems, model->path, "ocsp_staple", "%s", reason.text);
    tls_stapling_note(stapling, &stapling->file_told, &reason);
    stapling->failure_count = 0; /* told just now */
    return true;
}

/* "Must-staple" without stapling. */
static void warn_of_insisting(struct tls_store *store, const struct model_tls *model,
                              struct problems *problems)
{
    for (size_t i = 0; i < tls_store_count(store); i++)
        if (tls_store_credential(store, i)->must_staple) {
            tls_report_warning(problems, model->path, "ocsp_staple",
                               "the certificate of %s demands OCSP responses (must-staple): "
                               "clients that honour this refuse it without (write \"auto\")",
                               tls_store_credential(store, i)->title);
            return;
        }
}

bool tls_stapling_compile(struct tls_stapling *ret, const struct model_tls *model,
                          struct tls_store *store, const struct tls_stapling *previous,
                          struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    ret->automatic = model->ocsp_auto;
    ret->watch = model->watch;
    if (model->ocsp_file != NULL && (ret->file = strdup(model->ocsp_file)) == NULL)
        return tls_report(problems, model->path, "ocsp_staple", "out of memory");
    if (!ret->automatic && ret->file == NULL) {
        warn_of_insisting(store, model, problems);
        return true;
    }
    if (!make_plans(ret, store, ret->automatic ? previous : NULL))
        return tls_report(problems, model->path, "ocsp_staple", "out of memory");
    if (ret->automatic)
        warn_of_silent(ret, model, problems);
    if (ret->file != NULL && !load_file(ret, model, problems))
        return false;
    return make_set(ret, &error) ||
           tls_report(problems, model->path, "ocsp_staple", "%s", error.text);
}

bool tls_stapling_judge(const struct model_tls *model, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    struct tls_file file;
    if (model->ocsp_file == NULL)
        return false;
    enum tls_file_status status = tls_file_read(&file, model->ocsp_file, &error);
    bool good = status == TLS_FILE_UNSTABLE;
    if (status == TLS_FILE_OK) {
        good = tls_ocsp_parses(span_of(file.bytes, file.length), &error);
        tls_file_release(&file);
        if (!good)
            refuse_file(model->ocsp_file, &error);
    }
    return !good && tls_report(problems, model->path, "ocsp_staple", "%s", error.text);
}

void tls_stapling_release(struct tls_stapling *stapling)
{
    release_plans(stapling->plans, stapling->count);
    tls_store_unref(stapling->of);
    tls_staples_unref(stapling->current);
    free(stapling->failures);
    free(stapling->file);
    free(stapling->file_told);
}
