#include "app/stapling.h"

#include "app/fetcher.h"
#include "base/clock.h"
#include "base/log.h"

#include <ev.h>
#include <stdlib.h>

#define WAIT_MIN_SECONDS 0.05
#define WAIT_MAX_SECONDS 3600.
#define PUBLISH_EVERY_US UINT64_C(1000000) /* many responses in a row go out together */

struct stapling {
    struct ev_loop *loop;          /* borrowed */
    struct snapshot *snapshot;     /* counted */
    struct worker *const *workers; /* borrowed */
    unsigned worker_count;
    ev_timer timer;
    struct fetcher *fetcher;   /* NULL: nothing was to be fetched yet */
    struct tls_policy *asking; /* counted; whose response is being fetched; NULL: nobody's */
    uint64_t published_us;
    double wait; /* the least that any policy said */
};

/* --- what is told ----------------------------------------------------------------------------- */

static void hand_out(const struct stapling *stapling, struct tls_policy *policy,
                     struct tls_staples *staples)
{
    for (unsigned i = 0; i < stapling->worker_count; i++)
        if (!worker_set_staples(stapling->workers[i], tls_policy_ref(policy),
                                tls_staples_ref(staples)))
            log_event(LOG_LEVEL_ERROR, "ocsp.refuse", "reason=\"out of memory\"");
    tls_staples_unref(staples);
}

static bool refresh_once(const struct stapling *stapling, struct tls_policy *policy)
{
    struct tls_staples *staples;
    struct error error;
    switch (tls_policy_refresh_staples(policy, &staples, &error)) {
    case TLS_REFRESH_NEW:
        log_event(LOG_LEVEL_INFO, "ocsp.load", "%s", error.text);
        hand_out(stapling, policy, staples);
        return true;
    case TLS_REFRESH_REFUSED:
        log_event(LOG_LEVEL_WARNING, "ocsp.refuse", "reason=\"%s\"", error.text);
        return true;
    default:
        return false;
    }
}

static void refresh(void *context, struct tls_policy *policy)
{
    while (refresh_once(context, policy))
        ;
}

static void publish(struct stapling *stapling)
{
    stapling->published_us = clock_monotonic_us();
    snapshot_each_policy(stapling->snapshot, refresh, stapling);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void on_answer(void *context, struct tls_ocsp_job *job);

static void ask(void *context, struct tls_policy *policy)
{
    struct stapling *stapling = context;
    struct error error;
    if (stapling->asking != NULL)
        return;
    struct tls_ocsp_job *job = tls_policy_ocsp_job(policy);
    if (job == NULL)
        return;
    if (stapling->fetcher == NULL &&
        !fetcher_start(&stapling->fetcher, stapling->loop, on_answer, stapling, &error)) {
        tls_policy_ocsp_done(policy, job); /* as if nothing had come: tried again later */
        return;
    }
    stapling->asking = tls_policy_ref(policy);
    fetcher_fetch(stapling->fetcher, job);
}

static void find_wait(void *context, struct tls_policy *policy)
{
    struct stapling *stapling = context;
    double wait = tls_policy_staples_due(policy);
    if (wait >= 0. && (stapling->wait < 0. || wait < stapling->wait))
        stapling->wait = wait;
}

/* An answer that is awaited sets the timer again. */
static void set_timer(struct stapling *stapling)
{
    ev_timer_stop(stapling->loop, &stapling->timer);
    stapling->wait = -1.;
    snapshot_each_policy(stapling->snapshot, find_wait, stapling);
    if (stapling->wait < 0. || stapling->asking != NULL)
        return;
    double wait = stapling->wait < WAIT_MIN_SECONDS ? WAIT_MIN_SECONDS : stapling->wait;
    ev_timer_set(&stapling->timer, wait > WAIT_MAX_SECONDS ? WAIT_MAX_SECONDS : wait, 0.);
    ev_timer_start(stapling->loop, &stapling->timer);
}

struct shared {
    const struct tls_policy *asking;
    const struct tls_ocsp_job *job;
};

static void share(void *context, struct tls_policy *policy)
{
    const struct shared *shared = context;
    if (policy != shared->asking)
        tls_policy_ocsp_share(policy, shared->job);
}

static void on_answer(void *context, struct tls_ocsp_job *job)
{
    struct stapling *stapling = context;
    struct tls_policy *policy = stapling->asking;
    stapling->asking = NULL;
    snapshot_each_policy(stapling->snapshot, share, &(struct shared){policy, job});
    tls_policy_ocsp_done(policy, job);
    tls_policy_unref(policy);
    snapshot_each_policy(stapling->snapshot, ask, stapling);
    if (stapling->asking == NULL ||
        clock_monotonic_us() - stapling->published_us > PUBLISH_EVERY_US)
        publish(stapling);
    set_timer(stapling);
}

void stapling_look(struct stapling *stapling)
{
    publish(stapling);
    snapshot_each_policy(stapling->snapshot, ask, stapling);
    set_timer(stapling);
}

static void on_due(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    stapling_look(timer->data);
}

/* --- life ------------------------------------------------------------------------------------- */

bool stapling_start(struct stapling **ret, struct ev_loop *loop, struct snapshot *snapshot,
                    struct worker *const *workers, unsigned worker_count, struct error *error)
{
    struct stapling *stapling = calloc(1, sizeof *stapling);
    if (stapling == NULL)
        return error_memory(error);
    stapling->loop = loop;
    stapling->snapshot = snapshot_ref(snapshot);
    stapling->workers = workers;
    stapling->worker_count = worker_count;
    ev_init(&stapling->timer, on_due);
    stapling->timer.data = stapling;
    *ret = stapling;
    return true;
}

void stapling_stop(struct stapling *stapling)
{
    if (stapling == NULL)
        return;
    ev_timer_stop(stapling->loop, &stapling->timer);
    fetcher_stop(stapling->fetcher);
    tls_policy_unref(stapling->asking);
    snapshot_unref(stapling->snapshot);
    free(stapling);
}
