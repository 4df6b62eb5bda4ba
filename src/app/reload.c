/* A new configuration in place of the running one, as a whole or not at all. */
#include "muxgate_private.h"

#include "app/binder.h"
#include "app/keeper.h"
#include "app/load.h"
#include "base/log.h"
#include "config/difference.h"

#include <string.h>

static void warn_of_workers(const struct muxgate *m)
{
    unsigned wanted = load_worker_count(muxgate_model(m));
    if (wanted != m->worker_count)
        log_event(LOG_LEVEL_WARNING, "reload.partly",
                  "key=workers running=%u wanted=%u reason=\"needs a restart\"", m->worker_count,
                  wanted);
}

static bool same_name(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whom the process has become it stays. */
static void warn_of_user(const struct model *was, const struct model *is)
{
    if (!same_name(was->user, is->user))
        log_event(LOG_LEVEL_WARNING, "reload.partly", "key=user reason=\"needs a restart\"");
    if (!same_name(was->group, is->group))
        log_event(LOG_LEVEL_WARNING, "reload.partly", "key=group reason=\"needs a restart\"");
}

static void change_release(struct change *change)
{
    endpoints_unref(change->endpoints);
    bindings_unref(change->bindings);
    snapshot_unref(change->snapshot);
}

/* Everything that can fail. */
static bool prepare(struct muxgate *m, struct change *ret, const struct load_args *args,
                    struct error *error)
{
    *ret = (struct change){0};
    if (!load_snapshot(&ret->snapshot, args))
        return false;
    const struct model *model = ret->snapshot->config.model;
    ret->snapshot->generation = m->generations + 1;
    if (binder_bind(&ret->bindings, ret->snapshot, m->bindings, m->worker_count, error) &&
        endpoints_open(&ret->endpoints, model, m->endpoints, error) &&
        endpoints_read_token(ret->endpoints, &model->admin, error) &&
        ledger_check(&model->ledger, error))
        return true;
    change_release(ret);
    return false;
}

/* Members of a JSON object. */
static void tell_changes(const struct difference *difference, const struct text *summary,
                         struct text *ret)
{
    text_format(ret, "\"summary\": \"%s\", \"changes\": ", summary->data);
    difference_add_json(difference, ret);
}

/* What changed, for the log and for whoever asked; "" when memory is out. */
static void compare(const struct muxgate *m, const struct snapshot *snapshot, struct text *summary,
                    struct text *changes)
{
    struct difference difference;
    if (difference_find(&difference, muxgate_model(m), snapshot->config.model))
        difference_add_summary(&difference, summary);
    if (changes != NULL && summary->length > 0 && !summary->failed)
        tell_changes(&difference, summary, changes);
    if (changes != NULL && changes->failed)
        text_release(changes);
    difference_release(&difference);
}

bool muxgate_commit(struct muxgate *m, const struct change *change, struct text *summary,
                    struct text *changes)
{
    struct error error;
    compare(m, change->snapshot, summary, changes);
    struct snapshot *old = m->snapshot;
    bindings_retire_others(m->bindings, change->bindings);
    muxgate_tell_predecessors(m, m->bindings, change->bindings);
    bindings_unref(m->bindings);
    endpoints_unref(m->endpoints);
    m->snapshot = change->snapshot;
    m->bindings = change->bindings;
    m->endpoints = change->endpoints;
    pool_set_publish(m->snapshot->pools);
    drains_follow_set(m->drains, m->snapshot->pools, old->pools);
    muxgate_set_limits(m);
    muxgate_reopen_log(m);
    keeper_follow(m->ledger, &muxgate_model(m)->ledger);
    muxgate_start_attendants(m);
    bool whole = muxgate_hand_out(m);
    warn_of_user(old->config.model, muxgate_model(m));
    snapshot_unref(old);
    if (!muxgate_follow_admin(m, &error))
        log_event(LOG_LEVEL_ERROR, "admin.failed", "reason=\"%s\"", error.text);
    warn_of_workers(m);
    if (summary->length == 0)
        text_add(summary, "unknown");
    return whole;
}

static void refuse(struct muxgate *m, const struct error *error, const struct reload *reload)
{
    bool reasoned = error->kind != ERROR_NONE;
    log_event(LOG_LEVEL_ERROR, "reload.refused", "generation=%llu kept=true%s%s%s",
              (unsigned long long)m->snapshot->generation, reasoned ? " reason=\"" : "",
              reasoned ? error->text : "", reasoned ? "\"" : "");
    if (reasoned && reload->tell != NULL)
        reload->tell(reload->context, error->text);
}

/* With `confirm_ms`, what is needed for the way back is had before the first step is made. */
static bool take(struct muxgate *m, struct change *change, const struct reload *reload,
                 struct error *error)
{
    struct previous previous = {0};
    const struct model *model = change->snapshot->config.model;
    if ((reload->confirm_ms > 0 && !muxgate_keep_previous(m, &previous, change, error)) ||
        !endpoints_set_rights(change->endpoints, model, error)) {
        previous_release(&previous);
        change_release(change);
        return false;
    }
    struct text summary = {0};
    m->generations = change->snapshot->generation;
    bool whole = muxgate_commit(m, change, &summary, reload->changes);
    log_event(whole ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "reload.done",
              "generation=%llu changes=\"%s\"%s", (unsigned long long)m->snapshot->generation,
              summary.failed ? "unknown" : summary.data, whole ? "" : INCOMPLETE);
    text_release(&summary);
    if (reload->confirm_ms > 0)
        muxgate_await_confirm(m, &previous, reload->confirm_ms);
    return true;
}

static struct load_args arguments_of(const struct muxgate *m, const struct reload *reload,
                                     const struct surroundings_held *held)
{
    return (struct load_args){.options = m->options,
                              .workers = m->worker_count,
                              .previous = m->snapshot,
                              .descriptors = m->descriptors,
                              .demo_config = demo_config(m->demo),
                              .held = held,
                              .tell = reload->tell,
                              .context = reload->context};
}

static bool load_and_take(struct muxgate *m, const struct reload *reload, struct error *error)
{
    const struct surroundings_held held = {m->bindings, m->endpoints};
    const struct load_args args = arguments_of(m, reload, &held);
    struct change change;
    return prepare(m, &change, &args, error) && take(m, &change, reload, error);
}

static bool may_reload(const struct muxgate *m, struct error *error)
{
    return m->upgrade == NULL || error_input(error, "a new process is about to take over");
}

/* Who has asked to go back unless he confirms has not asked for anything else to happen meanwhile:
 * neither does a HUP of some program confirm in his place, nor is another one put in between. */
static enum admin_reload try_reload(struct muxgate *m, const struct reload *reload)
{
    struct error error = {0};
    bool waits = muxgate_awaits_confirm(m);
    if (waits) {
        (void)error_input(&error,
                          "the running configuration waits to be confirmed (muxgatectl confirm)");
    } else if (may_reload(m, &error)) {
        bool done = load_and_take(m, reload, &error);
        atomic_fetch_add(done ? &m->process.reloads_done : &m->process.reloads_failed, 1);
        if (done)
            return ADMIN_RELOAD_DONE;
    }
    refuse(m, &error, reload);
    return waits ? ADMIN_RELOAD_CONFLICT : ADMIN_RELOAD_REFUSED;
}

enum admin_reload muxgate_reload(struct muxgate *m, const struct reload *reload)
{
    notify_reloading(&m->notifier);
    enum admin_reload result = try_reload(m, reload);
    notify_ready(&m->notifier, m->snapshot->generation);
    return result;
}

enum admin_reload muxgate_reload_for_admin(void *owner, uint64_t confirm_ms,
                                           void (*tell)(void *context, const char *line),
                                           void *context, struct text *changes)
{
    struct muxgate *m = owner;
    const struct reload reload = {confirm_ms, tell, context, changes};
    if (!m->draining && !m->ending)
        return muxgate_reload(m, &reload);
    tell(context, "the gateway is about to stop");
    return ADMIN_RELOAD_REFUSED;
}

/* --- a dry run -------------------------------------------------------------------------------- */

static struct snapshot *check(const struct muxgate *m, const struct reload *reload)
{
    const struct surroundings_held held = {m->bindings, m->endpoints};
    struct load_args args = arguments_of(m, reload, &held);
    struct snapshot *snapshot;
    args.quiet = true;
    return load_snapshot(&snapshot, &args) ? snapshot : NULL;
}

struct snapshot *muxgate_check_for_admin(void *owner, void (*tell)(void *context, const char *line),
                                         void *context, struct text *changes)
{
    const struct muxgate *m = owner;
    const struct reload reload = {.tell = tell, .context = context};
    struct error error = {0};
    struct text summary = {0};
    struct snapshot *snapshot = NULL;
    if (m->draining || m->ending)
        (void)error_input(&error, "the gateway is about to stop");
    else
        snapshot = check(m, &reload);
    if (snapshot != NULL)
        compare(m, snapshot, &summary, changes);
    else if (error.kind != ERROR_NONE)
        tell(context, error.text);
    text_release(&summary);
    return snapshot;
}
