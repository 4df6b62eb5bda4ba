#include "base/clock.h"
#include "tls/connection.h"
#include "tls/fault.h"

#include <errno.h>
#include <ev.h>
#include <sys/socket.h>

/* What the library reads at once where it is read from in bulk: four whole records, with room for
 * their heads and tags. (It takes hold when the library next makes its buffer, which it gives back
 * whenever it has read all that came.) */
#define WIDE_READ (4u * (SSL3_RT_MAX_PLAIN_LENGTH + 32u))

static void choose_buffer(struct tls_connection *connection, size_t room)
{
    bool wide = room >= WIDE_READ;
    if (wide == connection->wide)
        return;
    connection->wide = wide;
    SSL_set_default_read_buffer_len(connection->ssl, wide ? WIDE_READ : 0);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Reads records until the room is full, or no whole one is left inside and none in the socket. */
static enum stream_status tls_read(struct stream *s, void *room, size_t size, size_t *ret_count)
{
    struct tls_connection *connection = s->state;
    size_t have = 0;
    connection->untold = false;
    connection->asked = true;
    if (connection->outcome != STREAM_OK)
        return connection->outcome;
    tls_forget_errors();
    choose_buffer(connection, size);
    bool more = true;
    do {
        size_t count = 0;
        int result =
            SSL_read_ex(connection->ssl, (unsigned char *)room + have, size - have, &count);
        have += count;
        if (result == 1) {
            more = SSL_has_pending(connection->ssl) == 1 || !connection->wire.dry;
            connection->starved = !more;
            continue;
        }
        enum stream_status status = tls_judge(connection, result, &s->read_waits);
        connection->starved = status == STREAM_AGAIN || status == STREAM_EOF;
        if (status == STREAM_EOF)
            s->truncated = !connection->close_notify;
        if (have == 0)
            return status;
        /* Behind these bytes came the end: the socket will not announce it a second time. */
        connection->untold = status != STREAM_AGAIN;
        break;
    } while (have < size && more);
    *ret_count = have;
    return STREAM_OK;
}

/* Where the peer has reset, that is no outcome of the connection yet: see tls_read(). */
static enum stream_status judge_write(struct tls_connection *connection, int result,
                                      uint8_t *ret_waits)
{
    if (!connection->wire.refused)
        return tls_judge(connection, result, ret_waits);
    tls_forget_errors();
    return STREAM_RESET;
}

/* After a system call on the socket that failed. */
static enum stream_status wait_or_fail(struct stream *s)
{
    if (errno != EAGAIN)
        return tls_judge_socket(s->state, errno);
    s->write_waits = EV_WRITE;
    return STREAM_AGAIN;
}

/* The kernel makes the records. */
static enum stream_status write_engaged(struct stream *s, const void *bytes, size_t size,
                                        size_t *ret_count)
{
    struct tls_connection *connection = s->state;
    ssize_t count;
    do
        count = send(s->fd, bytes, size, MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return wait_or_fail(s);
    tls_kernel_took(connection->wire.kernel, (size_t)count);
    *ret_count = (size_t)count;
    return STREAM_OK;
}

/* The first records of a burst fit into one segment each, as many as TCP sends before it has heard
 * of any: a client on a slow or lossy line can read each as it comes, where a large one is of no
 * use before its last byte. A burst begins behind a second without more than a segment. */
#define SMALL_RECORD  1369u
#define SMALL_RECORDS 10u
#define BURST_OVER_MS 1000u

static void note_burst(struct tls_connection *connection, size_t size)
{
    if (size <= SMALL_RECORD)
        return;
    uint32_t now = (uint32_t)(clock_monotonic_us() / 1000) | 1u;
    if (connection->large_at_ms == 0 || now - connection->large_at_ms > BURST_OVER_MS)
        connection->small_left = SMALL_RECORDS;
    connection->large_at_ms = now;
}

/* What is tried again, or was packed before, must not be less than it was. */
static size_t record_size(const struct tls_connection *connection)
{
    bool large = connection->small_left == 0 || connection->wire.owing ||
                 connection->wire.errand != NULL;
    return large ? SSL3_RT_MAX_PLAIN_LENGTH : SMALL_RECORD;
}

static enum stream_status write_records(struct stream *s, const void *bytes, size_t size,
                                        size_t *ret_count)
{
    struct tls_connection *connection = s->state;
    size_t done = 0;
    do {
        /* One record at a time: behind one that it still owed the library would make another. */
        size_t count = 0, piece = least(size - done, record_size(connection));
        connection->wire.more = size - done > piece;
        int result =
            SSL_write_ex(connection->ssl, (const unsigned char *)bytes + done, piece, &count);
        done += count;
        if (result == 1 && connection->small_left > 0)
            connection->small_left--;
        if (result == 1)
            continue;
        enum stream_status status = judge_write(connection, result, &s->write_waits);
        connection->wire.more = false;
        if (done == 0)
            return status;
        break;
    } while (done < size);
    *ret_count = done;
    return STREAM_OK;
}

static enum stream_status tls_write(struct stream *s, const void *bytes, size_t size,
                                    size_t *ret_count)
{
    struct tls_connection *connection = s->state;
    if (connection->outcome != STREAM_OK)
        return connection->outcome;
    if (tls_wire_is_engaged(&connection->wire))
        return write_engaged(s, bytes, size, ret_count);
    tls_forget_errors();
    note_burst(connection, size);
    return write_records(s, bytes, size, ret_count);
}

/* One send for several records: the system call costs more than it does to copy them. */
static enum stream_status tls_write_much(struct stream *s, const void *bytes, size_t size,
                                         unsigned char *work, size_t *ret_count)
{
    struct tls_connection *connection = s->state;
    struct tls_batch batch = {.room = work, .size = STREAM_WORK_BYTES};
    tls_wire_begin_batch(&connection->wire, &batch);
    enum stream_status status = tls_write(s, bytes, size, ret_count);
    tls_wire_end_batch(&connection->wire);
    return status;
}

/* --- with system calls that others make ------------------------------------------------------- */

static enum stream_status tls_read_lent(struct stream *s, const struct stream_lent *lent,
                                        void *room, size_t size, size_t *ret_count)
{
    struct tls_connection *connection = s->state;
    struct tls_errand errand;
    tls_wire_lend(&connection->wire, &errand, lent);
    enum stream_status status = tls_read(s, room, size, ret_count);
    tls_wire_take_back(&connection->wire);
    return status;
}

/* Whatever the library says here, it says again. */
static void tls_pack(struct stream *s, const void *bytes, size_t size, struct stream_parcel *parcel)
{
    struct tls_connection *connection = s->state;
    struct tls_wire *wire = &connection->wire;
    struct tls_errand errand = {.parcel = parcel};
    size_t count = 0;
    if (connection->outcome != STREAM_OK || tls_wire_is_engaged(wire) || !tls_wire_is_free(wire))
        return;
    tls_forget_errors();
    wire->errand = &errand;
    (void)SSL_write_ex(connection->ssl, bytes, size, &count);
    wire->errand = NULL;
}

static enum stream_status tls_deliver(struct stream *s, const void *bytes, size_t size,
                                      struct stream_parcel *parcel, size_t *ret_count)
{
    struct tls_wire *wire = &((struct tls_connection *)s->state)->wire;
    struct tls_errand errand = {.parcel = parcel, .sent = true};
    if (parcel->length == 0)
        return tls_write(s, bytes, size, ret_count);
    wire->errand = &errand;
    enum stream_status status = write_records(s, bytes, size, ret_count);
    wire->errand = NULL;
    return status;
}

/* --- ends ------------------------------------------------------------------------------------- */

/* close_notify once; a further SSL_shutdown() would begin to read. MSG_MORE: the FIN that follows
 * at once, of shutdown() or close(), takes it along in one segment. */
static enum stream_status notify(struct stream *s)
{
    struct tls_connection *connection = s->state;
    if (tls_wire_is_engaged(&connection->wire)) {
        connection->notified =
            tls_kernel_alert(connection->wire.kernel, s->fd, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
        return connection->notified ? STREAM_OK : wait_or_fail(s);
    }
    tls_forget_errors();
    connection->wire.more = true;
    int result = SSL_shutdown(connection->ssl);
    connection->wire.more = false;
    if (result < 0) {
        enum stream_status status = judge_write(connection, result, &s->write_waits);
        if (status != STREAM_OK)
            return status;
    }
    connection->notified = true;
    return STREAM_OK;
}

/* A FIN would overtake what the kernel has encrypted and not given to TCP yet. */
static bool is_drained(struct stream *s)
{
    const struct tls_wire *wire = &((struct tls_connection *)s->state)->wire;
    s->write_waits = EV_WRITE;
    return !tls_wire_is_engaged(wire) || tls_kernel_is_drained(wire->kernel, s->fd);
}

static enum stream_status tls_finish(struct stream *s)
{
    struct tls_connection *connection = s->state;
    if (connection->outcome != STREAM_OK)
        return connection->outcome;
    if (connection->established && !connection->notified && !s->blunt) {
        enum stream_status status = notify(s);
        if (status != STREAM_OK)
            return status;
    }
    if (!is_drained(s))
        return STREAM_AGAIN;
    if (s->blunt)
        tls_wire_flush(&connection->wire); /* a ticket that waited for an answer in vain */
    s->finished = true;
    if (s->last)
        return STREAM_OK;
    /* ENOTCONN: the peer has already reset; reading will tell. */
    if (shutdown(s->fd, SHUT_WR) == 0 || errno == ENOTCONN)
        return STREAM_OK;
    return connection->outcome = STREAM_BROKEN;
}

/* From this version on the library keeps what came behind the handshake where SSL_has_pending()
 * does not look, until it is asked for data. */
#define HIDES_SINCE 0x30200000ul

static bool may_hide_input(const struct tls_connection *connection)
{
    return connection->established && !connection->asked && OpenSSL_version_num() >= HIDES_SINCE;
}

static bool tls_pending(const struct stream *s)
{
    const struct tls_connection *connection = s->state;
    if (connection->untold)
        return true;
    if (connection->outcome != STREAM_OK)
        return false;
    if (buffer_length(&connection->wire.fetched) > 0)
        return true;
    /* SSL_has_pending() also counts the beginning of a record, which only the socket can complete.
     */
    return SSL_pending(connection->ssl) > 0 ||
           (!connection->starved &&
            (SSL_has_pending(connection->ssl) == 1 || may_hide_input(connection)));
}

static void tls_ready(struct stream *s)
{
    struct tls_connection *connection = s->state;
    tls_wire_ready(&connection->wire);
}

static bool tls_unseal(struct stream *s)
{
    struct tls_connection *connection = s->state;
    return connection->wire.kernel != NULL && connection->outcome == STREAM_OK &&
           !connection->notified && tls_wire_engage(&connection->wire);
}

static void tls_spliced(struct stream *s, size_t count)
{
    struct tls_connection *connection = s->state;
    tls_kernel_took(connection->wire.kernel, count);
}

static void tls_release(struct stream *s)
{
    tls_connection_free(s->state);
    s->state = NULL;
}

static const char *tls_fault(const struct stream *s)
{
    const struct tls_connection *connection = s->state;
    return connection->fault;
}

const struct stream_ops tls_stream_ops = {
    .read = tls_read,
    .write = tls_write,
    .read_lent = tls_read_lent,
    .pack = tls_pack,
    .deliver = tls_deliver,
    .write_much = tls_write_much,
    .finish = tls_finish,
    .pending = tls_pending,
    .unseal = tls_unseal,
    .spliced = tls_spliced,
    .ready = tls_ready,
    .release = tls_release,
    .fault = tls_fault,
};
