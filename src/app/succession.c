/* How a process leaves: it drains, alone or because an heir has replaced it; and who ends when. */
#include "muxgate_private.h"

#include "base/log.h"

#include <signal.h>

/* --- draining --------------------------------------------------------------------------------- */

static void report_drain(const struct muxgate *m)
{
    log_event(LOG_LEVEL_INFO, "muxgate.drain", "sessions=%llu",
              (unsigned long long)atomic_load(&m->gauge.sessions));
}

static void stop_now(struct muxgate *m, const char *reason)
{
    log_event(LOG_LEVEL_INFO, "muxgate.stop", "reason=\"%s\"", reason);
    predecessors_tell(&m->predecessors, INHERIT_NOW);
    ev_break(m->loop, EVBREAK_ALL);
}

static void on_drain_timeout(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    struct muxgate *m = watcher->data;
    log_event(LOG_LEVEL_WARNING, "muxgate.stop", "reason=drain_timeout");
    predecessors_tell(&m->predecessors, INHERIT_NOW);
    ev_break(m->loop, EVBREAK_ALL);
}

static void start_drain_timer(struct muxgate *m)
{
    uint64_t timeout_ms = muxgate_model(m)->drain_timeout_ms;
    if (timeout_ms == 0)
        return;
    ev_timer_init(&m->drain_timer, on_drain_timeout, (double)timeout_ms / 1000.0, 0);
    m->drain_timer.data = m;
    ev_timer_start(m->loop, &m->drain_timer);
}

static void drain(struct muxgate *m)
{
    m->draining = true;
    atomic_store(&m->process.draining, true);
    notify_stopping(&m->notifier, atomic_load(&m->gauge.sessions));
    report_drain(m);
    start_drain_timer(m);
    bindings_retire_others(m->bindings, NULL);
    for (unsigned i = 0; i < m->worker_count; i++)
        worker_drain(m->workers[i]);
    bindings_unref(m->bindings); /* the sockets go with the last worker's acceptor */
    m->bindings = NULL;
}

/* To the service manager, whoever was replaced and still has sessions is a part of the service,
 * too: it would be killed as soon as this process, the main one, is gone. */
static void end_if_done(struct muxgate *m)
{
    if (m->empty_workers < m->worker_count)
        return;
    if (predecessors_are_there(&m->predecessors))
        log_event(LOG_LEVEL_INFO, "muxgate.waits",
                  "reason=\"a process that was replaced has sessions\"");
    else
        ev_break(m->loop, EVBREAK_ALL);
}

void muxgate_on_worker_empty(void *owner)
{
    struct muxgate *m = owner;
    m->empty_workers++;
    end_if_done(m);
}

static void on_predecessors_gone(void *context)
{
    end_if_done(context);
}

void muxgate_watch_predecessors(struct muxgate *m)
{
    predecessors_watch(&m->predecessors, m->loop, on_predecessors_gone, m);
}

/* A process that drains because an heir has replaced it was not told to stop yet: its sessions
 * outlive the first signal like those of any other. */
void muxgate_stop(struct muxgate *m)
{
    if (m->told_to_stop) {
        stop_now(m, "second signal");
        return;
    }
    m->told_to_stop = true;
    predecessors_tell(&m->predecessors, INHERIT_STOP);
    if (m->draining) {
        report_drain(m);
        return;
    }
    upgrade_call_off(m->upgrade);
    m->upgrade = NULL;
    drain(m);
}

/* --- upgrade ---------------------------------------------------------------------------------- */

/* The heir answers at the admin's addresses, too. Who has asked here already is answered here. */
static void leave_admin(struct muxgate *m)
{
    struct endpoints *none;
    endpoints_hand_over(m->endpoints);
    if (m->admin == NULL || !endpoints_create_none(&none))
        return;
    endpoints_unref(m->endpoints);
    m->endpoints = none;
    if (!admin_adopt(m->admin, snapshot_ref(m->snapshot), endpoints_ref(none)))
        log_event(LOG_LEVEL_ERROR, "admin.failed", "reason=\"out of memory\"");
}

static void on_heir_ready(void *context, pid_t heir)
{
    struct muxgate *m = context;
    log_event(LOG_LEVEL_INFO, "upgrade.done", "pid=%ld", (long)heir);
    leave_admin(m);
    /* To the manager, the service goes on: what becomes of this process is none of its business. */
    notify_heir(&m->notifier, (long)heir);
    watchdog_stop(&m->watchdog, m->loop);
    notify_close(&m->notifier);
    predecessors_leave(&m->predecessors);
    if (m->reload_due) /* it may have read the file before that was changed */
        (void)kill(heir, SIGHUP);
    drain(m);
}

static void refuse_upgrade(struct muxgate *m, const char *reason)
{
    log_event(LOG_LEVEL_ERROR, "upgrade.refused", "kept=true reason=\"%s\"", reason);
    upgrade_end(m->upgrade);
    m->upgrade = NULL;
    if (m->reload_due)
        (void)muxgate_reload(m, NULL, NULL, NULL);
    m->reload_due = false;
}

static void on_heir_failed(void *context, const char *reason)
{
    refuse_upgrade(context, reason);
}

/* It is no signal that counts: one from a terminal reaches both processes by itself. */
static void on_heir_stops(void *context, bool now)
{
    struct muxgate *m = context;
    if (now)
        stop_now(m, "the process that replaced this one stops");
    else
        report_drain(m);
}

void muxgate_upgrade(struct muxgate *m)
{
    struct error error;
    const struct upgrade_args args = {.loop = m->loop,
                                      .command = m->options->words,
                                      .snapshot = m->snapshot,
                                      .endpoints = m->endpoints,
                                      .bindings = m->bindings,
                                      .before = &m->predecessors,
                                      .on_ready = on_heir_ready,
                                      .on_failed = on_heir_failed,
                                      .on_stop = on_heir_stops,
                                      .context = m};
    if (m->draining || m->upgrade != NULL)
        return; /* whoever asks twice has what was asked for */
    if (m->demo != NULL)
        refuse_upgrade(m, "a demo ends with its process");
    else if (!upgrade_start(&m->upgrade, &args, &error))
        refuse_upgrade(m, error.text);
    else
        log_event(LOG_LEVEL_INFO, "upgrade.start", "program=%s", m->options->words[0]);
}
