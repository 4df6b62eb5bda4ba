#include "tls/wire.h"

#include <errno.h>
#include <sys/socket.h>

/* One per process, as OpenSSL wants it: made by tls_wire_start(), read-only afterwards. */
static BIO_METHOD *method;

static int wire_read(BIO *bio, char *room, int size)
{
    struct tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (wire->stopped)
        return -1;
    if (wire->dry) {
        BIO_set_retry_read(bio);
        return -1;
    }
    ssize_t count;
    do
        count = recv(wire->fd, room, (size_t)size, 0);
    while (count < 0 && errno == EINTR);
    if (count > 0) {
        wire->dry = count < size;
        return (int)count;
    }
    if (count == 0) {
        wire->eof = true;
        return 0;
    }
    if (errno == EAGAIN) {
        wire->dry = true;
        BIO_set_retry_read(bio);
    } else {
        wire->error = errno;
    }
    return -1;
}

/* What send() took, or -1 with the retry flag or wire->error set. */
static int send_some(BIO *bio, struct tls_wire *wire, const void *bytes, size_t size)
{
    ssize_t count;
    do
        count = send(wire->fd, bytes, size, MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    if (count >= 0)
        return (int)count;
    if (errno == EAGAIN)
        BIO_set_retry_write(bio);
    else
        wire->error = errno;
    return -1;
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
    return true;
}

static int wire_write(BIO *bio, const char *bytes, int size)
{
    struct tls_wire *wire = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (wire->collecting) {
        if (buffer_append(&wire->held, span_of(bytes, (size_t)size)))
            return size;
        wire->error = ENOMEM;
        return -1;
    }
    if (!send_held(bio, wire))
        return -1;
    return send_some(bio, wire, bytes, (size_t)size);
}

static long wire_ctrl(BIO *bio, int command, long number, void *pointer)
{
    struct tls_wire *wire = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        BIO_clear_retry_flags(bio);
        return send_held(bio, wire) ? 1 : -1;
    case BIO_CTRL_EOF:
        return wire->eof;
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

void tls_wire_release(struct tls_wire *wire)
{
    buffer_release(&wire->held);
}
