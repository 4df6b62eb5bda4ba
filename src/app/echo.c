#include "app/echo.h"

#include "base/buffer.h"
#include "base/list.h"
#include "base/thread.h"
#include "io/mailbox.h"
#include "io/socket.h"
#include "io/stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define ECHO_READ_BYTES 16384

struct echo {
    struct ev_loop *loop; /* owned */
    struct mailbox mailbox;
    struct mail stop;
    ev_io listener;
    struct address address;
    struct list guests;
    pthread_t thread;
    bool running;
};

struct guest {
    struct list link;
    struct echo *echo;
    struct stream stream;
    struct buffer held; /* read and not yet sent back */
    bool ended;
    ev_io io;
};

static void dismiss(struct guest *g)
{
    ev_io_stop(g->echo->loop, &g->io);
    stream_close(&g->stream, false);
    buffer_release(&g->held);
    list_remove(&g->link);
    free(g);
}

/* Reads only once everything is sent back: one buffer's worth of a guest is held at most. */
static enum stream_status read_more(struct guest *g)
{
    size_t count = 0;
    if (g->ended || buffer_length(&g->held) > 0)
        return STREAM_AGAIN;
    if (!buffer_reserve(&g->held, ECHO_READ_BYTES))
        return STREAM_BROKEN;
    enum stream_status status =
        stream_read(&g->stream, g->held.body->bytes + g->held.body->end, ECHO_READ_BYTES, &count);
    g->held.body->end += count;
    g->ended = status == STREAM_EOF;
    return status;
}

static enum stream_status send_back(struct guest *g)
{
    size_t count = 0;
    struct span bytes = buffer_span(&g->held);
    if (bytes.length == 0)
        return STREAM_OK;
    enum stream_status status = stream_write(&g->stream, bytes.data, bytes.length, &count);
    buffer_consume(&g->held, count);
    return status;
}

static bool is_fatal(enum stream_status status)
{
    return status == STREAM_RESET || status == STREAM_BROKEN;
}

static void on_guest(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    struct guest *g = watcher->data;
    if (is_fatal(read_more(g)) || is_fatal(send_back(g)) ||
        (g->ended && buffer_length(&g->held) == 0)) {
        dismiss(g);
        return;
    }
    int wanted = buffer_length(&g->held) > 0 ? EV_WRITE : EV_READ;
    if (wanted == EV_READ)
        buffer_release(&g->held);
    ev_io_stop(loop, watcher);
    ev_io_set(watcher, g->stream.fd, wanted);
    ev_io_start(loop, watcher);
}

static void on_arrival(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    struct echo *echo = watcher->data;
    int fd = accept4(watcher->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct guest *g = calloc(1, sizeof *g);
    if (g == NULL) {
        (void)close(fd);
        return;
    }
    g->echo = echo;
    stream_plain(&g->stream, fd);
    list_append(&echo->guests, &g->link);
    ev_io_init(&g->io, on_guest, fd, EV_READ);
    g->io.data = g;
    ev_io_start(loop, &g->io);
}

static void deliver_stop(struct mail *mail, void *owner)
{
    (void)mail;
    ev_break(((struct echo *)owner)->loop, EVBREAK_ALL);
}

static void *run(void *context)
{
    ev_run(((struct echo *)context)->loop, 0);
    return NULL;
}

static bool start_thread(struct echo *echo, struct error *error)
{
    int failure = thread_create(&echo->thread, run, echo);
    echo->running = failure == 0;
    return echo->running || error_system(error, failure, "cannot start the echo server");
}

bool echo_start(struct echo **ret, struct error *error)
{
    struct echo *echo = calloc(1, sizeof *echo);
    if (echo == NULL)
        return error_memory(error);
    list_init(&echo->guests);
    echo->loop = ev_loop_new(EVFLAG_AUTO);
    ev_io_init(&echo->listener, on_arrival, -1, EV_READ);
    echo->listener.data = echo;
    if (echo->loop == NULL) {
        free(echo);
        return error_input(error, "cannot make an event loop");
    }
    mailbox_start(&echo->mailbox, echo->loop, echo);
    struct address any;
    int fd;
    if (!address_parse(&any, span_text("127.0.0.1:0"), error) || !socket_listen(&fd, &any, error)) {
        echo_stop(echo);
        return false;
    }
    ev_io_set(&echo->listener, fd, EV_READ);
    ev_io_start(echo->loop, &echo->listener);
    if (!socket_local(fd, &echo->address) || !start_thread(echo, error)) {
        echo_stop(echo);
        return false;
    }
    *ret = echo;
    return true;
}

const struct address *echo_address(const struct echo *echo)
{
    return &echo->address;
}

void echo_stop(struct echo *echo)
{
    if (echo == NULL)
        return;
    if (echo->running) {
        echo->stop.deliver = deliver_stop;
        mailbox_send(&echo->mailbox, &echo->stop);
        (void)pthread_join(echo->thread, NULL);
    }
    LIST_EACH(&echo->guests, node)
    dismiss(LIST_ENTRY(node, struct guest, link));
    ev_io_stop(echo->loop, &echo->listener);
    if (echo->listener.fd >= 0)
        (void)close(echo->listener.fd);
    mailbox_stop(&echo->mailbox);
    ev_loop_destroy(echo->loop);
    free(echo);
}
