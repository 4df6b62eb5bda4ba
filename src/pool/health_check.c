#include "health_check.h"

#include "base/units.h"
#include "inspect/proxy_header.h"
#include "io/socket.h"
#include "tls/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* A server that speaks first may say this much before it sees our FIN; past it we just close. */
#define DISCARD_MAX_BYTES (64u * 1024u)

#define ROOM_BYTES 4096

/* --- results --------------------------------------------------------------------------------- */

static void finish(struct check *check)
{
    check_cancel(check);
    check->on_done(check);
}

static void set_timer(struct check *check, uint64_t ms)
{
    ev_timer_stop(check->loop, &check->timer);
    ev_timer_set(&check->timer, (double)ms / (double)MS_PER_SECOND, 0.);
    ev_timer_start(check->loop, &check->timer);
}

static void watch(struct check *check, int events)
{
    if (ev_is_active(&check->io) && (check->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(check->loop, &check->io);
    ev_io_set(&check->io, check->stream.fd, events);
    ev_io_start(check->loop, &check->io);
}

static void fail(struct check *check, enum check_result result, const char *reason)
{
    check->on_result(check, result, reason);
    finish(check);
}

static void fail_call(struct check *check, int number)
{
    char room[128];
    bool ours = socket_fault_is_ours(number, &check->address);
    fail(check, ours ? CHECK_UNKNOWN : CHECK_BAD, strerror_r(number, room, sizeof room));
}

/* Our FIN first; then what the server still says is read away until its own, because closing over
 * unread bytes would send a reset. */
static void conclude(struct check *check, enum check_result result, const char *reason)
{
    check->step = CHECK_CLOSING;
    check->on_result(check, result, reason);
    buffer_release(&check->heard);
    set_timer(check, check->linger_ms);
    if (!talk_waits_for_end(check->talk) && stream_finish(&check->stream) != STREAM_OK)
        finish(check);
    else
        watch(check, check->stream.read_waits);
}

static void read_away(struct check *check)
{
    char room[ROOM_BYTES];
    size_t count = 0;
    enum stream_status status;
    do {
        status = stream_read(&check->stream, room, sizeof room, &count);
        check->discarded += status == STREAM_OK ? count : 0;
    } while (status == STREAM_OK && check->discarded <= DISCARD_MAX_BYTES);
    if (status == STREAM_AGAIN)
        watch(check, check->stream.read_waits);
    else
        finish(check);
}

/* --- talking --------------------------------------------------------------------------------- */

static void fail_stream(struct check *check, enum stream_status status)
{
    const char *fault = stream_fault(&check->stream);
    if (status == STREAM_RESET)
        fail(check, CHECK_BAD, "reset by the server");
    else
        fail(check, CHECK_BAD, fault != NULL ? fault : "I/O error");
}

/* false: the check is over. */
static bool say(struct check *check)
{
    struct span left = span_skip(buffer_span(&check->talk->say), check->said);
    while (left.length > 0) {
        size_t count = 0;
        enum stream_status status = stream_write(&check->stream, left.data, left.length, &count);
        if (status == STREAM_AGAIN)
            return true;
        if (status != STREAM_OK) {
            fail_stream(check, status);
            return false;
        }
        check->said += count;
        left = span_skip(left, count);
    }
    return true;
}

static bool has_said_all(const struct check *check)
{
    return check->said == buffer_length(&check->talk->say);
}

/* false: the check is over, but for the closing. */
static bool judge(struct check *check, bool final)
{
    char reason[TALK_REASON_MAX];
    if (!has_said_all(check) && !final)
        return true;
    enum verdict verdict = talk_judge(check->talk, buffer_span(&check->heard), final, reason);
    if (verdict == VERDICT_MORE)
        return true;
    conclude(check, verdict == VERDICT_YES ? CHECK_GOOD : CHECK_BAD, reason);
    return false;
}

static bool hear(struct check *check)
{
    char room[ROOM_BYTES];
    for (;;) {
        size_t count = 0;
        size_t left = TALK_HEARD_MAX_BYTES - buffer_length(&check->heard);
        if (left == 0)
            return judge(check, true);
        enum stream_status status = stream_read(&check->stream, room, left, &count);
        if (status == STREAM_AGAIN)
            return true;
        if (status == STREAM_EOF)
            return judge(check, true);
        if (status != STREAM_OK) {
            fail_stream(check, status);
            return false;
        }
        if (!buffer_append(&check->heard, span_of(room, count))) {
            fail_call(check, ENOMEM);
            return false;
        }
        if (!judge(check, false))
            return false;
    }
}

static void go_on_talking(struct check *check)
{
    if (!say(check) || !judge(check, false) || !hear(check))
        return;
    watch(check, check->stream.read_waits | (has_said_all(check) ? 0 : check->stream.write_waits));
}

/* --- connecting ------------------------------------------------------------------------------ */

static struct span header_of(const struct check *check, unsigned char room[PROXY_HEADER_MAX])
{
    switch (check->proxy) {
    case PROXY_OFF:
        return span_of(NULL, 0);
    case PROXY_V1:
        return span_text("PROXY UNKNOWN\r\n");
    default:
        return span_of(room, proxy_header_write_v2_local(room));
    }
}

/* A fresh socket has room for a header, so that one call either takes it whole or has failed. Gives
 * the errno. */
static int send_header(struct check *check, struct span header)
{
    if (header.length == 0)
        return 0;
    ssize_t sent = send(check->stream.fd, header.data, header.length, MSG_NOSIGNAL);
    if (sent < 0)
        return errno;
    stream_note_write(&check->stream);
    return sent == (ssize_t)header.length ? 0 : EIO;
}

static void begin_talking(struct check *check, const char *reason)
{
    if (!talk_is_needed(check->talk)) {
        conclude(check, CHECK_GOOD, reason);
        return;
    }
    check->step = CHECK_TALKING;
    go_on_talking(check);
}

static void go_on_securing(struct check *check)
{
    const char *fault;
    switch (tls_handshake(&check->stream)) {
    case TLS_DONE:
        begin_talking(check, "TLS handshake done");
        break;
    case TLS_AGAIN:
        watch(check, check->stream.read_waits);
        break;
    case TLS_CLIENT_CLOSED:
        fail(check, CHECK_BAD, "closed within the TLS handshake");
        break;
    case TLS_CLIENT_RESET:
        fail(check, CHECK_BAD, "reset within the TLS handshake");
        break;
    default:
        fault = stream_fault(&check->stream);
        fail(check, CHECK_BAD, fault != NULL ? fault : "the TLS handshake failed");
    }
}

static void begin_securing(struct check *check, struct span header)
{
    struct error error;
    struct tls_target target = {.host = check->host, .address = &check->address, .preface = header};
    socket_set_nodelay(check->stream.fd);
    if (!tls_connect(&check->stream, check->tls, check->stream.fd, &target, &error)) {
        fail(check, CHECK_UNKNOWN, error.text);
        return;
    }
    check->step = CHECK_SECURING;
    go_on_securing(check);
}

static void end_connect(struct check *check)
{
    unsigned char room[PROXY_HEADER_MAX];
    struct span header = header_of(check, room);
    int number = socket_connect_result(check->stream.fd);
    if (number == 0 && socket_reaches_itself(check->stream.fd, &check->address))
        number = ECONNREFUSED;
    if (number == 0 && check->tls == NULL)
        number = send_header(check, header);
    if (number != 0)
        fail_call(check, number);
    else if (check->tls != NULL)
        begin_securing(check, header);
    else
        begin_talking(check, "connected");
}

static void on_ready(struct ev_loop *loop, ev_io *io, int events)
{
    struct check *check = io->data;
    (void)loop;
    if (events & EV_READ)
        stream_ready(&check->stream);
    switch (check->step) {
    case CHECK_CONNECTING:
        end_connect(check);
        break;
    case CHECK_SECURING:
        go_on_securing(check);
        break;
    case CHECK_TALKING:
        go_on_talking(check);
        break;
    case CHECK_CLOSING:
        read_away(check);
        break;
    case CHECK_IDLE:
        break;
    }
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct check *check = timer->data;
    char after[24], reason[64];
    (void)loop;
    (void)events;
    if (check_is_open(check)) {
        duration_format(check->timeout_ms, after);
        snprintf(reason, sizeof reason, "%s within %s",
                 buffer_length(&check->heard) > 0 ? "not the expected answer"
                 : check->step == CHECK_SECURING  ? "no TLS handshake"
                                                  : "no answer",
                 after);
        check->on_result(check, CHECK_BAD, reason);
    }
    finish(check);
}

/* --- the check ------------------------------------------------------------------------------- */

void check_init(struct check *check)
{
    check->step = CHECK_IDLE;
    check->stream = (struct stream){.fd = -1};
    check->heard = (struct buffer){0};
    ev_init(&check->io, on_ready);
    ev_init(&check->timer, on_timeout);
    check->io.data = check->timer.data = check;
}

void check_begin(struct check *check)
{
    int fd;
    bool done;
    struct error error;
    check->step = CHECK_CONNECTING;
    check->said = check->discarded = 0;
    if (!socket_connect_from(&fd, &check->address, &check->source, false, &done, &error)) {
        fail_call(check, error.number);
        return;
    }
    stream_outgoing(&check->stream, fd, &check->address);
    set_timer(check, check->timeout_ms);
    if (done || socket_is_connected(fd))
        end_connect(check);
    else
        watch(check, EV_WRITE);
}

void check_cancel(struct check *check)
{
    ev_io_stop(check->loop, &check->io);
    ev_timer_stop(check->loop, &check->timer);
    stream_close(&check->stream, false);
    buffer_release(&check->heard);
    check->step = CHECK_IDLE;
}
