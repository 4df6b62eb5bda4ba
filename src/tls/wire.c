#include "tls/wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* One per process, as OpenSSL wants it: made by tls_wire_start(), read-only afterwards. */
static BIO_METHOD *method;

/* As the plain stream has it: the peer is gone without a clean end. */
bool tls_wire_is_reset(int number)
{
    return number == ECONNRESET || number == EPIPE || number == ETIMEDOUT ||
           number == EHOSTUNREACH || number == ENETUNREACH || number == ECONNABORTED;
}

/* The beginning of what tls_wire_fetch() has read. */
static int read_fetched(struct tls_wire *wire, char *room, size_t size)
{
    struct span left = buffer_span(&wire->fetched);
    size_t count = left.length < size ? left.length : size;
    memcpy(room, left.data, count);
    buffer_consume(&wire->fetched, count);
    if (count < left.length)
        return (int)count;
    buffer_release(&wire->fetched);
    wire->dry = wire->fetched_all;
    return (int)count;
}

static void note_error(struct tls_wire *wire, int number)
{
    wire->error = (int16_t)number;
}

static bool has_lent(const struct tls_wire *wire)
{
    return wire->errand != NULL && wire->errand->lent != NULL;
}

static int read_lent(struct tls_wire *wire, char *room, size_t size)
{
    struct tls_errand *errand = wire->errand;
    size_t left = (size_t)errand->lent->got - errand->taken, count = left < size ? left : size;
    memcpy(room, errand->lent->bytes + errand->taken, count);
    errand->taken += count;
    if (count == left) {
        wire->dry = (size_t)errand->lent->got < errand->lent->room;
        wire->errand = NULL;
    }
    return (int)count;
}

void tls_wire_lend(struct tls_wire *wire, struct tls_errand *errand, const struct stream_lent *lent)
{
    *errand = (struct tls_errand){.lent = lent};
    bool none = lent->got == -EAGAIN || lent->got == -EINTR;
    wire->dry = none;
    if (lent->got > 0)
        wire->errand = errand;
    else if (lent->got < 0 && !none)
        note_error(wire, -lent->got); /* is told once only; an end is told again */
}

void tls_wire_take_back(struct tls_wire *wire)
{
    struct tls_errand *errand = wire->errand;
    wire->errand = NULL;
    if (errand == NULL)
        return;
    const struct stream_lent *lent = errand->lent;
    struct span left = span_of(lent->bytes + errand->taken, (size_t)lent->got - errand->taken);
    wire->dry = false;
    wire->fetched_all = (size_t)lent->got < lent->room;
    if (!buffer_append(&wire->fetched, left))
        note_error(wire, ENOMEM);
}

static int wire_read(BIO *bio, char *room, int size)
{
    struct tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (wire->stopped)
        return -1;
    if (buffer_length(&wire->fetched) > 0)
        return read_fetched(wire, room, (size_t)size);
    if (has_lent(wire))
        return read_lent(wire, room, (size_t)size);
    if (wire->dry) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if (wire->error != 0)
        return -1;
    ssize_t count;
    do
        count = recv(wire->fd, room, (size_t)size, 0);
    while (count < 0 && errno == EINTR);
    if (count > 0) {
        wire->dry = count < size;
        return (int)count;
    }
    if (count == 0 && wire->reset) {
        note_error(wire, ECONNRESET);
        return -1;
    }
    if (count == 0) {
        wire->eof = true;
        return 0;
    }
    if (errno == EAGAIN) {
        wire->dry = true;
        BIO_set_retry_read(bio);
    } else {
        note_error(wire, errno);
    }
    return -1;
}

/* After a write that failed. A peer that is gone may have spoken before: reading goes on. */
static int refuse(BIO *bio, struct tls_wire *wire)
{
    if (errno == EAGAIN)
        BIO_set_retry_write(bio);
    else if (tls_wire_is_reset(errno))
        wire->reset = wire->refused = true;
    else
        note_error(wire, errno);
    return -1;
}

/* OpenSSL's own numbers of these controls; its sockets know them, its headers do not show them. */
#define CTRL_SET_KTLS 72

/* What send() took, or -1 with the retry flag or wire->error set. */
static int send_some(BIO *bio, struct tls_wire *wire, const void *bytes, size_t size)
{
    ssize_t count;
    do
        count = send(wire->fd, bytes, size, MSG_NOSIGNAL | (wire->more ? MSG_MORE : 0));
    while (count < 0 && errno == EINTR);
    wire->owing = count != (ssize_t)size;
    if (count >= 0)
        return (int)count;
    return refuse(bio, wire);
}

static bool send_held(BIO *bio, struct tls_wire *wire)
{
    while (buffer_length(&wire->held) > 0) {
        struct span left = buffer_span(&wire->held);
        int count = send_some(bio, wire, left.data, left.length);
        if (count < 0)
            return false;
        buffer_consume(&wire->held, (size_t)count);
    }
    if (!wire->collecting)
        buffer_release(&wire->held);
    return true;
}

/* What of the batch did not go out with the first `sent` bytes of it. */
static bool keep_rest(struct tls_wire *wire, size_t sent)
{
    struct tls_batch *batch = wire->batch;
    struct span left = span_of(batch->room + sent, batch->filled - sent);
    batch->filled = 0;
    if (buffer_append(&wire->held, left))
        return true;
    note_error(wire, ENOMEM);
    return false;
}

static bool has_batch(const struct tls_wire *wire)
{
    return wire->batch != NULL && wire->batch->filled > 0;
}

/* What goes before anything else: never both of them. */
static struct span front_of(const struct tls_wire *wire)
{
    return has_batch(wire) ? span_of(wire->batch->room, wire->batch->filled)
                           : buffer_span(&wire->held);
}

/* So many bytes of it are out. */
static bool consume_front(struct tls_wire *wire, size_t count)
{
    if (has_batch(wire))
        return keep_rest(wire, count);
    buffer_consume(&wire->held, count);
    if (buffer_length(&wire->held) == 0)
        buffer_release(&wire->held);
    return true;
}

/* What was held or gathered and `bytes` behind it in one call. What it returns counts `bytes`
 * alone. */
static int send_together(BIO *bio, struct tls_wire *wire, const char *bytes, size_t size)
{
    struct span front = front_of(wire);
    struct iovec parts[2] = {{(void *)(uintptr_t)front.data, front.length},
                             {(void *)(uintptr_t)bytes, size}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = COUNT_OF(parts)};
    ssize_t count;
    do
        count = sendmsg(wire->fd, &message, MSG_NOSIGNAL | (wire->more ? MSG_MORE : 0));
    while (count < 0 && errno == EINTR);
    int number = errno;
    size_t taken = count < 0 ? 0 : (size_t)count;
    wire->owing = taken != front.length + size;
    if (!consume_front(wire, taken < front.length ? taken : front.length))
        return -1;
    errno = number;
    if (count < 0)
        return refuse(bio, wire);
    if (taken > front.length)
        return (int)(taken - front.length);
    return send_held(bio, wire) ? send_some(bio, wire, bytes, size) : -1;
}

/* Is there room for it, and more to come? Not behind what the socket has refused: nothing more is
 * made into records then that it may refuse, too. */
static bool batch_takes(struct tls_wire *wire, const char *bytes, size_t size)
{
    struct tls_batch *batch = wire->batch;
    if (batch == NULL || !wire->more || wire->owing || buffer_length(&wire->held) > 0 ||
        batch->size - batch->filled < size)
        return false;
    memcpy(batch->room + batch->filled, bytes, size);
    batch->filled += size;
    return true;
}

/* The library keeps the record as well, and gives it again. */
static int pack(BIO *bio, struct tls_wire *wire, const char *bytes, size_t size)
{
    struct stream_parcel *parcel = wire->errand->parcel;
    if (parcel->length == 0 && size <= parcel->size) {
        memcpy(parcel->room, bytes, size);
        parcel->bytes = parcel->room;
        parcel->length = size;
    }
    wire->owing = true;
    BIO_set_retry_write(bio);
    return -1;
}

/* What was sent counts for this write, and the next one makes its own call; so does this one where
 * nothing was. */
static int deliver(BIO *bio, struct tls_wire *wire, const char *bytes, size_t size)
{
    int sent = wire->errand->parcel->sent;
    assert(wire->errand->parcel->length == size);
    wire->errand = NULL;
    if (sent == 0 || sent == -EAGAIN || sent == -EINTR)
        return send_some(bio, wire, bytes, size);
    wire->owing = sent != (int)size;
    if (sent > 0)
        return sent;
    errno = -sent;
    return refuse(bio, wire);
}

static int wire_write(BIO *bio, const char *bytes, int size)
{
    struct tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls_wire_is_engaged(wire))
        return size; /* no record of the library's fits any more: see tls/kernel.h */
    if (wire->error == ENOMEM)
        return -1; /* something was lost */
    if (wire->collecting) {
        if (buffer_append(&wire->held, span_of(bytes, (size_t)size)))
            return size;
        note_error(wire, ENOMEM);
        return -1;
    }
    if (batch_takes(wire, bytes, (size_t)size))
        return size;
    if (buffer_length(&wire->held) > 0 || has_batch(wire))
        return send_together(bio, wire, bytes, (size_t)size);
    if (wire->errand != NULL && wire->errand->parcel != NULL)
        return (wire->errand->sent ? deliver : pack)(bio, wire, bytes, (size_t)size);
    return send_some(bio, wire, bytes, (size_t)size);
}

void tls_wire_forget_keys(struct tls_wire *wire)
{
    if (tls_wire_is_engaged(wire))
        return;
    tls_kernel_free(wire->kernel);
    wire->kernel = NULL;
}

/* "No" to the library in any case: it goes on encrypting. */
static void note_keys(struct tls_wire *wire, bool sending, const void *crypto_info)
{
    if (!sending)
        return;
    tls_wire_forget_keys(wire);
    if (wire->kernel == NULL)
        wire->kernel = tls_kernel_note(crypto_info);
}

bool tls_wire_engage(struct tls_wire *wire)
{
    if (wire->kernel == NULL)
        return false;
    if (tls_kernel_is_engaged(wire->kernel))
        return true;
    if (wire->owing || wire->collecting || buffer_length(&wire->held) > 0)
        return false;
    if (!tls_kernel_engage(wire->kernel, wire->fd))
        tls_wire_forget_keys(wire);
    return wire->kernel != NULL;
}

static int flush_wire(BIO *bio, struct tls_wire *wire)
{
    BIO_clear_retry_flags(bio);
    return wire->later || send_held(bio, wire) ? 1 : -1;
}

/* Asked a dozen times per record for what there is none of here. */
static long wire_ctrl(BIO *bio, int command, long number, void *pointer)
{
    switch (command) {
    case BIO_CTRL_FLUSH:
        return flush_wire(bio, BIO_get_data(bio));
    case BIO_CTRL_EOF:
        return ((const struct tls_wire *)BIO_get_data(bio))->eof;
    case CTRL_SET_KTLS:
        note_keys(BIO_get_data(bio), number != 0, pointer);
        return 0;
    default:
        return 0;
    }
}

bool tls_wire_start(struct error *error)
{
    if (method != NULL)
        return true;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "muxgate wire");
    if (method == NULL)
        return error_memory(error);
    BIO_meth_set_read(method, wire_read);
    BIO_meth_set_write(method, wire_write);
    BIO_meth_set_ctrl(method, wire_ctrl);
    return true;
}

BIO *tls_wire_bio(struct tls_wire *wire)
{
    BIO *bio = BIO_new(method);
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    return bio;
}

/* One read: what it does not take stays in the kernel. */
enum { FETCH_MOST = 4096 };

bool tls_wire_fetch(struct tls_wire *wire)
{
    unsigned char room[FETCH_MOST];
    if (buffer_length(&wire->fetched) > 0)
        return false;
    ssize_t count = recv(wire->fd, room, sizeof room, 0);
    if (count < 0 && errno != EAGAIN && errno != EINTR)
        note_error(wire, errno); /* is told once only */
    if (count <= 0)
        return false;
    if (!buffer_append(&wire->fetched, span_of(room, (size_t)count))) {
        note_error(wire, ENOMEM);
        return false;
    }
    wire->fetched_all = (size_t)count < sizeof room;
    return true;
}

void tls_wire_begin_batch(struct tls_wire *wire, struct tls_batch *batch)
{
    wire->batch = batch;
}

void tls_wire_end_batch(struct tls_wire *wire)
{
    (void)keep_rest(wire, 0); /* if not, no further write comes behind the gap */
    wire->batch = NULL;
}

void tls_wire_flush(struct tls_wire *wire)
{
    while (buffer_length(&wire->held) > 0) {
        struct span left = buffer_span(&wire->held);
        ssize_t count = send(wire->fd, left.data, left.length, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return; /* the next write takes it along */
        /* The kernel tells of a reset once. EPIPE: the end that reading shows is the true one. */
        wire->reset = wire->reset || (count < 0 && errno != EPIPE);
        buffer_consume(&wire->held, count < 0 ? left.length : (size_t)count);
    }
    buffer_release(&wire->held);
}

void tls_wire_release(struct tls_wire *wire)
{
    buffer_release(&wire->fetched);
    buffer_release(&wire->held);
    tls_kernel_free(wire->kernel);
    wire->kernel = NULL;
}
