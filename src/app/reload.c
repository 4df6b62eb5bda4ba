/* A new configuration in place of the running one, as a whole or not at all. */
#include "muxgate_private.h"

#include "app/binder.h"
#include "app/keeper.h"
#include "app/load.h"
#include "base/log.h"
#include "config/difference.h"

static void warn_of_workers(const struct muxgate *m)
{
    unsigned wanted = load_worker_count(muxgate_model(m));
    if (wanted != m->worker_count)
        log_event(LOG_LEVEL_WARNING, "reload.partly",
                  "key=workers running=%u wanted=%u reason=\"needs a restart\"", m->worker_count,
                  wanted);
}

/* What a reload is made of. */
struct change {
    struct snapshot *snapshot;
    struct bindings *bindings;
    struct endpoints *endpoints;
};

/* Everything that can fail. */
static bool prepare(struct muxgate *m, struct change *ret, const struct load_args *args,
                    struct error *error)
{
    *ret = (struct change){0};
    if (!load_snapshot(&ret->snapshot, args))
        return false;
    const struct model *model = ret->snapshot->config.model;
    if (binder_bind(&ret->bindings, ret->snapshot, m->bindings, m->worker_count, error) &&
        endpoints_open(&ret->endpoints, model, m->endpoints, error) &&
        endpoints_read_token(ret->endpoints, &model->admin, error) &&
        ledger_check(&model->ledger, error))
        return true;
    endpoints_unref(ret->endpoints);
    bindings_unref(ret->bindings);
    snapshot_unref(ret->snapshot);
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
static void compare(const struct muxgate *m, const struct change *change, struct text *summary,
                    struct text *changes)
{
    struct difference difference;
    if (difference_find(&difference, muxgate_model(m), change->snapshot->config.model))
        difference_add_summary(&difference, summary);
    if (changes != NULL && summary->length > 0 && !summary->failed)
        tell_changes(&difference, summary, changes);
    if (changes != NULL && changes->failed)
        text_release(changes);
    difference_release(&difference);
}

/* Takes the new configuration as a whole. */
static void commit(struct muxgate *m, const struct change *change, struct text *changes)
{
    struct error error;
    struct text summary = {0};
    compare(m, change, &summary, changes);
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
    snapshot_unref(old);
    if (!muxgate_follow_admin(m, &error))
        log_event(LOG_LEVEL_ERROR, "admin.failed", "reason=\"%s\"", error.text);
    warn_of_workers(m);
    log_event(whole ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "reload.done",
              "generation=%llu changes=\"%s\"%s", (unsigned long long)m->snapshot->generation,
              summary.length > 0 ? summary.data : "unknown",
              whole ? "" : " incomplete=\"out of memory\"");
    text_release(&summary);
}

static bool refuse_reload(struct muxgate *m, const struct error *error,
                          void (*tell)(void *context, const char *line), void *context)
{
    atomic_fetch_add(&m->process.reloads_failed, 1);
    bool reasoned = error->kind != ERROR_NONE;
    log_event(LOG_LEVEL_ERROR, "reload.refused", "generation=%llu kept=true%s%s%s",
              (unsigned long long)m->snapshot->generation, reasoned ? " reason=\"" : "",
              reasoned ? error->text : "", reasoned ? "\"" : "");
    if (reasoned && tell != NULL)
        tell(context, error->text);
    return false;
}

/* `tell` and `changes` may be NULL. */
static bool try_reload(struct muxgate *m, void (*tell)(void *context, const char *line),
                       void *context, struct text *changes)
{
    struct load_args args = {.options = m->options,
                             .workers = m->worker_count,
                             .previous = m->snapshot,
                             .descriptors = m->descriptors,
                             .demo_config = demo_config(m->demo),
                             .tell = tell,
                             .context = context};
    struct change change;
    struct error error = {0};
    if (m->upgrade != NULL) {
        (void)error_input(&error, "a new process is about to take over");
    } else if (prepare(m, &change, &args, &error)) {
        commit(m, &change, changes);
        atomic_fetch_add(&m->process.reloads_done, 1);
        return true;
    }
    return refuse_reload(m, &error, tell, context);
}

bool muxgate_reload(struct muxgate *m, void (*tell)(void *context, const char *line), void *context,
                    struct text *changes)
{
    notify_reloading(&m->notifier);
    bool good = try_reload(m, tell, context, changes);
    notify_ready(&m->notifier, m->snapshot->generation);
    return good;
}

bool muxgate_reload_for_admin(void *owner, void (*tell)(void *context, const char *line),
                              void *context, struct text *changes)
{
    struct muxgate *m = owner;
    if (!m->draining && !m->ending)
        return muxgate_reload(m, tell, context, changes);
    tell(context, "the gateway is about to stop");
    return false;
}
