#include "app/worker.h"

#include "base/log.h"
#include "base/slab.h"
#include "base/thread.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct worker {
    struct worker_args args;
    struct ev_loop *loop;  /* owned */
    struct engine *engine; /* owned */
    struct mailbox mailbox;
    pthread_t thread;
    bool running, told_to_stop;
    pthread_mutex_t end_lock;
    pthread_cond_t end;
    bool ended; /* guarded by end_lock */
    struct mail ask;
    atomic_bool asked;              /* and not yet answered */
    struct mail drain, stop, empty; /* each is sent once */
    struct mail trouble;            /* again and again, but not while it is on its way */
    atomic_bool trouble_sent;
};

/* --- mail ------------------------------------------------------------------------------------- */

struct adopt_mail {
    struct mail mail;
    struct snapshot *snapshot;
    struct bindings *bindings;
};

static void deliver_adopt(struct mail *mail, void *owner)
{
    struct adopt_mail *adopt = CONTAINER_OF(mail, struct adopt_mail, mail);
    struct worker *worker = owner;
    if (!engine_adopt(worker->engine, adopt->snapshot, adopt->bindings))
        log_event(LOG_LEVEL_ERROR, "reload.failed", "worker=%u reason=\"out of memory\"",
                  worker->args.index);
    bindings_unref(adopt->bindings);
    free(adopt);
}

bool worker_adopt(struct worker *worker, struct snapshot *snapshot, struct bindings *bindings)
{
    struct adopt_mail *adopt = calloc(1, sizeof *adopt);
    if (adopt == NULL) {
        snapshot_unref(snapshot);
        bindings_unref(bindings);
        return false;
    }
    *adopt = (struct adopt_mail){{.deliver = deliver_adopt}, snapshot, bindings};
    mailbox_send(&worker->mailbox, &adopt->mail);
    return true;
}

struct store_mail {
    struct mail mail;
    struct tls_policy *policy;
    struct tls_store *store;
};

static void deliver_store(struct mail *mail, void *owner)
{
    struct store_mail *delivery = CONTAINER_OF(mail, struct store_mail, mail);
    struct worker *worker = owner;
    tls_policy_set_store(delivery->policy, worker->args.index, delivery->store);
    tls_policy_unref(delivery->policy);
    free(delivery);
}

bool worker_set_store(struct worker *worker, struct tls_policy *policy, struct tls_store *store)
{
    struct store_mail *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL) {
        tls_policy_unref(policy);
        tls_store_unref(store);
        return false;
    }
    *delivery = (struct store_mail){{.deliver = deliver_store}, policy, store};
    mailbox_send(&worker->mailbox, &delivery->mail);
    return true;
}

struct trust_mail {
    struct mail mail;
    struct tls_policy *policy;
    struct tls_trust *trust;
};

static void deliver_trust(struct mail *mail, void *owner)
{
    struct trust_mail *delivery = CONTAINER_OF(mail, struct trust_mail, mail);
    struct worker *worker = owner;
    tls_policy_set_trust(delivery->policy, worker->args.index, delivery->trust);
    tls_policy_unref(delivery->policy);
    free(delivery);
}

bool worker_set_trust(struct worker *worker, struct tls_policy *policy, struct tls_trust *trust)
{
    struct trust_mail *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL) {
        tls_policy_unref(policy);
        tls_trust_unref(trust);
        return false;
    }
    *delivery = (struct trust_mail){{.deliver = deliver_trust}, policy, trust};
    mailbox_send(&worker->mailbox, &delivery->mail);
    return true;
}

struct staples_mail {
    struct mail mail;
    struct tls_policy *policy;
    struct tls_staples *staples;
};

static void deliver_staples(struct mail *mail, void *owner)
{
    struct staples_mail *delivery = CONTAINER_OF(mail, struct staples_mail, mail);
    struct worker *worker = owner;
    tls_policy_set_staples(delivery->policy, worker->args.index, delivery->staples);
    tls_policy_unref(delivery->policy);
    free(delivery);
}

bool worker_set_staples(struct worker *worker, struct tls_policy *policy,
                        struct tls_staples *staples)
{
    struct staples_mail *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL) {
        tls_policy_unref(policy);
        tls_staples_unref(staples);
        return false;
    }
    *delivery = (struct staples_mail){{.deliver = deliver_staples}, policy, staples};
    mailbox_send(&worker->mailbox, &delivery->mail);
    return true;
}

static void deliver_errand(struct mail *mail, void *owner)
{
    struct errand *errand = CONTAINER_OF(mail, struct errand, mail);
    errand->run(errand, ((struct worker *)owner)->engine);
}

void worker_send_errand(struct worker *worker, struct errand *errand)
{
    errand->mail.deliver = deliver_errand;
    mailbox_send(&worker->mailbox, &errand->mail);
}

const struct tally *worker_tally(const struct worker *worker)
{
    return worker->engine->tally;
}

struct drained_mail {
    struct mail mail;
    struct server *server;
};

static void deliver_drained(struct mail *mail, void *owner)
{
    struct drained_mail *drained = CONTAINER_OF(mail, struct drained_mail, mail);
    engine_end_drained(((struct worker *)owner)->engine, drained->server);
    server_unref(drained->server);
    free(drained);
}

bool worker_end_drained(struct worker *worker, struct server *server)
{
    struct drained_mail *drained = calloc(1, sizeof *drained);
    if (drained == NULL) {
        server_unref(server);
        return false;
    }
    *drained = (struct drained_mail){{.deliver = deliver_drained}, server};
    mailbox_send(&worker->mailbox, &drained->mail);
    return true;
}

static void deliver_ask(struct mail *mail, void *owner)
{
    (void)mail;
    atomic_store(&((struct worker *)owner)->asked, false);
}

bool worker_ask(struct worker *worker)
{
    if (atomic_exchange(&worker->asked, true))
        return false;
    worker->ask.deliver = deliver_ask;
    mailbox_send(&worker->mailbox, &worker->ask);
    return true;
}

static void deliver_drain(struct mail *mail, void *owner)
{
    (void)mail;
    engine_drain(((struct worker *)owner)->engine);
}

void worker_drain(struct worker *worker)
{
    worker->drain.deliver = deliver_drain;
    mailbox_send(&worker->mailbox, &worker->drain);
}

static void deliver_stop(struct mail *mail, void *owner)
{
    (void)mail;
    struct worker *worker = owner;
    engine_end_all(worker->engine, END_shutdown);
    ev_break(worker->loop, EVBREAK_ALL);
}

static void deliver_empty(struct mail *mail, void *owner)
{
    CONTAINER_OF(mail, struct worker, empty)->args.on_empty(owner);
}

static void tell_empty(void *context)
{
    struct worker *worker = context;
    worker->empty.deliver = deliver_empty;
    mailbox_send(worker->args.control, &worker->empty);
}

static void deliver_trouble(struct mail *mail, void *owner)
{
    struct worker *worker = CONTAINER_OF(mail, struct worker, trouble);
    atomic_store(&worker->trouble_sent, false); /* before looking: what comes now is sent again */
    worker->args.on_trouble(owner);
}

static void tell_trouble(void *context)
{
    struct worker *worker = context;
    if (atomic_exchange(&worker->trouble_sent, true))
        return;
    worker->trouble.deliver = deliver_trouble;
    mailbox_send(worker->args.control, &worker->trouble);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void *run(void *context)
{
    struct worker *worker = context;
    slab_enter();
    ev_run(worker->loop, 0);
    slab_leave();
    pthread_mutex_lock(&worker->end_lock);
    worker->ended = true;
    pthread_cond_signal(&worker->end);
    pthread_mutex_unlock(&worker->end_lock);
    return NULL;
}

bool worker_start(struct worker *worker, struct error *error)
{
    int failure = thread_create(&worker->thread, run, worker);
    worker->running = failure == 0;
    return worker->running || error_system(error, failure, "cannot start a worker thread");
}

/* --- life ------------------------------------------------------------------------------------- */

/* Mail is delivered to the end: to a worker that never ran, too, as each piece owns what it brings.
 */
static void destroy(struct worker *worker)
{
    if (worker->loop != NULL)
        mailbox_stop(&worker->mailbox);
    engine_free(worker->engine);
    if (worker->loop != NULL)
        ev_loop_destroy(worker->loop);
    pthread_cond_destroy(&worker->end);
    pthread_mutex_destroy(&worker->end_lock);
    free(worker);
}

/* A clock that nobody sets: pthread_timedjoin_np() has no such one. */
static void prepare_end(struct worker *worker)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&worker->end, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&worker->end_lock, NULL);
}

bool worker_create(struct worker **ret, const struct worker_args *args, struct error *error)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return error_memory(error);
    worker->args = *args;
    prepare_end(worker);
    worker->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (worker->loop == NULL) {
        destroy(worker);
        return error_input(error, "cannot make an epoll loop");
    }
    mailbox_start(&worker->mailbox, worker->loop, worker);
    struct engine_args engine = {.index = args->index,
                                 .loop = worker->loop,
                                 .mailbox = &worker->mailbox,
                                 .gauge = args->gauge,
                                 .crew = args->crew,
                                 .log = args->log,
                                 .ledger = args->ledger,
                                 .unknowns = args->unknowns,
                                 .epoch = args->epoch,
                                 .most_pipes = args->most_pipes,
                                 .on_empty = tell_empty,
                                 .on_trouble = args->on_trouble != NULL ? tell_trouble : NULL,
                                 .context = worker};
    if (!engine_create(&worker->engine, &engine)) {
        destroy(worker);
        return error_memory(error);
    }
    *ret = worker;
    return true;
}

static bool wait_for_end(struct worker *worker, unsigned patience_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    long ns = until.tv_nsec + (long)(patience_ms % 1000) * 1000000L;
    until.tv_sec += (time_t)(patience_ms / 1000) + ns / 1000000000L;
    until.tv_nsec = ns % 1000000000L;
    int failure = 0;
    pthread_mutex_lock(&worker->end_lock);
    while (!worker->ended && failure == 0)
        failure = pthread_cond_timedwait(&worker->end, &worker->end_lock, &until);
    bool ended = worker->ended;
    pthread_mutex_unlock(&worker->end_lock);
    return ended;
}

static void tell_to_stop(struct worker *worker)
{
    if (worker->told_to_stop)
        return;
    worker->told_to_stop = true;
    worker->stop.deliver = deliver_stop;
    mailbox_send(&worker->mailbox, &worker->stop);
}

bool worker_stop(struct worker *worker, unsigned patience_ms)
{
    if (worker == NULL)
        return true;
    if (worker->running) {
        tell_to_stop(worker);
        if (!wait_for_end(worker, patience_ms))
            return false;
        (void)pthread_join(worker->thread, NULL);
        mailbox_deliver(worker->args.control); /* its last word lies inside it */
    }
    destroy(worker);
    return true;
}
