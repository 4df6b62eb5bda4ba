/* Small messages: `sessions` open ones, each sending its next message when the answer is there, or
 * at a steady pace. With as many units as sessions it proves that idle ones are still served. */
#include "client.h"
#include "load.h"
#include "open.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TICK_NS 1000000

static void send_next(struct client *c, uint64_t since_ns)
{
    if (!load_take(c->load))
        return;
    c->started_ns = since_ns;
    c->due_ns += c->load->interval_ns;
    client_echo(c);
}

/* At a pace, a message whose turn came while the last answer was still awaited counts from its
 * turn, not from when it could be sent: a stall must not hide the waiting behind it. */
static void on_event(struct client *c, enum client_event event)
{
    uint64_t now = now_ns();

    if (event == CLIENT_FAILED) {
        load_failed(c->load, c->failure);
        return;
    }
    load_done(c->load, c->started_ns);
    if (c->load->interval_ns == 0)
        send_next(c, now);
    else if (c->due_ns <= now)
        send_next(c, c->due_ns);
}

static void on_tick(struct watch *watch, uint32_t ready)
{
    struct load *load = CONTAINER_OF(watch, struct load, ticker);
    uint64_t ticks, now = now_ns();

    (void)ready;
    if (read(watch->fd, &ticks, sizeof ticks) < 0)
        return;
    for (unsigned i = 0; i < load->sessions; i++) {
        struct client *c = &load->clients[i];

        if (c->step == CLIENT_IDLE && c->wire.fd >= 0 && c->due_ns <= now)
            send_next(c, now);
    }
}

static void ticker_start(struct load *load)
{
    const struct timespec tick = {.tv_nsec = TICK_NS};
    const struct itimerspec when = {tick, tick};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd < 0 || timerfd_settime(fd, 0, &when, NULL) < 0)
        die("timerfd: %s", strerror(errno));
    load->ticker = (struct watch){fd, EPOLLIN, on_tick};
    events_add(&load->events, &load->ticker);
}

/* The first messages are spread over one interval, so that the sessions do not move in step. */
static void begin_paced(struct load *load)
{
    uint64_t now = now_ns();

    for (unsigned i = 0; i < load->sessions; i++)
        load->clients[i].due_ns = now + load->interval_ns * i / load->sessions;
    ticker_start(load);
    load_run(load);
    close(load->ticker.fd);
}

static void begin_flat_out(struct load *load)
{
    for (unsigned i = 0; i < load->sessions; i++)
        send_next(&load->clients[i], now_ns());
    load_run(load);
}

static void measure(struct load *load)
{
    for (unsigned i = 0; i < load->sessions; i++)
        load->clients[i].on_event = on_event;
    load_begin(load, load->count);
    if (load->interval_ns > 0)
        begin_paced(load);
    else
        begin_flat_out(load);
}

static void first_exchange(struct client *c)
{
    client_echo(c);
}

static void prepare(struct load *load)
{
    open_all(load, first_exchange);
}

const struct load_mode load_echo = {"echo", prepare, measure};
