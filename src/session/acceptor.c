#include "session/acceptor.h"

#include "base/log.h"
#include "io/socket.h"
#include "session/engine.h"
#include "session/refusals.h"
#include "session/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Connections taken in one turn before the sessions get theirs. */
#define ACCEPT_BATCH 64

/* How long accepting pauses when descriptors or memory are out, and how many are shed then. */
#define PAUSE_MS   100
#define SHED_BATCH 256

/* What a queue can hold when its socket is to be closed (see LISTEN_BACKLOG): no more is waited
 * for, whoever goes on coming. */
#define LEAVE_BATCH 65536

/* How long a retired socket stays open for those whose handshake it has begun: a round trip, and an
 * answer that is lost and said again after a second. */
#define LINGER_MS 2000

struct acceptor {
    struct list link;                /* in engine->acceptors */
    struct engine *engine;           /* borrowed */
    struct binding *binding;         /* counted */
    struct generation *left_to;      /* leaving: the generation of its clients, counted in it */
    const struct listener *listener; /* borrowed from that, or from the engine's current one */
    int fd; /* the binding's; other workers and processes may have the same socket */
    ev_io io;
    ev_timer pause, linger;
    int reserve;   /* a descriptor kept so that connections can be shed when there are no more */
    unsigned shed; /* since the pause began */
    bool pausing;
};

/* --- shedding --------------------------------------------------------------------------------- */

static void keep_reserve(struct acceptor *a)
{
    if (a->reserve < 0)
        a->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void reset_at_once(int fd)
{
    socket_set_reset(fd);
    (void)close(fd);
}

/* Gives up the reserve so that what waits can be accepted and reset one after another: a client
 * that is told no is better off than one that hangs in the backlog. */
static void shed_waiting(struct acceptor *a)
{
    if (a->reserve < 0)
        return;
    (void)close(a->reserve);
    a->reserve = -1;
    for (int i = 0; i < SHED_BATCH; i++) {
        int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            break;
        reset_at_once(fd);
        a->shed++;
    }
    keep_reserve(a);
}

static void report_shed(struct acceptor *a)
{
    if (a->shed > 0)
        refusals_add_shed(a->engine, a->listener, a->shed);
    a->shed = 0;
}

static void on_pause_over(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)events;
    struct acceptor *a = watcher->data;
    keep_reserve(a);
    ev_io_start(loop, &a->io);
}

static void pause_accepting(struct acceptor *a, int number)
{
    if (!a->pausing)
        log_event(LOG_LEVEL_WARNING, "listener.pause", "listener=%s reason=%s retry_ms=%d",
                  a->listener->model->name,
                  number == EMFILE || number == ENFILE ? "descriptors" : "memory", PAUSE_MS);
    a->pausing = true;
    shed_waiting(a);
    report_shed(a);
    ev_io_stop(a->engine->loop, &a->io);
    ev_timer_set(&a->pause, PAUSE_MS / 1000.0, 0);
    ev_timer_start(a->engine->loop, &a->pause);
}

static void note_recovery(struct acceptor *a)
{
    if (!a->pausing)
        return;
    a->pausing = false;
    log_event(LOG_LEVEL_INFO, "listener.resume", "listener=%s", a->listener->model->name);
}

/* --- accepting -------------------------------------------------------------------------------- */

/* The one judge of accept's errors. false: stop for this turn. */
static bool goes_on_after(struct acceptor *a, int number)
{
    switch (number) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        pause_accepting(a, number);
        return false;
    default:
        /* accept(2): errors of a connection that has gone already are told here, too. */
        return true;
    }
}

static bool accept_one(struct acceptor *a)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    int fd = accept4(a->fd, (struct sockaddr *)&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return goes_on_after(a, errno);
    struct address peer = address_of((const struct sockaddr *)&storage, length);
    note_recovery(a);
    struct generation *generation = a->left_to != NULL ? a->left_to : a->engine->current;
    (void)session_start(a->engine, generation, a->listener, fd, &peer);
    return true;
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    struct acceptor *a = watcher->data;
    for (int i = 0; i < ACCEPT_BATCH; i++)
        if (!accept_one(a))
            break;
}

/* --- acceptors of a worker -------------------------------------------------------------------- */

static struct acceptor *find_acceptor(struct engine *engine, const struct binding *binding, int fd)
{
    LIST_EACH(&engine->acceptors, node)
    {
        struct acceptor *a = LIST_ENTRY(node, struct acceptor, link);
        if (a->binding == binding && a->fd == fd)
            return a;
    }
    return NULL;
}

static void set_options(const struct acceptor *a)
{
    if (address_is_ip(&a->binding->actual))
        socket_set_keepalive(a->fd, &a->listener->model->keepalive);
}

static void take_waiting(struct acceptor *a)
{
    bool paused = ev_is_active(&a->pause);
    for (int i = 0; i < LEAVE_BATCH && !paused && accept_one(a); i++)
        paused = ev_is_active(&a->pause);
}

/* Closing a listening socket resets the clients in its queue, unless somebody else has it, too:
 * they are taken first. */
static void acceptor_close(struct acceptor *a)
{
    if (!a->binding->shared)
        take_waiting(a);
    ev_io_stop(a->engine->loop, &a->io);
    ev_timer_stop(a->engine->loop, &a->pause);
    ev_timer_stop(a->engine->loop, &a->linger);
    (void)close(a->io.fd);
    if (a->reserve >= 0)
        (void)close(a->reserve);
    if (a->left_to != NULL)
        engine_leave_generation(a->engine, a->left_to);
    list_remove(&a->link);
    binding_unref(a->binding);
    free(a);
}

static void on_linger_over(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    acceptor_close(watcher->data);
}

/* What waits is taken now: a draining worker must not seem to be without sessions. */
static void acceptor_leave(struct acceptor *a)
{
    if (a->left_to != NULL)
        return;
    if (!a->binding->lingers) {
        acceptor_close(a);
        return;
    }
    a->left_to = a->engine->current;
    engine_enter_generation(a->left_to);
    ev_timer_start(a->engine->loop, &a->linger);
    on_readable(a->engine->loop, &a->io, EV_READ);
}

void acceptors_leave_others(struct engine *engine, const struct bindings *bindings)
{
    LIST_EACH(&engine->acceptors, node)
    {
        struct acceptor *a = LIST_ENTRY(node, struct acceptor, link);
        if (!bindings_have(bindings, a->binding))
            acceptor_leave(a);
    }
}

/* What the loop watches in place of a listening socket: it is readable when the socket is. The loop
 * forgets a descriptor only when its last copy is closed, and of the socket others have copies: it
 * would go on to wake this worker. */
static int make_lookout(int fd)
{
    struct epoll_event ready = {.events = EPOLLIN};
    int lookout = epoll_create1(EPOLL_CLOEXEC);
    if (lookout >= 0 && epoll_ctl(lookout, EPOLL_CTL_ADD, fd, &ready) == 0)
        return lookout;
    if (lookout >= 0)
        (void)close(lookout);
    return -1;
}

static struct acceptor *acceptor_create(struct engine *engine, struct binding *binding, int fd)
{
    int lookout = make_lookout(fd);
    struct acceptor *a = lookout < 0 ? NULL : calloc(1, sizeof *a);
    if (a == NULL) {
        if (lookout >= 0)
            (void)close(lookout);
        return NULL;
    }
    a->fd = fd;
    a->engine = engine;
    a->binding = binding_ref(binding);
    a->reserve = -1;
    keep_reserve(a);
    ev_io_init(&a->io, on_readable, lookout, EV_READ);
    ev_timer_init(&a->pause, on_pause_over, 0, 0);
    ev_timer_init(&a->linger, on_linger_over, LINGER_MS / 1000.0, 0);
    a->io.data = a->pause.data = a->linger.data = a;
    list_append(&engine->acceptors, &a->link);
    ev_io_start(engine->loop, &a->io);
    return a;
}

static bool update_one(struct engine *engine, const struct bound_listener *bound, int fd)
{
    struct acceptor *a = find_acceptor(engine, bound->binding, fd);
    if (a == NULL)
        a = acceptor_create(engine, bound->binding, fd);
    if (a == NULL)
        return false;
    a->listener = &engine->current->snapshot->listeners[bound->listener];
    set_options(a);
    return true;
}

/* Goes on when memory is out: those that are open must not keep a listener of the old snapshot.
 * There may be more sockets than workers, and fewer, where others have opened them: none is left
 * out, and no worker is without. */
bool acceptors_update(struct engine *engine, const struct bindings *bindings)
{
    bool whole = true;
    for (size_t i = 0; i < bindings->count; i++) {
        const struct binding *b = bindings->item[i].binding;
        for (unsigned n = engine->args.index % b->count; n < b->count; n += b->workers)
            whole = update_one(engine, &bindings->item[i], b->fds[n]) && whole;
    }
    return whole;
}

void acceptors_close(struct engine *engine)
{
    LIST_EACH(&engine->acceptors, node)
    acceptor_close(LIST_ENTRY(node, struct acceptor, link));
}
