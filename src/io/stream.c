#include "io/stream.h"

#include "io/socket.h"

#include <errno.h>
#include <ev.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum stream_status stream_judge(int number)
{
    if (number == EAGAIN || number == EINTR)
        return STREAM_AGAIN;
    /* EPIPE: we wrote behind a reset that was already told. ETIMEDOUT: keep-alive or user timeout;
     * the peer is gone without a clean end, and the other side must not see one. */
    if (number == ECONNRESET || number == EPIPE || number == ETIMEDOUT || number == EHOSTUNREACH ||
        number == ENETUNREACH || number == ECONNABORTED)
        return STREAM_RESET;
    return STREAM_BROKEN;
}

static enum stream_status plain_read(struct stream *s, void *room, size_t size, size_t *ret_count)
{
    ssize_t count = recv(s->fd, room, size, 0);
    if (count < 0)
        return stream_judge(errno);
    *ret_count = (size_t)count;
    return count == 0 ? STREAM_EOF : STREAM_OK;
}

static void end_nagle(struct stream *s)
{
    if (--s->nagle == 0)
        socket_set_nodelay(s->fd);
}

static enum stream_status plain_write(struct stream *s, const void *bytes, size_t size,
                                      size_t *ret_count)
{
    if (s->nagle > 0)
        end_nagle(s);
    ssize_t count = send(s->fd, bytes, size, MSG_NOSIGNAL);
    if (count < 0)
        return stream_judge(errno);
    *ret_count = (size_t)count;
    return STREAM_OK;
}

static enum stream_status plain_read_lent(struct stream *s, const struct stream_lent *lent,
                                          void *room, size_t size, size_t *ret_count)
{
    (void)s;
    (void)size;
    if (lent->got < 0)
        return stream_judge(-lent->got);
    *ret_count = (size_t)lent->got;
    if (room != lent->bytes)
        memcpy(room, lent->bytes, (size_t)lent->got);
    return lent->got == 0 ? STREAM_EOF : STREAM_OK;
}

static void plain_pack(struct stream *s, const void *bytes, size_t size,
                       struct stream_parcel *parcel)
{
    if (s->nagle > 0)
        end_nagle(s);
    parcel->bytes = bytes;
    parcel->length = size;
}

static enum stream_status plain_deliver(struct stream *s, const void *bytes, size_t size,
                                        struct stream_parcel *parcel, size_t *ret_count)
{
    (void)s;
    (void)bytes;
    (void)size;
    if (parcel->sent < 0)
        return stream_judge(-parcel->sent);
    *ret_count = (size_t)parcel->sent;
    return STREAM_OK;
}

static enum stream_status plain_finish(struct stream *s)
{
    s->finished = true;
    /* ENOTCONN: the peer has already reset; reading will tell. */
    return shutdown(s->fd, SHUT_WR) == 0 || errno == ENOTCONN ? STREAM_OK : stream_judge(errno);
}

static const struct stream_ops plain_ops = {
    .read = plain_read,
    .write = plain_write,
    .read_lent = plain_read_lent,
    .pack = plain_pack,
    .deliver = plain_deliver,
    .finish = plain_finish,
};

void stream_plain(struct stream *ret, int fd)
{
    *ret = (struct stream){
        .ops = &plain_ops, .fd = fd, .read_waits = EV_READ, .write_waits = EV_WRITE};
}

void stream_outgoing(struct stream *ret, int fd, const struct address *to)
{
    stream_plain(ret, fd);
    ret->nagle = address_is_ip(to) ? 2 : 0;
}

bool stream_is_plain(const struct stream *s)
{
    return s->ops == &plain_ops;
}

bool stream_takes_splice(struct stream *s)
{
    return stream_is_plain(s) || (s->ops->unseal != NULL && s->ops->unseal(s));
}

void stream_close(struct stream *s, bool reset)
{
    if (!stream_is_open(s))
        return;
    if (s->ops->release != NULL)
        s->ops->release(s);
    if (reset)
        socket_set_reset(s->fd);
    (void)close(s->fd);
    *s = (struct stream){.fd = -1};
}

const char *stream_fault(const struct stream *s)
{
    return s->ops == NULL || s->ops->fault == NULL ? NULL : s->ops->fault(s);
}
