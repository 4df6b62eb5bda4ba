#include "muxgate-config.h"

#include "muxgate_private.h"

#include "app/access_log.h"
#include "app/activation.h"
#include "app/audit.h"
#include "app/binder.h"
#include "app/dates.h"
#include "app/keeper.h"
#include "app/load.h"
#include "app/naming.h"
#include "app/privileges.h"
#include "base/clock.h"
#include "base/log.h"
#include "session/unknowns.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* How long the end waits for a reader of the log that does not read, and for a worker, as long as
 * sessions end. */
#define LOG_PATIENCE_MS    1000
#define WORKER_PATIENCE_MS 3000

const struct model *muxgate_model(const struct muxgate *m)
{
    return m->snapshot->config.model;
}

/* --- what a snapshot sets in motion ----------------------------------------------------------- */

static void on_health_change(void *context, const struct server *server, bool up,
                             const char *reason)
{
    (void)context;
    log_event(up ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, up ? "server.up" : "server.down",
              "pool=%s server=%s reason=\"%s\"", server_pool_name(server), server_name(server),
              reason);
}

static void on_pool_change(void *context, struct pool *pool)
{
    struct muxgate *m = context;
    if (m->health != NULL)
        health_follow(m->health, pool);
    drains_follow(m->drains, pool);
    upgrade_note_change(m->upgrade, pool);
}

static void on_drain_due(void *context, struct server *server)
{
    struct muxgate *m = context;
    bool whole = true;
    if (server_sessions(server) == 0)
        return;
    log_event(LOG_LEVEL_INFO, "server.drained", "pool=%s server=%s sessions=%u",
              server_pool_name(server), server_name(server), server_sessions(server));
    for (unsigned i = 0; i < m->worker_count; i++) {
        server_ref(server);
        whole = worker_end_drained(m->workers[i], server) && whole;
    }
    if (!whole)
        log_event(LOG_LEVEL_ERROR, "server.drained", "incomplete=\"out of memory\"");
}

/* Health checks and certificate files follow the current snapshot. That they can't be started is
 * no reason to refuse a configuration: it is told, and sessions go on. */
void muxgate_start_attendants(struct muxgate *m)
{
    struct error error;
    health_stop(m->health);
    renewal_stop(m->renewal);
    names_stop(m->names);
    m->health = NULL;
    m->renewal = NULL;
    m->names = NULL;
    pool_set_observe(m->snapshot->pools, on_pool_change, m);
    if (!health_start(&m->health, m->loop, m->snapshot->pools, on_health_change, m, &error))
        log_event(LOG_LEVEL_ERROR, "health.failed", "reason=\"%s\"", error.text);
    if (!renewal_start(&m->renewal, m->loop, m->snapshot, m->workers, m->worker_count, &error))
        log_event(LOG_LEVEL_ERROR, "cert.unwatched", "reason=\"%s\"", error.text);
    if (!names_start(&m->names, m->loop, m->snapshot->pools, naming_tell, NULL, &error))
        log_event(LOG_LEVEL_ERROR, "resolve.unfollowed", "reason=\"%s\"", error.text);
}

void muxgate_set_limits(struct muxgate *m)
{
    uint64_t fit = load_sessions_that_fit(m->descriptors, m->worker_count, muxgate_model(m)),
             most = muxgate_model(m)->max_sessions;
    atomic_store(&m->gauge.most, most != 0 && most < fit ? most : fit);
    log_set_level(muxgate_model(m)->log.level);
}

bool muxgate_hand_out(struct muxgate *m)
{
    bool good = true;
    for (unsigned i = 0; i < m->worker_count; i++)
        good = worker_adopt(m->workers[i], snapshot_ref(m->snapshot), bindings_ref(m->bindings)) &&
               good;
    return good;
}

void muxgate_reopen_log(struct muxgate *m)
{
    access_log_reopen(m->log, &muxgate_model(m)->log);
}

/* --- the admin interface ---------------------------------------------------------------------- */

static const struct snapshot *current_snapshot(void *owner)
{
    return ((struct muxgate *)owner)->snapshot;
}

static void send_errand(void *context, unsigned worker, struct errand *errand)
{
    worker_send_errand(((struct muxgate *)context)->workers[worker], errand);
}

static const struct tally *tally_of(void *context, unsigned worker)
{
    return worker_tally(((struct muxgate *)context)->workers[worker]);
}

static bool start_admin(struct muxgate *m, struct error *error)
{
    const struct admin_args args = {.version = PACKAGE_VERSION,
                                    .mailbox = &m->mailbox,
                                    .control = {.current = current_snapshot,
                                                .reload = muxgate_reload_for_admin,
                                                .confirm = muxgate_confirm,
                                                .check = muxgate_check_for_admin},
                                    .worker_count = m->worker_count,
                                    .send_errand = send_errand,
                                    .tally = tally_of,
                                    .context = m,
                                    .process = &m->process,
                                    .gauge = &m->gauge,
                                    .log = m->log,
                                    .ledger = m->ledger,
                                    .unknowns = m->unknowns,
                                    .on_left = muxgate_on_admin_left};
    return admin_start(&m->admin, &args, error);
}

/* Its thread begins with the first configuration that wants it. */
bool muxgate_follow_admin(struct muxgate *m, struct error *error)
{
    const struct model_admin *model = &muxgate_model(m)->admin;
    if (m->admin == NULL && model->socket == NULL && !model->has_http)
        return true;
    if (m->admin == NULL && !start_admin(m, error))
        return false;
    return admin_adopt(m->admin, snapshot_ref(m->snapshot), endpoints_ref(m->endpoints)) ||
           error_memory(error);
}

static void on_worker_trouble(void *owner)
{
    health_look(((struct muxgate *)owner)->health);
}

/* --- signals ---------------------------------------------------------------------------------- */

/* While an heir starts, it waits for what becomes of that one. */
static void reload(struct muxgate *m)
{
    if (m->draining)
        return;
    if (m->upgrade == NULL) {
        (void)muxgate_reload(m, &(struct reload){0});
        return;
    }
    m->reload_due = true;
    log_event(LOG_LEVEL_INFO, "reload.waits", "reason=\"a new process is about to take over\"");
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)loop;
    (void)events;
    struct muxgate *m = watcher->data;
    if (watcher->signum == SIGUSR1)
        muxgate_reopen_log(m);
    else if (watcher->signum == SIGTERM || watcher->signum == SIGINT)
        muxgate_stop(m);
    else if (watcher->signum == SIGHUP)
        reload(m);
    else if (watcher->signum == SIGUSR2)
        muxgate_upgrade(m);
}

static void start_signals(struct muxgate *m)
{
    static const int numbers[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT};
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is like a full disk */
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        ev_signal_init(&m->signals[i], on_signal, numbers[i]);
        m->signals[i].data = m;
        ev_signal_start(m->loop, &m->signals[i]);
    }
}

/* --- starting --------------------------------------------------------------------------------- */

static bool start_demo(struct muxgate *m, struct error *error)
{
    return m->options->command != COMMAND_DEMO || demo_start(&m->demo, m->options->listen, error);
}

static bool load_first(struct muxgate *m)
{
    const struct surroundings_held none = {0};
    struct load_args args = {.options = m->options,
                             .descriptors = m->descriptors,
                             .demo_config = demo_config(m->demo),
                             .held = heir_expects() ? NULL : &none};
    if (!load_snapshot(&m->snapshot, &args))
        return false;
    pool_set_publish(m->snapshot->pools);
    m->worker_count = load_worker_count(muxgate_model(m));
    m->generations = m->snapshot->generation;
    return true;
}

static bool bind_and_drop(struct muxgate *m, struct error *error)
{
    const struct model *model = muxgate_model(m);
    /* The log is opened by the user who will have to open it again when it is rotated. */
    return heir_open(&m->heir, m->snapshot, m->worker_count, &m->predecessors, error) &&
           binder_bind(&m->bindings, m->snapshot, m->heir.bindings, m->worker_count, error) &&
           endpoints_open(&m->endpoints, model, m->heir.endpoints, error) &&
           endpoints_set_rights(m->endpoints, model, error) &&
           privileges_drop(model->user, model->group, load_is_transparent(model), error) &&
           endpoints_read_token(m->endpoints, &model->admin, error) &&
           access_log_start(&m->log, &model->log, m->worker_count, error) &&
           keeper_start(&m->ledger, &model->ledger, m->worker_count, error);
}

static bool start_workers(struct muxgate *m, struct error *error)
{
    m->workers = calloc(m->worker_count, sizeof *m->workers);
    if (m->workers == NULL || !crew_create(&m->crew, m->worker_count) ||
        !unknowns_create(&m->unknowns))
        return error_memory(error);
    uint64_t epoch = clock_wall_ms();
    unsigned pipes = load_pipes_per_worker(m->descriptors, m->worker_count);
    for (unsigned i = 0; i < m->worker_count; i++) {
        struct worker_args args = {.index = i,
                                   .gauge = &m->gauge,
                                   .crew = m->crew,
                                   .log = m->log,
                                   .ledger = m->ledger,
                                   .unknowns = m->unknowns,
                                   .epoch = epoch,
                                   .most_pipes = pipes,
                                   .control = &m->mailbox,
                                   .on_empty = muxgate_on_worker_empty,
                                   .on_trouble = on_worker_trouble};
        if (!worker_create(&m->workers[i], &args, error))
            return false;
    }
    if (!muxgate_hand_out(m))
        return error_memory(error);
    for (unsigned i = 0; i < m->worker_count; i++)
        if (!worker_start(m->workers[i], error))
            return false;
    return true;
}

static void announce(const struct muxgate *m)
{
    log_event(LOG_LEVEL_INFO, "tls.kernel", "state=\"%s\"", tls_kernel());
    struct text where = {0};
    for (size_t i = 0; i < m->bindings->count; i++) {
        char text[ADDRESS_TEXT_MAX];
        address_format(&m->bindings->item[i].binding->actual, text);
        text_format(&where, "%s%s", i == 0 ? "" : ",", text);
    }
    log_event(LOG_LEVEL_ERROR, "muxgate.ready",
              "workers=%u listeners=%zu max_sessions=%llu listen=%s", m->worker_count,
              m->snapshot->listener_count, (unsigned long long)atomic_load(&m->gauge.most),
              where.data == NULL ? "" : where.data);
    text_release(&where);
}

bool muxgate_create(struct muxgate **ret, const struct options *options, struct error *error)
{
    struct muxgate *m = calloc(1, sizeof *m);
    if (m == NULL)
        return error_memory(error);
    m->options = options;
    m->heir.fd = m->left.fd = -1;
    predecessors_init(&m->predecessors);
    notify_open(&m->notifier);
    muxgate_init_confirm(m);
    privileges_forbid_core_dumps();
    m->descriptors = privileges_raise_descriptors();
    m->loop = ev_default_loop(EVFLAG_NOENV);
    if (m->loop != NULL)
        mailbox_start(&m->mailbox, m->loop, m);
    if (m->loop == NULL || !tls_start(error) || !start_demo(m, error) || !load_first(m) ||
        !bind_and_drop(m, error)) {
        muxgate_free(m);
        return false;
    }
    start_signals(m);
    muxgate_set_limits(m);
    if (!start_workers(m, error) || !drains_create(&m->drains, m->loop, on_drain_due, m, error) ||
        !muxgate_follow_admin(m, error)) {
        muxgate_free(m);
        return false;
    }
    muxgate_start_attendants(m);
    watchdog_start(&m->watchdog, m->loop, &m->notifier, m->workers, m->worker_count);
    announce(m);
    notify_ready(&m->notifier, m->snapshot->generation);
    if (!heir_tell_ready(&m->heir, m->snapshot, m->bindings, error)) {
        muxgate_free(m);
        return false;
    }
    muxgate_watch_predecessors(m);
    activation_report_unused(m->heir.bindings, m->bindings);
    heir_done(&m->heir);
    *ret = m;
    return true;
}

void muxgate_run(struct muxgate *m)
{
    ev_run(m->loop, 0);
}

/* One that does not come back from something holds sessions, sockets, memory: they cannot be given
 * back without it, nor the paths of sockets that are still its own. */
static void stop_worker(struct muxgate *m, unsigned index)
{
    uint64_t left;
    do {
        left = atomic_load(&m->gauge.sessions);
        if (worker_stop(m->workers[index], WORKER_PATIENCE_MS))
            return;
    } while (atomic_load(&m->gauge.sessions) != left);
    log_event(LOG_LEVEL_ERROR, "muxgate.stuck", "worker=%u sessions=%llu status=%d", index,
              (unsigned long long)left, EXIT_STUCK);
    _exit(EXIT_STUCK);
}

void muxgate_free(struct muxgate *m)
{
    if (m == NULL)
        return;
    /* A signal that comes while everything is taken down changes nothing any more. */
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    /* Who asked something has been answered by then; what the answers bring is taken further down.
     */
    m->ending = true;
    admin_stop(m->admin);
    if (m->admin != NULL)
        mailbox_deliver(&m->mailbox);
    muxgate_drop_previous(m, "the gateway stops");
    drains_free(m->drains);
    health_stop(m->health);
    m->health = NULL; /* the workers' last mail still comes */
    renewal_stop(m->renewal);
    names_stop(m->names);
    watchdog_stop(&m->watchdog, m->loop);
    notify_close(&m->notifier);
    notify_close(&m->left);
    for (unsigned i = 0; m->workers != NULL && i < m->worker_count; i++)
        stop_worker(m, i);
    free(m->workers);
    crew_free(m->crew);
    audit_report(&m->gauge, m->snapshot);
    ledger_stop(m->ledger); /* what it was asked goes back to the admin thread's mailbox */
    admin_free(m->admin);
    unknowns_free(m->unknowns);
    line_writer_stop(m->log, LOG_PATIENCE_MS);
    upgrade_end(m->upgrade);
    heir_done(&m->heir);
    predecessors_leave(&m->predecessors);
    bindings_unref(m->bindings);
    bindings_unref(m->rescued);
    endpoints_unref(m->endpoints);
    endpoints_unref(m->rescued_admin);
    snapshot_unref(m->snapshot);
    demo_stop(m->demo);
    if (m->loop != NULL) {
        for (size_t i = 0; i < COUNT_OF(m->signals); i++)
            if (ev_is_active(&m->signals[i]))
                ev_signal_stop(m->loop, &m->signals[i]);
        ev_timer_stop(m->loop, &m->drain_timer);
        ev_timer_stop(m->loop, &m->rescue_timer);
        mailbox_stop(&m->mailbox);
        ev_loop_destroy(m->loop);
    }
    free(m);
}

/* --- the commands that do not run ------------------------------------------------------------- */

bool muxgate_check(const struct options *options, struct error *error)
{
    struct load_args args = {
        .options = options, .workers = 1, .descriptors = privileges_raise_descriptors()};
    struct snapshot *snapshot;
    if (!tls_start(error) || !load_snapshot(&snapshot, &args))
        return false;
    (void)printf("%s: the configuration is good\n",
                 options->config == NULL ? "(command line)" : options->config);
    if (options->at != NULL)
        dates_print(snapshot->config.model, options_moment(options), stdout);
    snapshot_unref(snapshot);
    return true;
}

bool muxgate_dump(const struct options *options, struct error *error)
{
    struct load_args args = {
        .options = options, .workers = 1, .descriptors = privileges_raise_descriptors()};
    struct config config;
    struct text text = {0};
    if (!tls_start(error))
        return false;
    bool good = load_config(&config, &args);
    if (config.problems != NULL)
        problems_print(config.problems, stderr);
    if (good)
        good = config_dump(config.model, &text) || error_memory(error);
    if (good)
        (void)fwrite(text.data, 1, text.length, stdout);
    text_release(&text);
    config_free(&config);
    return good;
}
