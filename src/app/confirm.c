/* A configuration that is taken on trial: the one before comes back unless somebody confirms. */
#include "muxgate_private.h"

#include "app/binder.h"
#include "base/clock.h"
#include "base/log.h"
#include "tls/client.h"

/* Something is in the way of the one that is to come back: how long until it is tried again. */
#define AGAIN_SECONDS 2.0

static unsigned long long number_of(const struct snapshot *snapshot)
{
    return (unsigned long long)snapshot->generation;
}

/* --- keeping ---------------------------------------------------------------------------------- */

void previous_release(struct previous *previous)
{
    if (previous->snapshot != NULL)
        pool_set_forget(previous->snapshot->pools);
    bindings_unref(previous->spare);
    endpoints_unref(previous->endpoints);
    snapshot_unref(previous->snapshot);
    previous->snapshot = NULL;
    previous->spare = NULL;
    previous->endpoints = NULL;
}

bool muxgate_keep_previous(struct muxgate *m, struct previous *ret, const struct change *change,
                           struct error *error)
{
    *ret = (struct previous){0};
    if (!binder_may_return(m->bindings, change->bindings, error) ||
        !endpoints_may_return(m->endpoints, change->endpoints, error)) {
        error_prefix(error, "no way back from a trial");
        return false;
    }
    *ret = (struct previous){.snapshot = snapshot_ref(m->snapshot),
                             .spare = binder_spare(m->bindings)};
    bool good = ret->spare != NULL && endpoints_create_none(&ret->endpoints);
    if (!good)
        (void)error_memory(error);
    if (good && endpoints_copy_token(ret->endpoints, m->endpoints, error) &&
        pool_set_remember(m->snapshot->pools, error))
        return true;
    previous_release(ret);
    return false;
}

/* --- coming back ------------------------------------------------------------------------------ */

static bool prepare(const struct muxgate *m, struct change *ret, struct error *error)
{
    const struct previous *previous = &m->previous;
    const struct model *model = previous->snapshot->config.model;
    *ret = (struct change){.snapshot = snapshot_ref(previous->snapshot)};
    if (binder_bind_again(&ret->bindings, ret->snapshot, m->bindings, previous->spare,
                          m->worker_count, error) &&
        endpoints_open(&ret->endpoints, model, m->endpoints, error) &&
        endpoints_copy_token(ret->endpoints, previous->endpoints, error) &&
        pool_set_prepare_again(ret->snapshot->pools, error) &&
        endpoints_set_rights(ret->endpoints, model, error))
        return true;
    endpoints_unref(ret->endpoints);
    bindings_unref(ret->bindings);
    snapshot_unref(ret->snapshot);
    return false;
}

static void tell_passed(const char *file)
{
    if (file != NULL)
        log_event(LOG_LEVEL_WARNING, "cert.keep",
                  "file=%s reason=\"changed while its configuration was not in use; taken by the "
                  "next reload\"",
                  file);
}

static void pass_over(void *context, struct tls_policy *policy)
{
    (void)context;
    if (*tls_policy_files(policy) != NULL)
        tell_passed(tls_policy_pass_over(policy));
}

/* Certificates are as they were: what came to lie in their files meanwhile may be what is taken
 * back. */
static void pass_files_over(const struct snapshot *snapshot)
{
    snapshot_each_policy(snapshot, pass_over, NULL);
    for (unsigned i = 0; i < pool_set_count(snapshot->pools); i++) {
        struct tls_client *client = pool_tls(pool_set_at(snapshot->pools, i));
        if (client != NULL)
            tell_passed(tls_client_pass_over(client));
    }
}

static void stop_waiting(struct muxgate *m)
{
    ev_timer_stop(m->loop, &m->previous.timer);
    atomic_store(&m->process.confirm_by_ms, 0);
    previous_release(&m->previous);
}

static void come_back(struct muxgate *m, const struct change *change)
{
    struct text summary = {0};
    log_event(LOG_LEVEL_WARNING, "reload.unconfirmed",
              "generation=%llu reason=\"nobody has confirmed it\" hint=\"the file still has it\"",
              number_of(m->snapshot));
    pass_files_over(change->snapshot);
    bool whole = muxgate_commit(m, change, &summary, NULL);
    atomic_fetch_add(&m->process.reloads_reverted, 1);
    stop_waiting(m);
    log_event(whole ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "reload.reverted",
              "generation=%llu changes=\"%s\"%s", number_of(m->snapshot),
              summary.failed ? "unknown" : summary.data, whole ? "" : INCOMPLETE);
    text_release(&summary);
}

static void on_time_is_up(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct muxgate *m = timer->data;
    struct change change;
    struct error error = {0};
    notify_reloading(&m->notifier);
    bool good = prepare(m, &change, &error);
    if (good) {
        come_back(m, &change);
    } else {
        log_event(LOG_LEVEL_ERROR, "reload.stuck", "generation=%llu wanted=%llu reason=\"%s\"",
                  number_of(m->snapshot), number_of(m->previous.snapshot), error.text);
        ev_timer_set(timer, AGAIN_SECONDS, 0.);
        ev_timer_start(loop, timer);
    }
    notify_ready(&m->notifier, m->snapshot->generation);
}

/* --- waiting ---------------------------------------------------------------------------------- */

void muxgate_init_confirm(struct muxgate *m)
{
    ev_timer_init(&m->previous.timer, on_time_is_up, 0., 0.);
    m->previous.timer.data = m;
}

bool muxgate_awaits_confirm(const struct muxgate *m)
{
    return m->previous.snapshot != NULL;
}

void muxgate_await_confirm(struct muxgate *m, const struct previous *previous, uint64_t ms)
{
    char until[CLOCK_TEXT_MAX];
    uint64_t until_ms = clock_wall_ms() + ms;
    m->previous.snapshot = previous->snapshot;
    m->previous.spare = previous->spare;
    m->previous.endpoints = previous->endpoints;
    ev_now_update(m->loop);
    ev_timer_set(&m->previous.timer, (double)ms / 1000.0, 0.);
    ev_timer_start(m->loop, &m->previous.timer);
    atomic_store(&m->process.confirm_or, previous->snapshot->generation);
    atomic_store(&m->process.confirm_by_ms, until_ms);
    clock_format(until_ms, until);
    log_event(LOG_LEVEL_INFO, "reload.trial", "generation=%llu until=%s otherwise=%llu",
              number_of(m->snapshot), until, number_of(previous->snapshot));
}

bool muxgate_confirm(void *owner)
{
    struct muxgate *m = owner;
    if (!muxgate_awaits_confirm(m))
        return false;
    stop_waiting(m);
    log_event(LOG_LEVEL_INFO, "reload.confirmed", "generation=%llu", number_of(m->snapshot));
    return true;
}

void muxgate_drop_previous(struct muxgate *m, const char *reason)
{
    if (!muxgate_awaits_confirm(m))
        return;
    stop_waiting(m);
    log_event(LOG_LEVEL_WARNING, "reload.unconfirmed", "generation=%llu reason=\"%s\"",
              number_of(m->snapshot), reason);
}
