/* The stream behind the handshake: bytes both ways, every kind of end, and what a client may not.
 */
#include "suite.h"
#include "tls/connection.h"
#include "tls_kit.h"

#include <errno.h>
#include <ev.h>
#include <linux/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
static SSL_CTX *client;
static struct tls_policy *policy;
static struct kit_link peers;

static void set_up(void)
{
    static const char *const names[] = {"one"};
    struct kit_model model;
    kit_start();
    client = kit_client_context();
    kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com"});
    kit_model(&model, names, 1);
    policy = kit_policy(&model, NULL);
}

static void tear_down(void)
{
    kit_close(&peers);
    tls_policy_unref(policy);
    SSL_CTX_free(client);
    kit_stop();
}

static void connect_with(int version)
{
    SSL_CTX_set_max_proto_version(client, version);
    kit_open(&peers, policy, "one.example.com", client, "one.example.com");
    kit_handshake(&peers);
}

static void expect_bytes(const char *text)
{
    char room[64];
    size_t count;
    ck_assert_int_eq(kit_server_read(&peers, room, sizeof room, &count), STREAM_OK);
    ck_assert_uint_eq(count, strlen(text));
    ck_assert_mem_eq(room, text, count);
}

static void expect_end(bool truncated)
{
    char room[64];
    size_t count;
    ck_assert_int_eq(kit_server_read(&peers, room, sizeof room, &count), STREAM_EOF);
    ck_assert_int_eq(peers.server.truncated, truncated);
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_EOF);
}

static void expect_client_bytes(const char *text)
{
    char room[64];
    ck_assert_int_eq(kit_client_read(&peers, room, sizeof room), (int)strlen(text));
    ck_assert_mem_eq(room, text, strlen(text));
}

/* --- ends ------------------------------------------------------------------------------------- */

START_TEST(a_close_notify_is_an_end_that_can_be_answered)
{
    connect_with(versions[_i]);
    kit_client_write(&peers, "last");
    ck_assert_int_eq(SSL_shutdown(peers.client), 0);
    expect_bytes("last");
    expect_end(false);
    kit_server_write(&peers, "answer");
    expect_client_bytes("answer");
    ck_assert_int_eq(stream_finish(&peers.server), STREAM_OK);
    ck_assert_int_eq(SSL_shutdown(peers.client), 1);
}
END_TEST

START_TEST(an_end_that_was_read_with_bytes_is_pending)
{
    char room[64];
    size_t count;
    connect_with(versions[_i]);
    kit_client_write(&peers, "last");
    ck_assert_int_eq(SSL_shutdown(peers.client), 0);
    stream_ready(&peers.server);
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_OK);
    ck_assert_uint_eq(count, 4);
    /* both records are inside: the socket has nothing more to announce */
    ck_assert(stream_pending(&peers.server));
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_EOF);
    ck_assert(!stream_pending(&peers.server));
}
END_TEST

START_TEST(a_fin_alone_is_a_truncated_end_that_can_be_answered)
{
    connect_with(versions[_i]);
    kit_client_write(&peers, "last");
    ck_assert_int_eq(shutdown(peers.client_fd, SHUT_WR), 0);
    expect_bytes("last");
    expect_end(true);
    kit_server_write(&peers, "answer");
    expect_client_bytes("answer");
    ck_assert_int_eq(stream_finish(&peers.server), STREAM_OK);
    char room[8];
    int end = kit_client_read(&peers, room, sizeof room);
    ck_assert_int_eq(SSL_get_error(peers.client, end), SSL_ERROR_ZERO_RETURN);
}
END_TEST

START_TEST(a_fin_within_a_record_is_a_truncated_end)
{
    static const unsigned char head[] = {23, 3, 3, 0, 100, 1, 2, 3};
    connect_with(versions[_i]);
    ck_assert_int_eq(write(peers.client_fd, head, sizeof head), (ssize_t)sizeof head);
    ck_assert_int_eq(shutdown(peers.client_fd, SHUT_WR), 0);
    expect_end(true);
}
END_TEST

START_TEST(a_reset_is_a_reset)
{
    char room[64];
    size_t count;
    connect_with(versions[_i]);
    kit_client_write(&peers, "last");
    expect_bytes("last");
    kit_close_client(&peers, true);
    ck_assert_int_eq(kit_server_read(&peers, room, sizeof room, &count), STREAM_RESET);
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_RESET);
    ck_assert_int_eq(stream_write(&peers.server, "x", 1, &count), STREAM_RESET);
    ck_assert_int_eq(stream_finish(&peers.server), STREAM_RESET);
    ck_assert(!peers.server.truncated);
}
END_TEST

START_TEST(a_write_to_a_client_that_reset_is_a_reset)
{
    size_t count;
    enum stream_status status = STREAM_OK;
    connect_with(versions[_i]);
    kit_close_client(&peers, true);
    for (int i = 0; i < 3 && status == STREAM_OK; i++)
        status = stream_write(&peers.server, "x", 1, &count);
    ck_assert_int_eq(status, STREAM_RESET);
}
END_TEST

START_TEST(finish_sends_close_notify_and_fin_and_reading_goes_on)
{
    char room[64];
    connect_with(versions[_i]);
    kit_server_write(&peers, "bye");
    ck_assert_int_eq(stream_finish(&peers.server), STREAM_OK);
    ck_assert(peers.server.finished);
    expect_client_bytes("bye");
    int end = kit_client_read(&peers, room, sizeof room);
    ck_assert_int_eq(SSL_get_error(peers.client, end), SSL_ERROR_ZERO_RETURN);
    struct pollfd fin = {.fd = peers.client_fd, .events = POLLRDHUP};
    ck_assert_int_eq(poll(&fin, 1, 5000), 1);
    ck_assert(fin.revents & POLLRDHUP);
    kit_client_write(&peers, "still here");
    expect_bytes("still here");
    kit_client_write(&peers, "and here");
    ck_assert_int_eq(SSL_shutdown(peers.client), 1);
    expect_bytes("and here");
    expect_end(false);
}
END_TEST

START_TEST(a_key_update_after_our_finish_does_no_harm)
{
    connect_with(TLS1_3_VERSION);
    ck_assert_int_eq(stream_finish(&peers.server), STREAM_OK);
    ck_assert_int_eq(SSL_key_update(peers.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ck_assert_int_eq(SSL_do_handshake(peers.client), 1);
    kit_client_write(&peers, "new key");
    expect_bytes("new key");
}
END_TEST

START_TEST(close_with_reset_resets_the_client)
{
    char room[64];
    connect_with(versions[_i]);
    stream_close(&peers.server, true);
    ck_assert(!stream_is_open(&peers.server));
    int end = kit_client_read(&peers, room, sizeof room);
    ck_assert_int_eq(SSL_get_error(peers.client, end), SSL_ERROR_SYSCALL);
    ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

START_TEST(a_broken_record_is_told_and_stays)
{
    static const unsigned char rubbish[] = {23, 3, 3, 0, 32, 1, 2, 3, 4, 5, 6, 7, 8,
                                            9,  0, 1, 2, 3,  4, 5, 6, 7, 8, 9, 0, 1,
                                            2,  3, 4, 5, 6,  7, 8, 9, 0, 1, 2};
    char room[64];
    size_t count;
    connect_with(versions[_i]);
    ck_assert_int_eq(write(peers.client_fd, rubbish, sizeof rubbish), (ssize_t)sizeof rubbish);
    ck_assert_int_eq(kit_server_read(&peers, room, sizeof room, &count), STREAM_BROKEN);
    ck_assert_str_eq(stream_fault(&peers.server), "a record fails its check");
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_BROKEN);
    ck_assert_int_eq(stream_write(&peers.server, "x", 1, &count), STREAM_BROKEN);
    ck_assert(!stream_pending(&peers.server));
}
END_TEST

/* --- bytes ------------------------------------------------------------------------------------ */

#define BULK (3u * 1024u * 1024u)

struct pump {
    unsigned char *bytes, *got;
    size_t written, read;
};

static void pump_start(struct pump *pump, unsigned seed)
{
    *pump = (struct pump){malloc(BULK), calloc(1, BULK), 0, 0};
    ck_assert(pump->bytes != NULL && pump->got != NULL);
    for (size_t i = 0; i < BULK; i++)
        pump->bytes[i] = (unsigned char)((i * 2654435761u + seed) >> 13);
}

static void pump_stop(struct pump *pump)
{
    ck_assert_uint_eq(pump->read, BULK);
    ck_assert_int_eq(memcmp(pump->bytes, pump->got, BULK), 0);
    free(pump->bytes);
    free(pump->got);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One try each way for the server; counts what was refused for want of room. */
/* In the portions of a relay in bulk, or whatever there is. */
static bool in_portions;

#define PORTION (126u * 1024u)

static enum stream_status write_next(const unsigned char *bytes, size_t left, size_t *ret_count)
{
    static unsigned char work[STREAM_WORK_BYTES];
    if (!in_portions)
        return stream_write(&peers.server, bytes, left, ret_count);
    enum stream_status status =
        stream_write_much(&peers.server, bytes, least(left, PORTION), work, ret_count);
    memset(work, 0, sizeof work);
    return status;
}

static void turn_server(struct pump *out, struct pump *in, unsigned *again)
{
    size_t room = in_portions ? PORTION : 50000;
    size_t count = 0;
    stream_ready(&peers.server);
    if (out->written < BULK) {
        enum stream_status status =
            write_next(out->bytes + out->written, BULK - out->written, &count);
        if (status == STREAM_AGAIN) {
            ck_assert_int_eq(peers.server.write_waits, EV_WRITE);
            (*again)++;
        } else {
            ck_assert_int_eq(status, STREAM_OK);
            out->written += count;
        }
    }
    do {
        if (in->read == BULK)
            return;
        enum stream_status status =
            stream_read(&peers.server, in->got + in->read, least(BULK - in->read, room), &count);
        if (status == STREAM_AGAIN)
            break;
        ck_assert_int_eq(status, STREAM_OK);
        in->read += count;
    } while (stream_pending(&peers.server));
}

static void turn_client(struct pump *out, struct pump *in)
{
    size_t count;
    if (out->written < BULK && SSL_write_ex(peers.client, out->bytes + out->written,
                                            least(BULK - out->written, 40000), &count) == 1)
        out->written += count;
    if (in->read < BULK &&
        SSL_read_ex(peers.client, in->got + in->read, BULK - in->read, &count) == 1)
        in->read += count;
}

START_TEST(bulk_both_ways_through_narrow_sockets_arrives_whole)
{
    struct pump to_client, to_server;
    unsigned again = 0;
    int narrow = 4096;
    in_portions = _i >= 2;
    connect_with(versions[_i % 2]);
    SSL_set_mode(peers.client, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    setsockopt(peers.client_fd, SOL_SOCKET, SO_SNDBUF, &narrow, sizeof narrow);
    setsockopt(peers.server.fd, SOL_SOCKET, SO_SNDBUF, &narrow, sizeof narrow);
    pump_start(&to_client, 1);
    pump_start(&to_server, 2);
    while (to_client.read < BULK || to_server.read < BULK) {
        turn_server(&to_client, &to_server, &again);
        turn_client(&to_server, &to_client);
    }
    ck_assert_uint_gt(again, 0);
    pump_stop(&to_client);
    pump_stop(&to_server);
    kit_ping(&peers);
}
END_TEST

START_TEST(a_close_notify_waits_its_turn)
{
    static unsigned char bytes[65536];
    char room[16384];
    size_t count, sent = 0, got = 0;
    int narrow = 4096;
    connect_with(versions[_i]);
    setsockopt(peers.server.fd, SOL_SOCKET, SO_SNDBUF, &narrow, sizeof narrow);
    /* fill the socket with whole records, until not even a close_notify fits */
    enum stream_status status;
    while ((status = stream_write(&peers.server, bytes, 1, &count)) == STREAM_OK)
        sent += count;
    ck_assert_int_eq(status, STREAM_AGAIN);
    ck_assert_int_eq(peers.server.write_waits, EV_WRITE);
    for (bool written = false, finished = false; !finished;) {
        int one = kit_client_read(&peers, room, sizeof room);
        ck_assert_int_gt(one, 0);
        got += (size_t)one;
        if (!written && stream_write(&peers.server, bytes, 1, &count) == STREAM_OK) {
            written = true;
            sent += count;
        }
        finished = written && stream_finish(&peers.server) == STREAM_OK;
    }
    for (int one; (one = kit_client_read(&peers, room, sizeof room)) > 0;)
        got += (size_t)one;
    ck_assert_int_eq(SSL_get_shutdown(peers.client), SSL_RECEIVED_SHUTDOWN);
    ck_assert_uint_eq(got, sent);
}
END_TEST

START_TEST(data_behind_the_handshake_is_pending)
{
    char room[64];
    size_t count;
    /* TLS 1.3: the client's last flight and its first data arrive together */
    kit_open(&peers, policy, NULL, client, NULL);
    SSL_connect(peers.client);
    ck_assert_int_eq(tls_handshake(&peers.server), TLS_AGAIN);
    ck_assert_int_eq(SSL_connect(peers.client), 1);
    peers.client_state = 1;
    kit_client_write(&peers, "early bird");
    ck_assert_int_eq(tls_handshake(&peers.server), TLS_DONE);
    ck_assert(stream_pending(&peers.server));
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_OK);
    ck_assert_uint_eq(count, 10);
    ck_assert(!stream_pending(&peers.server));
}
END_TEST

START_TEST(records_that_came_together_are_read_together)
{
    char room[64];
    size_t count;
    connect_with(versions[_i]);
    kit_client_write(&peers, "one ");
    kit_client_write(&peers, "two ");
    kit_client_write(&peers, "three");
    stream_ready(&peers.server);
    ck_assert_int_eq(stream_read(&peers.server, room, 6, &count), STREAM_OK);
    ck_assert_uint_eq(count, 6);
    ck_assert_mem_eq(room, "one tw", 6);
    ck_assert(stream_pending(&peers.server));
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_OK);
    ck_assert_uint_eq(count, 7);
    ck_assert_mem_eq(room, "o three", 7);
    ck_assert(!stream_pending(&peers.server));
}
END_TEST

static unsigned char long_one[65536], long_room[sizeof long_one];

START_TEST(long_records_that_came_together_are_read_together)
{
    size_t count;
    connect_with(versions[_i]);
    ck_assert_int_eq(SSL_write(peers.client, long_one, 50000), 50000);
    stream_ready(&peers.server);
    ck_assert_int_eq(stream_read(&peers.server, long_room, sizeof long_room, &count), STREAM_OK);
    ck_assert_uint_eq(count, 50000);
    ck_assert(!stream_pending(&peers.server));
}
END_TEST

static struct tcp_info tcp_info_of(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    return info;
}

/* Four of them would be segments of their own, where the last must not wait for more to come. */
START_TEST(records_of_one_write_share_segments)
{
    size_t count;
    int got = 0, on = 1;
    connect_with(versions[_i]);
    setsockopt(peers.server.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct tcp_info before = tcp_info_of(peers.server.fd);
    ck_assert_int_eq(stream_write(&peers.server, long_one, sizeof long_one, &count), STREAM_OK);
    ck_assert_uint_eq(count, sizeof long_one);
    unsigned segments = tcp_info_of(peers.server.fd).tcpi_data_segs_out - before.tcpi_data_segs_out;
    if (before.tcpi_snd_mss > 30000) /* as the loopback device has it, mostly */
        ck_assert_uint_lt(segments, 4);
    while (got < (int)sizeof long_one) {
        int result = SSL_read(peers.client, long_room, sizeof long_room);
        struct pollfd state = {.fd = peers.client_fd, .events = POLLIN};
        ck_assert(result > 0 || poll(&state, 1, 100) == 1);
        got += result > 0 ? result : 0;
    }
}
END_TEST

START_TEST(errors_that_others_left_behind_are_not_ours)
{
    char room[64];
    size_t count;
    connect_with(versions[_i]);
    kit_client_write(&peers, "hello");
    ERR_raise(ERR_LIB_USER, 1);
    stream_ready(&peers.server);
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_OK);
    ERR_raise(ERR_LIB_USER, 1);
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_AGAIN);
    kit_ping(&peers);
}
END_TEST

/* Else the session would be asked to read again and again. */
START_TEST(the_beginning_of_a_record_is_not_pending)
{
    unsigned char record[256];
    char room[64];
    size_t count;
    connect_with(versions[_i]);
    BIO *sink = BIO_new(BIO_s_mem()), *wire = SSL_get_wbio(peers.client);
    BIO_up_ref(wire);
    SSL_set0_wbio(peers.client, sink);
    kit_client_write(&peers, "in two parts");
    int length = BIO_read(sink, record, sizeof record);
    SSL_set0_wbio(peers.client, wire);
    ck_assert_int_eq(write(peers.client_fd, record, 9), 9);
    stream_ready(&peers.server);
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_AGAIN);
    ck_assert_int_eq(peers.server.read_waits, EV_READ);
    ck_assert(!stream_pending(&peers.server));
    ck_assert_int_eq(write(peers.client_fd, record + 9, (size_t)length - 9), length - 9);
    expect_bytes("in two parts");
}
END_TEST

START_TEST(a_dry_socket_is_not_asked_again_before_it_is_ready)
{
    char room[64];
    size_t count;
    connect_with(versions[_i]);
    kit_client_write(&peers, "first");
    stream_ready(&peers.server);
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_OK);
    kit_client_write(&peers, "second");
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_AGAIN);
    stream_ready(&peers.server);
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_OK);
    ck_assert_uint_eq(count, 6);
}
END_TEST

/* --- with system calls that others make ------------------------------------------------------- */

#define LENT_ROOM 600u

static enum stream_status read_for(void *room, size_t size, size_t *ret_count)
{
    unsigned char raw[LENT_ROOM];
    struct stream_lent lent = {raw, sizeof raw, 0};
    ssize_t count = recv(peers.server.fd, raw, sizeof raw, MSG_DONTWAIT);
    lent.got = count < 0 ? -errno : (int)count;
    return stream_read_lent(&peers.server, &lent, room, size, ret_count);
}

/* Sends at most `most` bytes of the parcel. */
static enum stream_status write_for(const void *bytes, size_t size, size_t most, size_t *ret_count)
{
    unsigned char room[2048];
    struct stream_parcel parcel = {.room = room, .size = sizeof room};
    stream_pack(&peers.server, bytes, size, &parcel);
    if (parcel.length > 0) {
        ssize_t count = send(peers.server.fd, parcel.bytes, least(parcel.length, most),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        parcel.sent = count < 0 ? -errno : (int)count;
    }
    return stream_deliver(&peers.server, bytes, size, &parcel, ret_count);
}

START_TEST(a_message_is_read_and_written_by_calls_of_others)
{
    char room[64];
    size_t count;
    connect_with(versions[_i]);
    kit_ping(&peers); /* the tickets are out */
    for (int i = 0; i < 5; i++) {
        kit_client_write(&peers, "question");
        struct pollfd p = {.fd = peers.server.fd, .events = POLLIN};
        ck_assert_int_eq(poll(&p, 1, 5000), 1);
        ck_assert_int_eq(read_for(room, sizeof room, &count), STREAM_OK);
        ck_assert_mem_eq(room, "question", count);
        ck_assert(!stream_pending(&peers.server));
        ck_assert_int_eq(read_for(room, sizeof room, &count), STREAM_AGAIN);
        ck_assert_int_eq(write_for("answer", 6, (size_t)(7 * i), &count), STREAM_OK);
        ck_assert_uint_eq(count, 6);
        expect_client_bytes("answer");
    }
}
END_TEST

START_TEST(a_record_is_packed_and_not_sent)
{
    unsigned char room[256];
    char heard[64];
    struct stream_parcel parcel = {.room = room, .size = sizeof room};
    size_t count = 0;
    connect_with(versions[_i]);
    kit_ping(&peers);
    stream_pack(&peers.server, "answer", 6, &parcel);
    ck_assert_uint_gt(parcel.length, 6);
    ck_assert_int_lt(SSL_read(peers.client, heard, sizeof heard), 0);
    ck_assert_int_eq(send(peers.server.fd, parcel.bytes, parcel.length, 0), (int)parcel.length);
    expect_client_bytes("answer");
    parcel.sent = (int)parcel.length;
    ck_assert_int_eq(stream_deliver(&peers.server, "answer", 6, &parcel, &count), STREAM_OK);
    ck_assert_uint_eq(count, 6);
    ck_assert_int_lt(SSL_read(peers.client, heard, sizeof heard), 0);
    kit_ping(&peers);
}
END_TEST

/* What the library has to say before the data is what the first call sends. */
START_TEST(a_key_update_of_ours_goes_before_the_message)
{
    struct tls_connection *connection;
    size_t count;
    connect_with(TLS1_3_VERSION);
    kit_ping(&peers);
    connection = peers.server.state;
    ck_assert_int_eq(SSL_key_update(connection->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    ck_assert_int_eq(write_for("answer", 6, 10, &count), STREAM_OK);
    expect_client_bytes("answer");
    kit_client_write(&peers, "more");
    struct pollfd p = {.fd = peers.server.fd, .events = POLLIN};
    char room[64];
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    ck_assert_int_eq(read_for(room, sizeof room, &count), STREAM_OK);
    ck_assert_mem_eq(room, "more", count);
    kit_ping(&peers);
}
END_TEST

/* One try each way for the server, by calls that others make, of odd sizes. `due`: what a write
 * that waits was for, which is gone on with. */
static void write_odd(struct pump *out, unsigned round, size_t *due)
{
    size_t count;
    if (*due == 0)
        *due = least(BULK - out->written, 1 + round * 131 % 1900);
    if (*due == 0)
        return;
    enum stream_status status =
        write_for(out->bytes + out->written, *due, round * 37 % 800, &count);
    if (status == STREAM_AGAIN) {
        ck_assert_int_eq(peers.server.write_waits, EV_WRITE);
        return;
    }
    ck_assert_int_eq(status, STREAM_OK);
    out->written += count;
    *due = 0;
}

static void read_odd(struct pump *in, unsigned round)
{
    size_t count;
    if (in->read == BULK)
        return;
    enum stream_status status =
        read_for(in->got + in->read, least(BULK - in->read, 1 + round * 53 % 5000), &count);
    while (status == STREAM_OK) {
        in->read += count;
        if (in->read == BULK || !stream_pending(&peers.server))
            return;
        status =
            stream_read(&peers.server, in->got + in->read, least(BULK - in->read, 700), &count);
    }
    ck_assert_int_eq(status, STREAM_AGAIN);
}

START_TEST(bulk_by_calls_of_others_arrives_whole)
{
    struct pump to_client, to_server;
    size_t due = 0;
    int narrow = 4096;
    connect_with(versions[_i]);
    SSL_set_mode(peers.client, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    setsockopt(peers.client_fd, SOL_SOCKET, SO_SNDBUF, &narrow, sizeof narrow);
    setsockopt(peers.server.fd, SOL_SOCKET, SO_SNDBUF, &narrow, sizeof narrow);
    pump_start(&to_client, 1);
    pump_start(&to_server, 2);
    for (unsigned round = 0; to_client.read < BULK || to_server.read < BULK; round++) {
        write_odd(&to_client, round, &due);
        read_odd(&to_server, round);
        turn_client(&to_server, &to_client);
    }
    pump_stop(&to_client);
    pump_stop(&to_server);
    kit_ping(&peers);
}
END_TEST

START_TEST(a_reset_that_others_have_met_is_a_reset)
{
    char room[64];
    size_t count;
    connect_with(versions[_i]);
    kit_ping(&peers);
    kit_close_client(&peers, true);
    struct pollfd p = {.fd = peers.server.fd, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    ck_assert_int_eq(read_for(room, sizeof room, &count), STREAM_RESET);
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_RESET);
}
END_TEST

/* --- what a client may not -------------------------------------------------------------------- */

static enum stream_status update_keys(unsigned times)
{
    char room[64];
    size_t count;
    for (unsigned i = 0; i < times; i++) {
        ck_assert_int_eq(SSL_key_update(peers.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        ck_assert_int_eq(SSL_do_handshake(peers.client), 1);
    }
    kit_client_write(&peers, "x");
    return kit_server_read(&peers, room, sizeof room, &count);
}

START_TEST(a_few_key_updates_are_fine)
{
    connect_with(TLS1_3_VERSION);
    ck_assert_int_eq(update_keys(32), STREAM_OK);
    kit_ping(&peers);
}
END_TEST

START_TEST(a_storm_of_key_updates_is_cut_off)
{
    connect_with(TLS1_3_VERSION);
    enum stream_status status = update_keys(33);
    if (status == STREAM_OK)
        status = update_keys(1);
    ck_assert_int_eq(status, STREAM_BROKEN);
    ck_assert_str_eq(stream_fault(&peers.server),
                     "more than 32 KeyUpdates or renegotiations in 10 s");
}
END_TEST

START_TEST(renegotiation_is_refused)
{
    char room[64];
    connect_with(TLS1_2_VERSION);
    ck_assert_int_eq(SSL_renegotiate(peers.client), 1);
    SSL_do_handshake(peers.client);
    size_t count;
    stream_ready(&peers.server);
    ck_assert_int_eq(stream_read(&peers.server, room, sizeof room, &count), STREAM_AGAIN);
    int end = SSL_do_handshake(peers.client); /* gets the alert no_renegotiation */
    ck_assert_int_eq(SSL_get_error(peers.client, end), SSL_ERROR_SSL);
}
END_TEST

START_TEST(a_swapped_store_leaves_live_connections_alone)
{
    struct kit_link second;
    struct tls_store *store = NULL;
    struct error error;
    connect_with(versions[_i]);
    kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com,DNS:new.example.com"});
    ck_assert_int_eq(tls_policy_refresh(policy, &store, &error), TLS_REFRESH_NEW);
    tls_policy_set_store(policy, 0, store);
    kit_ping(&peers);
    ck_assert(!kit_served(&peers, "new.example.com"));
    kit_open(&second, policy, NULL, client, NULL);
    kit_handshake(&second);
    ck_assert(kit_served(&second, "new.example.com"));
    kit_close(&second);
    kit_ping(&peers);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls stream");
    TCase *ends = tcase_create("ends"), *bytes = tcase_create("bytes"),
          *limits = tcase_create("limits");
    TCase *all[] = {ends, bytes, limits};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        tcase_add_checked_fixture(all[i], set_up, tear_down);
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_loop_test(ends, a_close_notify_is_an_end_that_can_be_answered, 0, 2);
    tcase_add_loop_test(ends, an_end_that_was_read_with_bytes_is_pending, 0, 2);
    tcase_add_loop_test(ends, a_fin_alone_is_a_truncated_end_that_can_be_answered, 0, 2);
    tcase_add_loop_test(ends, a_fin_within_a_record_is_a_truncated_end, 0, 2);
    tcase_add_loop_test(ends, a_reset_is_a_reset, 0, 2);
    tcase_add_loop_test(ends, a_write_to_a_client_that_reset_is_a_reset, 0, 2);
    tcase_add_loop_test(ends, finish_sends_close_notify_and_fin_and_reading_goes_on, 0, 2);
    tcase_add_test(ends, a_key_update_after_our_finish_does_no_harm);
    tcase_add_loop_test(ends, close_with_reset_resets_the_client, 0, 2);
    tcase_add_loop_test(ends, a_broken_record_is_told_and_stays, 0, 2);
    tcase_add_loop_test(bytes, bulk_both_ways_through_narrow_sockets_arrives_whole, 0, 4);
    tcase_add_loop_test(bytes, a_close_notify_waits_its_turn, 0, 2);
    tcase_add_test(bytes, data_behind_the_handshake_is_pending);
    tcase_add_loop_test(bytes, records_that_came_together_are_read_together, 0, 2);
    tcase_add_loop_test(bytes, long_records_that_came_together_are_read_together, 0, 2);
    tcase_add_loop_test(bytes, records_of_one_write_share_segments, 0, 2);
    tcase_add_loop_test(bytes, the_beginning_of_a_record_is_not_pending, 0, 2);
    tcase_add_loop_test(bytes, errors_that_others_left_behind_are_not_ours, 0, 2);
    tcase_add_loop_test(bytes, a_dry_socket_is_not_asked_again_before_it_is_ready, 0, 2);
    tcase_add_loop_test(bytes, a_message_is_read_and_written_by_calls_of_others, 0, 2);
    tcase_add_loop_test(bytes, a_record_is_packed_and_not_sent, 0, 2);
    tcase_add_test(bytes, a_key_update_of_ours_goes_before_the_message);
    tcase_add_loop_test(bytes, bulk_by_calls_of_others_arrives_whole, 0, 2);
    tcase_add_loop_test(bytes, a_reset_that_others_have_met_is_a_reset, 0, 2);
    tcase_add_test(limits, a_few_key_updates_are_fine);
    tcase_add_test(limits, a_storm_of_key_updates_is_cut_off);
    tcase_add_test(limits, renegotiation_is_refused);
    tcase_add_loop_test(limits, a_swapped_store_leaves_live_connections_alone, 0, 2);
    return suite_run(suite);
}
