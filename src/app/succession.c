/* How a process leaves: it drains, alone or because an heir has replaced it; and who ends when. */
#include "muxgate_private.h"

#include "base/clock.h"
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
    predecessors_tell(&m->predecessors, INHERIT_NOW, "");
    ev_break(m->loop, EVBREAK_ALL);
}

static void on_drain_timeout(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    struct muxgate *m = watcher->data;
    log_event(LOG_LEVEL_WARNING, "muxgate.stop", "reason=drain_timeout");
    predecessors_tell(&m->predecessors, INHERIT_NOW, "");
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
    muxgate_drop_previous(m, "the gateway stops");
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
    if (m->empty_workers < m->worker_count || m->rescuing || m->admin_leaves)
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

void muxgate_on_admin_left(void *owner)
{
    struct muxgate *m = owner;
    m->admin_leaves = false;
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

void muxgate_tell_predecessors(const struct muxgate *m, const struct bindings *before,
                               const struct bindings *now)
{
    for (size_t i = 0; i < before->count; i++)
        if (!bindings_have(now, before->item[i].binding))
            predecessors_tell(&m->predecessors, INHERIT_LEFT, before->item[i].binding->text);
    /* They may have changed: rather none are held than such. */
    predecessors_tell(&m->predecessors, INHERIT_LEFT_ADMIN, "");
}

static void forget_rescue(struct muxgate *m)
{
    ev_timer_stop(m->loop, &m->rescue_timer);
    bindings_unref(m->rescued);
    endpoints_unref(m->rescued_admin);
    m->rescued = NULL;
    m->rescued_admin = NULL;
    m->rescuing = false;
}

/* Nobody is to serve any more in place of an heir that is gone. */
static void end_rescue(struct muxgate *m)
{
    upgrade_let_go(m->upgrade);
    if (!m->rescuing)
        return;
    upgrade_call_off(m->upgrade);
    m->upgrade = NULL;
    forget_rescue(m);
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
    end_rescue(m);
    predecessors_tell(&m->predecessors, INHERIT_STOP, "");
    if (m->draining) {
        report_drain(m);
        end_if_done(m);
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
    if (admin_adopt(m->admin, snapshot_ref(m->snapshot), endpoints_ref(none)))
        m->admin_leaves = true;
    else
        log_event(LOG_LEVEL_ERROR, "admin.failed", "reason=\"out of memory\"");
    if (m->admin_leaves)
        admin_leave(m->admin);
}

static void on_heir_ready(void *context, pid_t heir)
{
    struct muxgate *m = context;
    log_event(LOG_LEVEL_INFO, "upgrade.done", "pid=%ld", (long)heir);
    leave_admin(m);
    /* To the manager, the service goes on: what becomes of this process is none of its business. */
    notify_heir(&m->notifier, (long)heir);
    watchdog_stop(&m->watchdog, m->loop);
    m->left = m->notifier;
    m->notifier = (struct notifier){.fd = -1};
    predecessors_tell(&m->predecessors, INHERIT_LEFT, "");
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
        (void)muxgate_reload(m, &(struct reload){0});
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

/* --- an heir that crashes ----------------------------------------------------------------------
 */

/* Clients who come wait in the sockets that are held for it. Those are to be served, and not by
 * this process, which has begun to take itself down: by another one of this very program (that of
 * its heir may be the reason), which takes over as any heir does. */

/* How often in a row, and after which time again. */
#define RESCUES_MOST   3
#define RESCUE_SECONDS 1.0

/* Who has served for so long was rescued: a crash behind that begins a new row. */
#define RESCUE_HELD_US UINT64_C(60000000)

static void on_heir_lost(void *context, const char *reason);
static void try_rescue(struct muxgate *m);

static void on_rescue_ready(void *context, pid_t heir)
{
    struct muxgate *m = context;
    log_event(LOG_LEVEL_INFO, "upgrade.done", "pid=%ld", (long)heir);
    notify_heir(&m->left, (long)heir);
    m->rescued_us = clock_monotonic_us();
    forget_rescue(m);
    end_if_done(m);
}

static void on_rescue_failed(void *context, const char *reason)
{
    struct muxgate *m = context;
    log_event(LOG_LEVEL_ERROR, "upgrade.refused", "reason=\"%s\"", reason);
    upgrade_end(m->upgrade);
    m->upgrade = NULL;
    try_rescue(m);
}

static void on_rescue_due(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    struct muxgate *m = watcher->data;
    struct error error;
    const struct upgrade_args args = {.loop = m->loop,
                                      .program = "/proc/self/exe",
                                      .command = m->options->words,
                                      .snapshot = m->snapshot,
                                      .endpoints = m->rescued_admin,
                                      .bindings = m->rescued,
                                      .before = &m->predecessors,
                                      .on_ready = on_rescue_ready,
                                      .on_failed = on_rescue_failed,
                                      .on_stop = on_heir_stops,
                                      .on_lost = on_heir_lost,
                                      .context = m};
    if (!upgrade_start(&m->upgrade, &args, &error))
        on_rescue_failed(m, error.text);
}

static void try_rescue(struct muxgate *m)
{
    if (m->rescues == RESCUES_MOST) {
        forget_rescue(m);
        log_event(LOG_LEVEL_ERROR, "upgrade.given_up", "tries=%u", m->rescues);
        end_if_done(m);
        return;
    }
    ev_timer_init(&m->rescue_timer, on_rescue_due, m->rescues++ == 0 ? 0 : RESCUE_SECONDS, 0);
    m->rescue_timer.data = m;
    ev_timer_start(m->loop, &m->rescue_timer);
}

static void on_heir_lost(void *context, const char *reason)
{
    struct muxgate *m = context;
    if (m->rescued_us != 0 && clock_monotonic_us() - m->rescued_us >= RESCUE_HELD_US)
        m->rescues = 0; /* what ends now is no more of the same */
    m->rescuing = upgrade_take_held(m->upgrade, &m->rescued, &m->rescued_admin);
    log_event(LOG_LEVEL_ERROR, "upgrade.lost", "reason=\"%s\" rescue=%s", reason,
              m->rescuing ? "true" : "false");
    if (!m->rescuing)
        return;
    if (m->rescues < RESCUES_MOST)
        upgrade_claim(m->upgrade);
    upgrade_end(m->upgrade);
    m->upgrade = NULL;
    try_rescue(m);
}

/* --- the signal --------------------------------------------------------------------------------
 */

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
                                      .on_lost = on_heir_lost,
                                      .context = m};
    if (m->draining || m->upgrade != NULL)
        return; /* whoever asks twice has what was asked for */
    if (m->demo != NULL)
        refuse_upgrade(m, "a demo ends with its process");
    else if (muxgate_awaits_confirm(m))
        refuse_upgrade(m, "a configuration waits to be confirmed");
    else if (!upgrade_start(&m->upgrade, &args, &error))
        refuse_upgrade(m, error.text);
    else
        log_event(LOG_LEVEL_INFO, "upgrade.start", "program=%s", m->options->words[0]);
}
