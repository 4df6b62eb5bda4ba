#include "app/upgrade.h"

#include "app/predecessors.h"
#include "app/privileges.h"
#include "base/log.h"
#include "base/text.h"
#include "pool/wishes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the heir finds its end of the socket pair. */
#define HEIR_FD          3
#define HEIR_ENVIRONMENT INHERIT_VARIABLE "=3"

/* How long a start may take (names are looked up, certificates read), and the heir to take what is
 * sent before it. */
#define START_SECONDS 60.0
#define SEND_SECONDS  5

/* From its hanging up to the news of its death. */
#define DEATH_SECONDS 2.0

/* Room for all that is sent before it takes any, as far as the system grants it. */
#define SEND_BYTES (4 << 20)

struct upgrade {
    struct upgrade_args args;
    struct bindings *bindings;   /* counted; NULL once the heir is ready */
    struct endpoints *endpoints; /* counted; then held for it */
    struct bindings *held;       /* likewise, and this one's alone; NULL: none */
    bool *kept;                  /* by the heir; owned */
    int fd;
    pid_t heir; /* 0: not started, or ended */
    ev_io io;
    ev_child child;
    ev_timer patience;
    bool hung_up, ready;
    bool tells; /* the heir: what it leaves */
};

/* --- what the heir says ----------------------------------------------------------------------- */

static void fail(struct upgrade *u, const char *reason)
{
    ev_io_stop(u->args.loop, &u->io);
    ev_timer_stop(u->args.loop, &u->patience);
    u->args.on_failed(u->args.context, reason); /* ends it */
}

static void note_kept(struct upgrade *u, const char *text)
{
    for (size_t i = 0; i < u->bindings->count; i++)
        if (strcmp(u->bindings->item[i].binding->text, text) == 0)
            u->kept[i] = true;
}

/* --- what is held for it ---------------------------------------------------------------------- */

/* Memory out: nothing is held. */
static void hold(struct upgrade *u)
{
    u->held = u->tells ? bindings_create(u->bindings->count) : NULL;
    if (u->held == NULL) {
        upgrade_let_go(u);
        return;
    }
    u->held->count = 0;
    for (size_t i = 0; i < u->bindings->count; i++)
        if (u->kept[i])
            u->held->item[u->held->count++].binding = binding_ref(u->bindings->item[i].binding);
}

static void let_go_of(struct upgrade *u, const char *text)
{
    struct bindings *held = u->held;
    for (size_t i = 0; held != NULL && i < held->count; i++) {
        if (strcmp(held->item[i].binding->text, text) != 0)
            continue;
        binding_unref(held->item[i].binding);
        held->item[i] = held->item[--held->count];
        return;
    }
}

static void let_go_of_admin(struct upgrade *u)
{
    endpoints_unref(u->endpoints);
    u->endpoints = NULL;
}

void upgrade_let_go(struct upgrade *u)
{
    if (u == NULL)
        return;
    bindings_unref(u->held);
    u->held = NULL;
    let_go_of_admin(u);
}

/* --- what the heir says, further ---------------------------------------------------------------
 */

static void finish(struct upgrade *u)
{
    u->ready = true;
    for (size_t i = 0; i < u->bindings->count; i++)
        if (u->kept[i])
            binding_hand_over(u->bindings->item[i].binding);
    hold(u);
    bindings_unref(u->bindings);
    u->bindings = NULL;
    ev_timer_stop(u->args.loop, &u->patience);
    u->args.on_ready(u->args.context, u->heir);
}

/* It ends, or will never say that it is ready. The news of its death mostly come first, and say how
 * it ended; they are not waited for without end. */
static void expect_death(struct upgrade *u)
{
    ev_io_stop(u->args.loop, &u->io);
    ev_timer_stop(u->args.loop, &u->patience);
    u->hung_up = true;
    ev_timer_set(&u->patience, DEATH_SECONDS, 0);
    ev_timer_start(u->args.loop, &u->patience);
}

static void take_last_word(struct upgrade *u, const struct inherit_packet *packet)
{
    if (packet->kind == INHERIT_LEFT && packet->text[0] != '\0')
        let_go_of(u, packet->text);
    else if (packet->kind == INHERIT_LEFT || packet->kind == INHERIT_STOP)
        upgrade_let_go(u);
    else if (packet->kind == INHERIT_LEFT_ADMIN)
        let_go_of_admin(u);
    if (packet->kind == INHERIT_STOP || packet->kind == INHERIT_NOW)
        u->args.on_stop(u->args.context, packet->kind == INHERIT_NOW);
}

static void take_word(struct upgrade *u, const struct inherit_packet *packet)
{
    if (u->ready)
        take_last_word(u, packet);
    else if (packet->kind == INHERIT_KEPT)
        note_kept(u, packet->text);
    else if (packet->kind == INHERIT_TELLS)
        u->tells = true;
    else if (packet->kind == INHERIT_READY)
        finish(u);
}

/* --- what is left of one that crashed ----------------------------------------------------------
 */

static bool take_next(struct upgrade *u)
{
    struct inherit_packet packet;
    unsigned char buffer[INHERIT_BYTES_MAX];
    if (!inherit_receive(u->fd, &packet, buffer))
        return false;
    for (unsigned i = 0; i < packet.fd_count; i++)
        (void)close(packet.fds[i]);
    take_word(u, &packet);
    return true;
}

/* Of the heir, and of its own heir behind it: that one may be about to serve already. */
static bool is_held(struct upgrade *u)
{
    while (u->held != NULL && u->held->count > 0)
        if (!take_next(u))
            return true;
    return false;
}

/* Closing its ears is the moment of the decision: what can be sent, is read before. */
bool upgrade_take_held(struct upgrade *u, struct bindings **bindings, struct endpoints **endpoints)
{
    if (!is_held(u))
        return false;
    (void)shutdown(u->fd, SHUT_RD);
    if (!is_held(u))
        return false;
    *bindings = bindings_ref(u->held);
    *endpoints = u->endpoints == NULL ? NULL : endpoints_ref(u->endpoints);
    return true;
}

void upgrade_claim(const struct upgrade *u)
{
    const struct inherit_packet taken = {.kind = INHERIT_TAKEN, .text = ""};
    (void)!inherit_send(u->fd, &taken); /* mostly nobody is there to hear it */
}

/* --- its end -----------------------------------------------------------------------------------
 */

/* The end of one that serves is told by its death alone: it may be of a version that hangs up. */
static void on_hang_up(struct upgrade *u)
{
    if (u->ready)
        ev_io_stop(u->args.loop, &u->io);
    else
        expect_death(u);
}

static void on_word(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    struct upgrade *u = watcher->data;
    if (!take_next(u) && errno != EAGAIN && errno != EINTR)
        on_hang_up(u);
}

static void bury(struct upgrade *u, int status)
{
    char reason[64];
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    ev_child_stop(u->args.loop, &u->child);
    u->heir = 0;
    if (WIFEXITED(status))
        (void)snprintf(reason, sizeof reason, "the new process ended with status %d",
                       WEXITSTATUS(status));
    else
        (void)snprintf(reason, sizeof reason, "the new process ended by signal %d",
                       WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    if (!u->ready)
        fail(u, reason);
    else if (clean)
        upgrade_let_go(u);
    else
        u->args.on_lost(u->args.context, reason); /* may end it */
}

static void on_death(struct ev_loop *loop, ev_child *watcher, int events)
{
    (void)loop;
    (void)events;
    bury(watcher->data, watcher->rstatus);
}

static void on_impatience(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    struct upgrade *u = watcher->data;
    int status;
    if (waitpid(u->heir, &status, WNOHANG) == u->heir)
        bury(u, status);
    else
        fail(u, u->hung_up ? "the new process hung up"
                           : "the new process was not ready after a minute");
}

/* --- what it inherits ------------------------------------------------------------------------- */

static bool send_bindings(const struct upgrade *u, int fd, struct error *error)
{
    for (size_t i = 0; i < u->bindings->count; i++) {
        const struct binding *binding = u->bindings->item[i].binding;
        struct inherit_packet packet = {.kind = binding->managed ? INHERIT_MANAGED
                                                                 : INHERIT_BINDING,
                                        .text = binding->text,
                                        .fd_count = binding->count};
        if (binding->count > INHERIT_FDS_MAX)
            return error_input(error, "%s has %u sockets, and only %u can be handed over",
                               binding->text, binding->count, INHERIT_FDS_MAX);
        memcpy(packet.fds, binding->fds, binding->count * sizeof(int));
        if (!inherit_send(fd, &packet))
            return error_system(error, errno, "cannot hand over %s", binding->text);
    }
    return true;
}

static bool send_endpoint(int fd, const char *kind, const char *text, int socket,
                          struct error *error)
{
    struct inherit_packet packet = {.kind = INHERIT_ADMIN, .text = kind};
    if (socket < 0)
        return true;
    packet.bytes = (const unsigned char *)text;
    packet.length = strlen(text) + 1;
    packet.fds[0] = socket;
    packet.fd_count = 1;
    return inherit_send(fd, &packet) || error_system(error, errno, "cannot hand over %s", text);
}

static bool send_endpoints(const struct endpoints *endpoints, int fd, struct error *error)
{
    const char *text;
    if (endpoints == NULL)
        return true;
    int local = endpoints_socket(endpoints, true, &text);
    if (!send_endpoint(fd, "socket", text, local, error))
        return false;
    int http = endpoints_socket(endpoints, false, &text);
    return send_endpoint(fd, "http", text, http, error);
}

/* Without them clients shake hands in full: no reason to fail. */
static void send_tickets(void *context, struct tls_policy *policy)
{
    const int *fd = context;
    unsigned char keys[INHERIT_BYTES_MAX / 2];
    struct inherit_packet packet = {
        .kind = INHERIT_TICKETS, .text = tls_policy_path(policy), .bytes = keys};
    packet.length = tls_policy_copy_ticket_keys(policy, keys, sizeof keys);
    if (packet.length > 0 && !inherit_send(*fd, &packet))
        log_event(LOG_LEVEL_WARNING, "upgrade.tickets", "policy=%s lost=true", packet.text);
    explicit_bzero(keys, sizeof keys);
}

/* Without them the heir goes by its configuration: no reason to fail. */
static void send_wishes(int fd, const struct pool *pool, unsigned at)
{
    struct text text = {0};
    pool_write_wishes(pool, at, &text);
    const struct inherit_packet packet = {.kind = INHERIT_WISHES,
                                          .text = pool_name(pool),
                                          .bytes = (const unsigned char *)text.data,
                                          .length = text.length};
    if (text.failed || !inherit_send(fd, &packet))
        log_event(LOG_LEVEL_WARNING, "upgrade.wishes", "pool=%s server=%s lost=true",
                  pool_name(pool), server_name(pool_server_at(pool, at)));
    text_release(&text);
}

static void send_all_wishes(const struct pool_set *set, int fd)
{
    for (unsigned p = 0; p < pool_set_count(set); p++) {
        const struct pool *pool = pool_set_at(set, p);
        for (unsigned i = 0; i < pool_server_count(pool); i++)
            if (pool_has_wishes(pool, i))
                send_wishes(fd, pool, i);
    }
}

/* Of all its servers: one may be as configured again. */
void upgrade_note_change(const struct upgrade *u, const struct pool *pool)
{
    for (unsigned i = 0; u != NULL && !u->ready && i < pool_server_count(pool); i++)
        send_wishes(u->fd, pool, i);
}

static bool send_all(const struct upgrade *u, int fd, struct error *error)
{
    const struct timeval patience = {.tv_sec = SEND_SECONDS};
    const struct inherit_packet end = {.kind = INHERIT_END, .text = ""};
    const int room = SEND_BYTES;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    if (!send_bindings(u, fd, error) || !send_endpoints(u->endpoints, fd, error))
        return false;
    snapshot_each_policy(u->args.snapshot, send_tickets, &fd);
    send_all_wishes(u->args.snapshot->pools, fd);
    predecessors_hand_over(u->args.before, fd);
    return inherit_send(fd, &end) || error_system(error, errno, "cannot hand over");
}

/* --- its start -------------------------------------------------------------------------------- */

/* Strings that live until the heir runs. */
struct extra {
    char loan[sizeof LOAN_VARIABLE + 12];
};

static char **make_environment(struct extra *extra, uint32_t lent)
{
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    char **copy = calloc(count + 3, sizeof *copy);
    if (copy == NULL)
        return NULL;
    memcpy(copy, environ, count * sizeof *copy);
    copy[count] = (char *)(uintptr_t)HEIR_ENVIRONMENT;
    (void)snprintf(extra->loan, sizeof extra->loan, LOAN_VARIABLE "=%u", lent);
    copy[count + 1] = extra->loan;
    return copy;
}

static int spawn_with(struct upgrade *u, int fd, posix_spawn_file_actions_t *actions,
                      posix_spawnattr_t *attributes, char **environment)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)posix_spawnattr_setsigmask(attributes, &none);
    (void)posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK);
    int failure = posix_spawn_file_actions_adddup2(actions, fd, HEIR_FD);
    if (failure != 0)
        return failure;
    const char *program = u->args.program != NULL ? u->args.program : u->args.command[0];
    return posix_spawnp(&u->heir, program, actions, attributes, u->args.command, environment);
}

static bool spawn(struct upgrade *u, int fd, uint32_t lent, struct error *error)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    struct extra extra;
    char **environment = make_environment(&extra, lent);
    if (environment == NULL)
        return error_memory(error);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    int failure = spawn_with(u, fd, &actions, &attributes, environment);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    free(environment);
    if (failure != 0)
        u->heir = 0;
    return failure == 0 || error_system(error, failure, "cannot run %s", u->args.command[0]);
}

/* The child is a copy of this very thread. */
static bool spawn_with_loan(struct upgrade *u, int fd, struct error *error)
{
    struct error late;
    uint32_t lent = privileges_lend();
    bool good = spawn(u, fd, lent, error);
    if (privileges_end_loan(lent, &late))
        return good;
    *error = late;
    return false;
}

static void watch(struct upgrade *u)
{
    (void)fcntl(u->fd, F_SETFL, O_NONBLOCK);
    ev_io_set(&u->io, u->fd, EV_READ);
    ev_child_set(&u->child, u->heir, 0);
    ev_io_start(u->args.loop, &u->io);
    ev_child_start(u->args.loop, &u->child);
    ev_timer_start(u->args.loop, &u->patience);
}

static struct upgrade *create(const struct upgrade_args *args)
{
    struct upgrade *u = calloc(1, sizeof *u);
    if (u == NULL)
        return NULL;
    u->args = *args;
    u->fd = -1;
    u->bindings = bindings_ref(args->bindings);
    u->endpoints = args->endpoints == NULL ? NULL : endpoints_ref(args->endpoints);
    u->kept = calloc(args->bindings->count + 1, sizeof *u->kept);
    ev_init(&u->io, on_word);
    ev_init(&u->child, on_death);
    ev_timer_init(&u->patience, on_impatience, START_SECONDS, 0);
    u->io.data = u->child.data = u->patience.data = u;
    if (u->kept != NULL)
        return u;
    upgrade_end(u);
    return NULL;
}

/* How it ended, its death will tell. */
static bool is_gone(const struct error *error)
{
    return error->number == EPIPE || error->number == ECONNRESET;
}

bool upgrade_start(struct upgrade **ret, const struct upgrade_args *args, struct error *error)
{
    int pair[2];
    struct upgrade *u = create(args);
    if (u == NULL)
        return error_memory(error);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        upgrade_end(u);
        return error_system(error, errno, "cannot make a socket pair");
    }
    u->fd = pair[0];
    /* Started first: what it is sent may be more than fits in between. */
    bool good = spawn_with_loan(u, pair[1], error);
    (void)close(pair[1]);
    if (!good || (!send_all(u, pair[0], error) && !is_gone(error))) {
        upgrade_end(u);
        return false;
    }
    watch(u);
    *ret = u;
    return true;
}

static bool has_unready_heir(const struct upgrade *u)
{
    return u->heir != 0 && !u->ready;
}

static void kill_heir(struct upgrade *u)
{
    if (!has_unready_heir(u))
        return;
    (void)kill(u->heir, SIGKILL);
    (void)waitpid(u->heir, NULL, 0);
    u->heir = 0;
}

void upgrade_end(struct upgrade *u)
{
    if (u == NULL)
        return;
    ev_io_stop(u->args.loop, &u->io);
    ev_child_stop(u->args.loop, &u->child);
    ev_timer_stop(u->args.loop, &u->patience);
    kill_heir(u);
    if (u->fd >= 0 && (!u->ready || u->heir == 0))
        (void)close(u->fd);
    upgrade_let_go(u);
    bindings_unref(u->bindings);
    free(u->kept);
    free(u);
}

/* The loop reaps it, should it end before this process. */
void upgrade_call_off(struct upgrade *u)
{
    if (u != NULL && has_unready_heir(u)) {
        (void)kill(u->heir, SIGTERM);
        ev_child_stop(u->args.loop, &u->child);
        u->heir = 0;
    }
    upgrade_end(u);
}
