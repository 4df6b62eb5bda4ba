#include "base/clock.h"
#include "base/text.h"
#include "dns_private.h"

#include <poll.h>
#include <stdlib.h>

/* Two tries of each server: with one server an answer, or the lack of one, within 4.5 seconds. */
#define TRY_MS 1500
#define TRIES  2

struct dns_socket {
    struct list link;
    struct dns *dns;
    int fd, events; /* EV_READ, EV_WRITE */
    ev_io io;
};

/* --- sockets, as c-ares has them -------------------------------------------------------------- */

static struct dns_socket *find_socket(struct dns *dns, int fd)
{
    LIST_EACH(&dns->sockets, node)
    {
        struct dns_socket *s = LIST_ENTRY(node, struct dns_socket, link);
        if (s->fd == fd)
            return s;
    }
    return NULL;
}

static void process(struct dns *dns, int fd, int events)
{
    ares_process_fd(dns->channel, events & EV_READ ? fd : ARES_SOCKET_BAD,
                    events & EV_WRITE ? fd : ARES_SOCKET_BAD);
}

/* The socket may be gone when c-ares returns. */
static void on_io(struct ev_loop *loop, ev_io *io, int events)
{
    const struct dns_socket *s = io->data;
    struct dns *dns = s->dns;
    (void)loop;
    process(dns, s->fd, events);
    dns_set_timer(dns);
}

static void watch_socket(struct dns_socket *s)
{
    struct ev_loop *loop = s->dns->loop;
    if (loop == NULL)
        return;
    ev_io_stop(loop, &s->io);
    ev_io_set(&s->io, s->fd, s->events);
    ev_io_start(loop, &s->io);
}

static void forget_socket(struct dns_socket *s)
{
    if (s->dns->loop != NULL)
        ev_io_stop(s->dns->loop, &s->io);
    list_remove(&s->link);
    free(s);
}

static struct dns_socket *remember_socket(struct dns *dns, int fd)
{
    struct dns_socket *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL; /* its question times out */
    s->dns = dns;
    s->fd = fd;
    ev_init(&s->io, on_io);
    s->io.data = s;
    list_append(&dns->sockets, &s->link);
    return s;
}

static void on_socket(void *context, ares_socket_t fd, int readable, int writable)
{
    struct dns *dns = context;
    struct dns_socket *s = find_socket(dns, fd);
    if (!readable && !writable) {
        if (s != NULL)
            forget_socket(s);
        return;
    }
    if (s == NULL)
        s = remember_socket(dns, fd);
    if (s == NULL)
        return;
    s->events = (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0);
    watch_socket(s);
}

/* --- time ------------------------------------------------------------------------------------- */

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct dns *dns = timer->data;
    (void)loop;
    (void)events;
    process(dns, ARES_SOCKET_BAD, 0);
    dns_set_timer(dns);
}

/* Milliseconds, rounded up; at_most when c-ares waits for nothing. */
static uint64_t wanted_ms(const struct dns *dns, uint64_t at_most)
{
    struct timeval tv;
    if (ares_timeout(dns->channel, NULL, &tv) == NULL)
        return at_most;
    uint64_t ms = (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1;
    return ms < at_most ? ms : at_most;
}

void dns_set_timer(struct dns *dns)
{
    if (dns->loop == NULL)
        return;
    ev_timer_stop(dns->loop, &dns->timer);
    if (dns->asked == 0)
        return;
    ev_timer_set(&dns->timer, (double)wanted_ms(dns, 60000) / 1000.0, 0.);
    ev_timer_start(dns->loop, &dns->timer);
}

/* --- life ------------------------------------------------------------------------------------- */

static int use_servers(const struct dns *dns, const struct string_list *servers)
{
    struct text csv = {0};
    if (servers->count == 0)
        return ARES_SUCCESS;
    for (size_t i = 0; i < servers->count; i++)
        text_format(&csv, "%s%s", i == 0 ? "" : ",", servers->item[i]);
    int code = csv.failed ? ARES_ENOMEM : ares_set_servers_ports_csv(dns->channel, csv.data);
    text_release(&csv);
    return code;
}

static int open_channel(struct dns *dns)
{
    struct ares_options options = {
        .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_socket, .sock_state_cb_data = dns};
    int code = ares_library_init(ARES_LIB_INIT_ALL);
    if (code != ARES_SUCCESS)
        return code;
    code = ares_init_options(&dns->channel, &options,
                             ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (code != ARES_SUCCESS) {
        dns->channel = NULL;
        ares_library_cleanup();
    }
    return code;
}

bool dns_create(struct dns **ret, const struct model_pool *pool, struct error *error)
{
    struct dns *dns = calloc(1, sizeof *dns);
    if (dns == NULL)
        return error_memory(error);
    list_init(&dns->sockets);
    ev_init(&dns->timer, on_timer);
    dns->timer.data = dns;
    dns->family = resolve_family(pool);
    int code = open_channel(dns);
    if (code == ARES_SUCCESS)
        code = use_servers(dns, &pool->resolve.servers);
    if (code != ARES_SUCCESS) {
        dns_free(dns);
        return error_input(error, "cannot ask for names: %s", ares_strerror(code));
    }
    *ret = dns;
    return true;
}

void dns_free(struct dns *dns)
{
    if (dns == NULL)
        return;
    dns->stopping = true;
    if (dns->channel != NULL) {
        ares_destroy(dns->channel);
        ares_library_cleanup();
    }
    LIST_EACH(&dns->sockets, node)
    forget_socket(LIST_ENTRY(node, struct dns_socket, link));
    if (dns->loop != NULL)
        ev_timer_stop(dns->loop, &dns->timer);
    free(dns);
}

/* --- driven by a loop, or waited for ---------------------------------------------------------- */

void dns_attach(struct dns *dns, struct ev_loop *loop)
{
    dns->loop = loop;
    LIST_EACH(&dns->sockets, node)
    watch_socket(LIST_ENTRY(node, struct dns_socket, link));
    dns_set_timer(dns);
}

struct waiting {
    struct pollfd *fds;
    struct dns **owners; /* of each */
    nfds_t count;
};

static size_t count_sockets(struct dns *const *all, size_t count)
{
    size_t sockets = 0;
    for (size_t i = 0; i < count; i++)
        LIST_EACH(&all[i]->sockets, node)
    sockets++;
    return sockets;
}

static void list_sockets(struct waiting *w, struct dns *dns)
{
    LIST_EACH(&dns->sockets, node)
    {
        const struct dns_socket *s = LIST_ENTRY(node, struct dns_socket, link);
        short events =
            (short)((s->events & EV_READ ? POLLIN : 0) | (s->events & EV_WRITE ? POLLOUT : 0));
        w->owners[w->count] = dns;
        w->fds[w->count++] = (struct pollfd){.fd = s->fd, .events = events};
    }
}

static void process_ready(const struct waiting *w)
{
    for (nfds_t i = 0; i < w->count; i++) {
        short ready = w->fds[i].revents;
        if (ready != 0)
            process(w->owners[i], w->fds[i].fd,
                    (ready & ~POLLOUT ? EV_READ : 0) | (ready & ~POLLIN ? EV_WRITE : 0));
    }
}

/* One round; false when memory is out. */
static bool wait_once(struct dns *const *all, size_t count, uint64_t at_most_ms)
{
    size_t room = count_sockets(all, count) + 1;
    struct waiting w = {calloc(room, sizeof *w.fds), calloc(room, sizeof *w.owners), 0};
    bool good = w.fds != NULL && w.owners != NULL;
    for (size_t i = 0; good && i < count; i++) {
        list_sockets(&w, all[i]);
        at_most_ms = all[i]->asked > 0 ? wanted_ms(all[i], at_most_ms) : at_most_ms;
    }
    if (good && poll(w.fds, w.count, (int)at_most_ms) > 0)
        process_ready(&w);
    for (size_t i = 0; good && i < count; i++)
        process(all[i], ARES_SOCKET_BAD, 0);
    free(w.fds);
    free(w.owners);
    return good;
}

static bool all_answered(struct dns *const *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (all[i]->asked > 0)
            return false;
    return true;
}

void dns_wait(struct dns *const *all, size_t count, uint64_t at_most_ms)
{
    uint64_t end = clock_monotonic_us() + at_most_ms * 1000;
    while (!all_answered(all, count)) {
        uint64_t now = clock_monotonic_us();
        if (now >= end || !wait_once(all, count, (end - now) / 1000 + 1))
            return;
    }
}

const char *dns_library(void)
{
    return ares_version(NULL);
}
