/* wire: the BIO between OpenSSL and a connected, non-blocking socket. For the TLS floor only.
 *
 * What the library's own socket BIO does not do:
 *   dry         after a read that got less than it asked for, the next read says "retry" without
 *               the system call that would only return EAGAIN; tls_wire_ready() forgets it
 *   collecting  writes are held until the flush, so that a handshake's flight is one send
 *   later       ... and even longer: what is held goes out with the next write behind it
 *   more        what is written does not end a segment (MSG_MORE): more follows
 *   batch       ... until more has come together than fits: what is written is gathered there and
 *               sent with the first write that does not fit, or behind which no more follows
 *   errand      somebody else makes the system calls of one read or write: what he has read is
 *               taken from him; what is written is kept for him, and the library told to try
 *               again, which then finds what he has sent
 *   fetched     input that was read before the library asks for it, so that the socket is not
 *               ready again and again while its handshake waits for its turn
 *   eof, error  a FIN and a reset are told apart, whatever OpenSSL makes of them
 *   kernel      the keys of the sending direction are noted; once the kernel encrypts, what the
 *               library writes is dropped
 * Nothing that was held is ever overtaken. No signal is raised by a broken pipe. */
#ifndef TLS_WIRE_H
#define TLS_WIRE_H

#include "base/buffer.h"
#include "base/error.h"
#include "io/stream.h"
#include "tls/kernel.h"

#include <openssl/bio.h>

/* Either a read or a write: the first two, or the last two. */
struct tls_errand {
    const struct stream_lent *lent;
    size_t taken; /* of it */
    struct stream_parcel *parcel;
    bool sent; /* ... and now it is said what became of it */
};

/* Room of somebody else's for the time of some writes. */
struct tls_batch {
    unsigned char *room;
    size_t size, filled;
};

struct tls_wire {
    int fd;        /* borrowed */
    int16_t error; /* errno of the call that failed; 0 */
    bool dry : 1;
    bool eof : 1;
    bool stopped : 1;     /* set by the owner: every further read fails */
    bool collecting : 1;  /* set by the owner; likewise `later` */
    bool later : 1;       /* flushes are put off */
    bool more : 1;        /* more will be written at once; likewise */
    bool reset : 1;       /* a write has met it; reading alone would show a clean end behind it */
    bool refused : 1;     /* ... and the library was told */
    bool fetched_all : 1; /* what was fetched emptied the socket */
    bool owing : 1;       /* the library has a rest of its last write to send */
    struct buffer held;   /* empty outside handshakes, but for what goes with the first answer and
                             what a socket did not take of a batch */
    struct buffer fetched;
    struct tls_errand *errand; /* its owner's, during one call of the library; else NULL */
    struct tls_batch *batch;   /* its owner's; NULL: there is none */
    struct tls_kernel *kernel; /* owned; NULL: there is none, or it is of no use any more */
};

/* Once, before the first tls_wire_bio(); further calls do nothing. Not thread-safe. */
bool tls_wire_start(struct error *error) MUST_CHECK;

/* A BIO that reads and writes through `wire`, which must outlive it. NULL: out of memory. */
BIO *tls_wire_bio(struct tls_wire *wire) MUST_CHECK;

static inline void tls_wire_ready(struct tls_wire *wire)
{
    wire->dry = false;
}

/* What is written from now on is gathered in `batch`, which is empty, where more follows. The end:
 * what has not been sent comes before whatever is written next. */
void tls_wire_begin_batch(struct tls_wire *wire, struct tls_batch *batch);
void tls_wire_end_batch(struct tls_wire *wire);

/* Does this errno say that the peer is gone without a clean end? */
bool tls_wire_is_reset(int number);

/* Reads what is there. false: nothing new, or the end, which the next read will tell. */
bool tls_wire_fetch(struct tls_wire *wire);

/* Lends the wire what was read for it, until it is taken back: the wire keeps what the library has
 * not asked for. */
void tls_wire_lend(struct tls_wire *wire, struct tls_errand *errand,
                   const struct stream_lent *lent);
void tls_wire_take_back(struct tls_wire *wire);

/* Whether what the library writes now would be all that the socket has to take. */
static inline bool tls_wire_is_free(const struct tls_wire *wire)
{
    return !wire->owing && !wire->collecting && buffer_length(&wire->held) == 0;
}

/* Sends what is held as far as it goes now. A peer that has gone is told of by reading,
 * behind what it said before. */
void tls_wire_flush(struct tls_wire *wire);

/* Has the kernel encrypt from now on, if it can and nothing of the library's own is unsent. From
 * then on plaintext is written to the descriptor. */
bool tls_wire_engage(struct tls_wire *wire);

static inline bool tls_wire_is_engaged(const struct tls_wire *wire)
{
    return wire->kernel != NULL && tls_kernel_is_engaged(wire->kernel);
}

/* The library's keys are others than those that were noted. */
void tls_wire_forget_keys(struct tls_wire *wire);

void tls_wire_release(struct tls_wire *wire); /* does not close the descriptor */

#endif
