#include "health_check.h"

#include "base/units.h"
#include "inspect/proxy_header.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A server that speaks first may say this much before it sees our FIN; past it we just close. */
#define DISCARD_MAX_BYTES (64u * 1024u)

static void finish(struct check *check)
{
    check_cancel(check);
    check->on_done(check);
}

static void tell(struct check *check, enum check_result result, const char *reason)
{
    check->told = true;
    check->on_result(check, result, reason);
}

static void fail(struct check *check, int number)
{
    char room[128];
    enum check_result result = CHECK_BAD;
    switch (number) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EADDRNOTAVAIL: /* every local port is taken */
        result = CHECK_UNKNOWN;
        break;
    default:
        break;
    }
    tell(check, result, strerror_r(number, room, sizeof room));
    finish(check);
}

static void wait_for(struct check *check, int events, uint64_t at_most_ms)
{
    ev_io_stop(check->loop, &check->io);
    ev_io_set(&check->io, check->fd, events);
    ev_io_start(check->loop, &check->io);
    ev_timer_stop(check->loop, &check->timer);
    ev_timer_set(&check->timer, (double)at_most_ms / (double)MS_PER_SECOND, 0.);
    ev_timer_start(check->loop, &check->timer);
}

/* A fresh socket has room for a header, so that one call either takes it whole or has failed. Gives
 * the errno. */
static int send_header(struct check *check)
{
    static const char unknown[] = "PROXY UNKNOWN\r\n";
    unsigned char room[PROXY_HEADER_MAX];
    const void *header = unknown;
    size_t length = sizeof unknown - 1;
    if (check->proxy == PROXY_OFF)
        return 0;
    if (check->proxy == PROXY_V2) {
        header = room;
        length = proxy_header_write_v2_local(room);
    }
    ssize_t sent = send(check->fd, header, length, MSG_NOSIGNAL);
    if (sent < 0)
        return errno;
    return sent == (ssize_t)length ? 0 : EIO;
}

bool check_reaches_itself(int fd, const struct address *to)
{
    struct sockaddr_storage own;
    socklen_t length = sizeof own;
    if (!address_is_ip(to) || getsockname(fd, (struct sockaddr *)&own, &length) != 0)
        return false;
    struct address local = address_of((struct sockaddr *)&own, length);
    return address_equal(&local, to);
}

/* Our FIN first; then what the server still says is read away until its own, because closing over
 * unread bytes would send a reset. */
static void begin_closing(struct check *check)
{
    tell(check, CHECK_GOOD, "connected");
    if (shutdown(check->fd, SHUT_WR) != 0)
        finish(check);
    else
        wait_for(check, EV_READ, check->linger_ms);
}

static void read_away(struct check *check)
{
    char room[4096];
    ssize_t got = recv(check->fd, room, sizeof room, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        check->discarded += (size_t)got;
    if (got <= 0 || check->discarded > DISCARD_MAX_BYTES)
        finish(check);
}

static void end_connect(struct check *check)
{
    int number = 0;
    socklen_t length = sizeof number;
    if (getsockopt(check->fd, SOL_SOCKET, SO_ERROR, &number, &length) != 0)
        number = errno;
    if (number == 0 && check_reaches_itself(check->fd, &check->address))
        number = ECONNREFUSED;
    if (number == 0)
        number = send_header(check);
    if (number == 0)
        begin_closing(check);
    else
        fail(check, number);
}

static void on_ready(struct ev_loop *loop, ev_io *io, int events)
{
    struct check *check = io->data;
    (void)loop;
    (void)events;
    if (check->told)
        read_away(check);
    else
        end_connect(check);
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct check *check = timer->data;
    char after[24], reason[64];
    (void)loop;
    (void)events;
    if (!check->told) {
        duration_format(check->timeout_ms, after);
        snprintf(reason, sizeof reason, "no answer within %s", after);
        tell(check, CHECK_BAD, reason);
    }
    finish(check);
}

void check_init(struct check *check)
{
    check->fd = -1;
    check->told = false;
    ev_init(&check->io, on_ready);
    ev_init(&check->timer, on_timeout);
    check->io.data = check->timer.data = check;
}

void check_begin(struct check *check)
{
    check->told = false;
    check->discarded = 0;
    check->fd = socket(check->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (check->fd < 0)
        fail(check, errno);
    else if (connect(check->fd, &check->address.any, check->address.length) == 0)
        end_connect(check);
    else if (errno == EINPROGRESS)
        wait_for(check, EV_WRITE, check->timeout_ms);
    else
        fail(check, errno);
}

void check_cancel(struct check *check)
{
    ev_io_stop(check->loop, &check->io);
    ev_timer_stop(check->loop, &check->timer);
    if (check->fd >= 0)
        close(check->fd);
    check->fd = -1;
}
