/* bench_backend: the plain server behind every gateway that is measured. Its protocol: payload.h.
 *
 *   bench_backend [PORT]      prints "ready PORT" and serves until it is ended */
#include "leg.h"
#include "net.h"
#include "payload.h"
#include "util.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define DOWNLOAD_MOST (UINT64_C(1) << 40)

struct session {
    struct leg leg;
    enum { AWAITING, ECHOING, SENDING, TAKING } state;
    uint64_t offset, left; /* of the download or upload at work */
    char command[COMMAND_MAX];
    size_t command_length;
};

static struct {
    struct events events;
    struct watch listener;
    unsigned char scratch[CHUNK_MAX];
} backend;

/* A batch names each session once, by its one descriptor: it can go at once. */
static void session_end(struct session *s)
{
    wire_close(&s->leg.wire);
    buffer_release(&s->leg.kept);
    free(s);
}

static bool session_send(struct session *s)
{
    size_t piece = s->left < CHUNK_MAX ? (size_t)s->left : CHUNK_MAX;
    ssize_t count = wire_write(&s->leg.wire, payload_at(s->offset), piece);

    if (count == WIRE_AGAIN)
        return true;
    if (count <= 0)
        return false;
    s->offset += (uint64_t)count;
    s->left -= (uint64_t)count;
    if (s->left == 0)
        s->state = AWAITING;
    return true;
}

static bool session_take(struct session *s, const unsigned char *bytes, size_t length)
{
    if (length > s->left || !payload_matches(bytes, length, s->offset))
        return false;
    s->offset += length;
    s->left -= length;
    if (s->left > 0)
        return true;
    s->state = AWAITING;
    return leg_send(&s->leg, "K", 1);
}

/* One byte of a command; at its end the command begins. */
static bool session_command(struct session *s, char byte)
{
    if (byte != '\n') {
        if (s->command_length == sizeof s->command - 1)
            return false;
        s->command[s->command_length++] = byte;
        return true;
    }
    s->command[s->command_length] = '\0';
    s->command_length = 0;
    if (s->command[0] != 'D' && s->command[0] != 'S')
        return false;
    s->left = number_of(s->command + 1, "command", 1, DOWNLOAD_MOST);
    s->offset = 0;
    s->state = s->command[0] == 'D' ? SENDING : TAKING;
    return s->state == TAKING || session_send(s);
}

static bool session_feed(struct session *s, const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (s->state == AWAITING && s->command_length == 0 && bytes[i] == 'E')
            s->state = ECHOING;
        if (s->state == ECHOING)
            return leg_send(&s->leg, bytes + i, length - i);
        if (s->state == TAKING)
            return session_take(s, bytes + i, length - i);
        if (s->state == SENDING || !session_command(s, (char)bytes[i]))
            return false;
    }
    return true;
}

static bool session_read(struct session *s)
{
    ssize_t count = wire_read(&s->leg.wire, backend.scratch, sizeof backend.scratch);

    if (count == WIRE_AGAIN)
        return true;
    return count > 0 && session_feed(s, backend.scratch, (size_t)count);
}

static bool session_step(struct session *s, uint32_t ready)
{
    if ((ready & EPOLLOUT) != 0 && !leg_flush(&s->leg))
        return false;
    if (s->state == SENDING)
        return session_send(s);
    return (ready & ~(uint32_t)EPOLLOUT) == 0 || session_read(s);
}

static void on_session(struct watch *watch, uint32_t ready)
{
    struct session *s = CONTAINER_OF(watch, struct session, leg.watch);
    uint32_t interest;

    if (!session_step(s, ready)) {
        session_end(s);
        return;
    }
    interest = s->state == SENDING ? EPOLLOUT : leg_is_full(&s->leg) ? 0 : EPOLLIN;
    leg_watch(&s->leg, &backend.events, interest);
}

static void on_listener(struct watch *watch, uint32_t ready)
{
    int fd;

    (void)ready;
    while ((fd = net_accept(watch->fd)) >= 0) {
        struct session *s = allocate(1, sizeof *s);

        s->leg.wire.fd = fd;
        s->leg.watch = (struct watch){fd, EPOLLIN, on_session};
        events_add(&backend.events, &s->leg.watch);
    }
}

int main(int argc, char **argv)
{
    uint16_t port = argc > 1 ? (uint16_t)number_of(argv[1], "port", 0, UINT16_MAX) : 0;

    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    events_init(&backend.events);
    backend.listener = (struct watch){net_listen(port), EPOLLIN, on_listener};
    events_add(&backend.events, &backend.listener);
    printf("ready %u\n", net_port(backend.listener.fd));
    fflush(stdout);
    return events_run(&backend.events, -1) ? EXIT_SUCCESS : EXIT_FAILURE;
}
