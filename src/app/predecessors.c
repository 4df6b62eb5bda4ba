#include "app/predecessors.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

struct predecessor {
    struct list link;
    struct predecessors *all;
    int fd; /* owned */
    ev_io io;
};

static void forget(struct predecessor *p)
{
    if (p->all->loop != NULL)
        ev_io_stop(p->all->loop, &p->io);
    (void)close(p->fd);
    list_remove(&p->link);
    free(p);
}

/* It has nothing to say: what matters is its end. */
static void on_word(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    struct predecessor *p = watcher->data;
    struct predecessors *all = p->all;
    struct inherit_packet packet;
    unsigned char buffer[INHERIT_BYTES_MAX];
    if (inherit_receive(p->fd, &packet, buffer)) {
        for (unsigned i = 0; i < packet.fd_count; i++)
            (void)close(packet.fds[i]);
        return;
    }
    if (errno == EAGAIN || errno == EINTR)
        return;
    forget(p);
    if (list_empty(&all->list))
        all->on_all_gone(all->context);
}

void predecessors_init(struct predecessors *all)
{
    *all = (struct predecessors){0};
    list_init(&all->list);
}

void predecessors_add(struct predecessors *all, int fd)
{
    struct predecessor *p = calloc(1, sizeof *p);
    if (p == NULL) {
        (void)close(fd);
        return;
    }
    p->all = all;
    p->fd = fd;
    ev_io_init(&p->io, on_word, fd, EV_READ);
    p->io.data = p;
    list_append(&all->list, &p->link);
}

void predecessors_watch(struct predecessors *all, struct ev_loop *loop,
                        void (*on_all_gone)(void *context), void *context)
{
    all->loop = loop;
    all->on_all_gone = on_all_gone;
    all->context = context;
    LIST_EACH(&all->list, node)
    {
        struct predecessor *p = LIST_ENTRY(node, struct predecessor, link);
        (void)fcntl(p->fd, F_SETFL, O_NONBLOCK);
        ev_io_start(loop, &p->io);
    }
}

bool predecessors_are_there(const struct predecessors *all)
{
    return !list_empty(&all->list);
}

/* Whom it does not reach has gone, which is noticed elsewhere. */
void predecessors_tell(const struct predecessors *all, enum inherit_kind kind, const char *text)
{
    const struct inherit_packet packet = {.kind = kind, .text = text};
    LIST_EACH(&all->list, node)
    (void)!inherit_send(LIST_ENTRY(node, struct predecessor, link)->fd, &packet);
}

/* How long one takes that has closed its ears and is about to say why. */
#define LAST_WORD_MS 10000

/* It listens no more: it has ended, or says why. */
static bool has_another(int fd)
{
    struct pollfd word = {.fd = fd, .events = POLLIN};
    struct inherit_packet packet;
    unsigned char buffer[INHERIT_BYTES_MAX];
    while (poll(&word, 1, LAST_WORD_MS) == 1 && inherit_receive(fd, &packet, buffer)) {
        for (unsigned i = 0; i < packet.fd_count; i++)
            (void)close(packet.fds[i]);
        if (packet.kind == INHERIT_TAKEN)
            return true;
    }
    return false;
}

bool predecessors_replace(const struct predecessors *all)
{
    const struct inherit_packet left = {.kind = INHERIT_LEFT, .text = ""};
    bool good = true;
    LIST_EACH(&all->list, node)
    {
        int fd = LIST_ENTRY(node, struct predecessor, link)->fd;
        good = good && (inherit_send(fd, &left) || !has_another(fd));
    }
    return good;
}

void predecessors_hand_over(const struct predecessors *all, int fd)
{
    struct inherit_packet packet = {.kind = INHERIT_BEFORE, .text = "", .fd_count = 1};
    LIST_EACH(&all->list, node)
    {
        packet.fds[0] = LIST_ENTRY(node, struct predecessor, link)->fd;
        if (!inherit_send(fd, &packet))
            log_event(LOG_LEVEL_WARNING, "upgrade.predecessor", "lost=true");
    }
}

void predecessors_leave(struct predecessors *all)
{
    LIST_EACH(&all->list, node)
    forget(LIST_ENTRY(node, struct predecessor, link));
}
