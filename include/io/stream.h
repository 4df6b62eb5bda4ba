/* stream: one side of a session, plain or TLS, behind the same few operations.
 *
 * A value inside its owner; `fd` and `state` are the stream's own from stream_plain() or the TLS
 * hand-over until stream_close(). All operations are non-blocking and belong to one worker.
 *
 * Waiting: after STREAM_AGAIN, `read_waits` / `write_waits` say for which readiness of the
 * descriptor that direction waits (EV_READ or EV_WRITE: TLS may cross them).
 *
 * A reset is never reported as an end, nor an end as a reset. */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include "base/address.h"
#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stream_status {
    STREAM_OK,     /* *ret_count bytes moved, at least one */
    STREAM_AGAIN,  /* nothing now; see read_waits / write_waits */
    STREAM_EOF,    /* the peer has finished sending (FIN or close_notify) */
    STREAM_RESET,  /* the peer reset the connection */
    STREAM_BROKEN, /* anything else: a bad record, an I/O error; see stream_fault() */
};

struct stream;

/* What somebody else has read from the descriptor. */
struct stream_lent {
    const unsigned char *bytes;
    size_t room; /* for so many bytes */
    int got;     /* as recv() gives it, or minus an errno */
};

/* What somebody else is to send to the descriptor, in place of a write. */
struct stream_parcel {
    unsigned char *room; /* the caller's, for what differs from the bytes that are written */
    size_t size;
    const unsigned char *bytes; /* to be sent; */
    size_t length;              /* 0: nothing */
    int sent;                   /* as send() gives it, or minus an errno */
};

struct stream_ops {
    enum stream_status (*read)(struct stream *s, void *room, size_t size, size_t *ret_count);
    enum stream_status (*write)(struct stream *s, const void *bytes, size_t size,
                                size_t *ret_count);
    /* See stream_read_lent(), stream_pack(), stream_deliver(). */
    enum stream_status (*read_lent)(struct stream *s, const struct stream_lent *lent, void *room,
                                    size_t size, size_t *ret_count);
    void (*pack)(struct stream *s, const void *bytes, size_t size, struct stream_parcel *parcel);
    enum stream_status (*deliver)(struct stream *s, const void *bytes, size_t size,
                                  struct stream_parcel *parcel, size_t *ret_count);
    /* See stream_write_much(); NULL: write() does as well. */
    enum stream_status (*write_much)(struct stream *s, const void *bytes, size_t size,
                                     unsigned char *work, size_t *ret_count);
    /* Nothing more will be written: FIN, after a close_notify where there is one. STREAM_OK when it
     * is out, STREAM_AGAIN when it must be called again on write_waits. */
    enum stream_status (*finish)(struct stream *s);
    /* Input that is already inside (decrypted or read ahead): readiness will not announce it. */
    bool (*pending)(const struct stream *s);
    /* Has plaintext be written to the descriptor itself from now on; false: that cannot be (yet).
     */
    bool (*unseal)(struct stream *s);
    /* So many bytes of it were, behind the stream's back. */
    void (*spliced)(struct stream *s, size_t count);
    /* Readiness was announced by the loop: a stream that remembers "dry" forgets it. */
    void (*ready)(struct stream *s);
    /* Frees `state`; the descriptor is closed by stream_close(). */
    void (*release)(struct stream *s);
    const char *(*fault)(const struct stream *s); /* a person's words for STREAM_BROKEN, or NULL */
};

struct stream {
    const struct stream_ops *ops; /* NULL: not open */
    void *state;                  /* TLS: owned by the stream; plain: NULL */
    int fd;
    uint8_t read_waits, write_waits;
    bool truncated : 1; /* TLS: the end came as a FIN without close_notify */
    bool finished : 1;  /* finish() returned STREAM_OK */
    bool last : 1;  /* set by the owner: what follows finish() is close(), which says FIN itself */
    bool blunt : 1; /* set by the owner. TLS: finish() is to be a FIN without close_notify */
    uint8_t nagle;  /* plain: with so many more writes TCP_NODELAY is set; 0: there is no need */
};

static inline bool stream_is_open(const struct stream *s)
{
    return s->ops != NULL;
}

static inline enum stream_status stream_read(struct stream *s, void *room, size_t size,
                                             size_t *ret_count)
{
    return s->ops->read(s, room, size, ret_count);
}

static inline enum stream_status stream_write(struct stream *s, const void *bytes, size_t size,
                                              size_t *ret_count)
{
    return s->ops->write(s, bytes, size, ret_count);
}

/* A read whose call of recv() was made beforehand. `room` may be where the bytes lie only if the
 * stream is plain. */
static inline enum stream_status stream_read_lent(struct stream *s, const struct stream_lent *lent,
                                                  void *room, size_t size, size_t *ret_count)
{
    return s->ops->read_lent(s, lent, room, size, ret_count);
}

/* A write whose call of send() the caller makes: pack, send what the parcel has, if anything, set
 * `sent`, and deliver the same bytes. That is the write, with what it then says and leaves behind;
 * nothing else may happen to the stream in between. */
static inline void stream_pack(struct stream *s, const void *bytes, size_t size,
                               struct stream_parcel *parcel)
{
    parcel->length = 0;
    s->ops->pack(s, bytes, size, parcel);
}

static inline enum stream_status stream_deliver(struct stream *s, const void *bytes, size_t size,
                                                struct stream_parcel *parcel, size_t *ret_count)
{
    return s->ops->deliver(s, bytes, size, parcel, ret_count);
}

/* `work` of stream_write_much(). */
#define STREAM_WORK_BYTES (64u * 1024u)

/* The same for many bytes: what they become on their way (records) is gathered in `work`, the
 * caller's, and sent together. When this returns, nothing is left there. */
static inline enum stream_status stream_write_much(struct stream *s, const void *bytes, size_t size,
                                                   unsigned char *work, size_t *ret_count)
{
    return s->ops->write_much != NULL ? s->ops->write_much(s, bytes, size, work, ret_count)
                                      : s->ops->write(s, bytes, size, ret_count);
}

static inline enum stream_status stream_finish(struct stream *s)
{
    return s->ops->finish(s);
}

static inline bool stream_pending(const struct stream *s)
{
    return s->ops->pending != NULL && s->ops->pending(s);
}

static inline void stream_ready(struct stream *s)
{
    if (s->ops != NULL && s->ops->ready != NULL)
        s->ops->ready(s);
}

/* What a failed call on a plain stream's descriptor says, by its errno. */
enum stream_status stream_judge(int number);

/* Raw bytes can be moved with splice(2). */
bool stream_is_plain(const struct stream *s);

/* splice(2) may write to the descriptor: always to a plain stream's, and to that of a TLS stream
 * whose records the kernel makes, which this asks for. stream_note_spliced() tells what it has
 * taken. */
bool stream_takes_splice(struct stream *s);

static inline void stream_note_spliced(struct stream *s, size_t count)
{
    if (s->ops->spliced != NULL)
        s->ops->spliced(s, count);
}

/* Takes a connected, non-blocking socket. */
void stream_plain(struct stream *ret, int fd);

/* The same for a connection of our own making. Nagle's algorithm never holds back a first write, so
 * that TCP_NODELAY is set by the second: most short sessions have none. */
void stream_outgoing(struct stream *ret, int fd, const struct address *to);

/* Something was written behind the stream's back. */
static inline void stream_note_write(struct stream *s)
{
    if (s->nagle > 1)
        s->nagle--;
}

/* Closes; with `reset` the peer gets a TCP reset (SO_LINGER 0), never a clean end. Safe on a stream
 * that is not open. Leaves the stream not open. */
void stream_close(struct stream *s, bool reset);

const char *stream_fault(const struct stream *s);

#endif
