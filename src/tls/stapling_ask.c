/* Which response is to be fetched next, and what becomes of those that came. */
#include "base/clock.h"
#include "tls/ocsp_job.h"
#include "tls/policy.h"

#include <string.h>

#define US_PER_SECOND     UINT64_C(1000000)
#define RETRY_MAX_SECONDS 3600u
/* How often a response is renewed at least, and at most. */
#define RENEW_MAX_SECONDS (12 * 3600)
#define RENEW_MIN_SECONDS 1

static bool start_job(struct tls_stapling *stapling, struct tls_plan *plan,
                      struct tls_ocsp_job **ret)
{
    struct error reason = {.kind = ERROR_NONE};
    if (tls_ocsp_job_create(ret, plan->credential, plan->url, &reason)) {
        plan->asked = true;
        return true;
    }
    plan->due_us = TLS_PLAN_NEVER; /* another attempt would fail likewise */
    tls_stapling_note(stapling, &plan->told, &reason);
    return false;
}

struct tls_ocsp_job *tls_policy_ocsp_job(struct tls_policy *policy)
{
    struct tls_stapling *stapling = &policy->stapling;
    struct tls_ocsp_job *job;
    uint64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < stapling->count; i++) {
        struct tls_plan *plan = &stapling->plans[i];
        if (plan->due_us <= now_us && !plan->asked && start_job(stapling, plan, &job))
            return job;
    }
    return NULL;
}

/* --- when to ask again ------------------------------------------------------------------------ */

/* Half of what is left of its time; the other half is there to try again in. */
static uint64_t next_renewal(const struct tls_staple *staple)
{
    int64_t left = (staple->next_update - clock_wall_s()) / 2;
    if (left > RENEW_MAX_SECONDS)
        left = RENEW_MAX_SECONDS;
    if (left < RENEW_MIN_SECONDS)
        left = RENEW_MIN_SECONDS;
    return clock_monotonic_us() + (uint64_t)left * US_PER_SECOND;
}

/* 1 s, 2 s, 4 s … and not more than an hour; and so for all who would ask the same responder. */
static void put_off(struct tls_stapling *stapling, struct tls_plan *plan)
{
    uint64_t seconds = plan->failures < 12 ? UINT64_C(1) << plan->failures : RETRY_MAX_SECONDS;
    if (seconds > RETRY_MAX_SECONDS)
        seconds = RETRY_MAX_SECONDS;
    plan->failures++;
    plan->due_us = clock_monotonic_us() + seconds * US_PER_SECOND;
    for (size_t i = 0; i < stapling->count; i++) {
        struct tls_plan *other = &stapling->plans[i];
        if (other->url != NULL && other->due_us < plan->due_us &&
            strcmp(other->url, plan->url) == 0)
            other->due_us = plan->due_us;
    }
}

/* --- what came -------------------------------------------------------------------------------- */

/* Responders do not always agree on what is the newest; ours stays when it is. */
static void take_newer(struct tls_stapling *stapling, struct tls_plan *plan,
                       struct tls_staple *staple)
{
    if (plan->staple != NULL && plan->staple->this_update > staple->this_update)
        tls_staple_unref(staple);
    else
        tls_stapling_set(stapling, plan, staple);
    plan->failures = 0;
    tls_stapling_forget(&plan->told);
    plan->due_us = next_renewal(plan->staple);
}

static void note_none(struct tls_stapling *stapling, struct tls_plan *plan, struct error *reason)
{
    char date[TLS_DATE_MAX];
    struct error whole = {.kind = ERROR_NONE};
    if (plan->staple != NULL) {
        tls_date_format(plan->staple->next_update, date);
        error_tls(&whole, "%s; the one before stays until %s", reason->text, date);
    } else {
        error_tls(&whole, "%s%s", reason->text, tls_plan_insists(plan));
    }
    error_prefix(&whole, "no OCSP response for %s from %s", plan->credential->title, plan->url);
    put_off(stapling, plan);
    tls_stapling_note(stapling, &plan->told, &whole);
}

/* `asked`: this policy had it fetched, and tells and repeats what fails. */
static void take_answer(struct tls_stapling *stapling, struct tls_plan *plan,
                        const struct tls_ocsp_job *job, bool asked)
{
    struct error reason = {.kind = ERROR_NONE};
    struct tls_staple *staple;
    struct span response;
    enum tls_ocsp_verdict verdict = TLS_OCSP_BAD;
    if (tls_ocsp_job_response(job, &response, &reason))
        verdict = tls_ocsp_check(&staple, plan->credential, response, clock_wall_s(), &reason);
    if (verdict == TLS_OCSP_GOOD) {
        take_newer(stapling, plan, staple);
        return;
    }
    if (verdict == TLS_OCSP_REVOKED)
        tls_stapling_set(stapling, plan, NULL);
    if (asked)
        note_none(stapling, plan, &reason);
}

static void take_for_all(struct tls_policy *policy, const struct tls_ocsp_job *job, bool asked)
{
    struct tls_stapling *stapling = &policy->stapling;
    const unsigned char *digest = tls_ocsp_job_credential(job)->digest;
    struct tls_plan *plan = tls_stapling_find(stapling, digest);
    if (plan == NULL)
        return;
    for (; plan < stapling->plans + stapling->count &&
           memcmp(plan->credential->digest, digest, 32) == 0;
         plan++) {
        if (plan->url == NULL)
            continue;
        plan->asked = plan->asked && !asked;
        take_answer(stapling, plan, job, asked);
    }
}

void tls_policy_ocsp_share(struct tls_policy *policy, const struct tls_ocsp_job *job)
{
    take_for_all(policy, job, false);
}

void tls_policy_ocsp_done(struct tls_policy *policy, struct tls_ocsp_job *job)
{
    take_for_all(policy, job, true);
    tls_ocsp_job_free(job);
}
