/* The relay between two real sockets, pumped by hand: order, back-pressure, ends, resets, splice.
 */
#include "base/buffer.h"
#include "io/socket.h"
#include "session/limits.h"
#include "session/relay.h"
#include "suite.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCRATCH (64u * 1024u)
#define BULK    (126u * 1024u)

/* client ══ [sides[0]  relay  sides[1]] ══ server */
struct bench {
    int client, server;
    struct stream sides[2];
    struct stream *pair[2];
    struct relay relay;
    struct relay_tools tools;
};

static void connect_pair(int *a, int *b)
{
    struct address address;
    struct error error;
    bool done;
    int listener;
    ck_assert(address_parse(&address, span_text("127.0.0.1:0"), &error));
    ck_assert(socket_listen(&listener, &address, &error));
    ck_assert(socket_local(listener, &address));
    ck_assert(socket_connect(a, &address, &done, &error));
    struct pollfd p = {.fd = listener, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    *b = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    ck_assert_int_ge(*b, 0);
    (void)close(listener);
}

/* What is sent is there at once, whatever TCP has in mind, and much of it. */
static void join_pair(int *a, int *b)
{
    int pair[2], size = 1 << 20;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    *a = pair[0];
    *b = pair[1];
}

static void bench_start_over(struct bench *b, unsigned pipes, void (*connect)(int *a, int *b))
{
    int inner[2];
    *b = (struct bench){0};
    connect(&b->client, &inner[0]);
    connect(&b->server, &inner[1]);
    stream_plain(&b->sides[0], inner[0]);
    stream_plain(&b->sides[1], inner[1]);
    b->pair[0] = &b->sides[0];
    b->pair[1] = &b->sides[1];
    b->tools = (struct relay_tools){.scratch = malloc(BULK),
                                    .scratch_size = SCRATCH,
                                    .bulk_size = BULK,
                                    .work = malloc(STREAM_WORK_BYTES),
                                    .pipes = pipes_create(pipes)};
}

static void bench_start(struct bench *b, unsigned pipes)
{
    bench_start_over(b, pipes, connect_pair);
}

static void bench_stop(struct bench *b)
{
    relay_release(&b->relay, b->tools.pipes);
    pipes_free(b->tools.pipes);
    free(b->tools.scratch);
    free(b->tools.work);
    stream_close(&b->sides[0], false);
    stream_close(&b->sides[1], false);
    if (b->client >= 0)
        (void)close(b->client);
    if (b->server >= 0)
        (void)close(b->server);
}

/* Waits until one of the inner sockets is ready for what the relay waits for, and pumps for it. */
static struct relay_result turn(struct bench *b, int timeout_ms)
{
    struct pollfd p[2];
    for (int side = 0; side < 2; side++) {
        int waits = relay_waits(&b->relay, (enum side)side, b->pair);
        p[side] = (struct pollfd){
            .fd = b->sides[side].fd,
            .events = (short)((waits & EV_READ ? POLLIN : 0) | (waits & EV_WRITE ? POLLOUT : 0))};
    }
    struct relay_result result = {RELAY_GOES_ON, SIDE_CLIENT};
    (void)poll(p, 2, timeout_ms);
    for (int d = 0; d < 2 && result.status == RELAY_GOES_ON; d++)
        result = relay_pump(&b->relay, (enum direction)d, b->pair, &b->tools);
    return result;
}

static void nonblocking_send(int fd, const void *bytes, size_t count)
{
    ck_assert_int_eq(send(fd, bytes, count, MSG_NOSIGNAL), (ssize_t)count);
}

START_TEST(a_small_message_passes_and_leaves_nothing_behind)
{
    struct bench b;
    char room[16];
    bench_start(&b, 0);
    nonblocking_send(b.client, "ping", 4);
    ck_assert_int_eq(turn(&b, 1000).status, RELAY_GOES_ON);
    ck_assert_int_eq(recv(b.server, room, sizeof room, 0), 4);
    nonblocking_send(b.server, "pong!", 5);
    ck_assert_int_eq(turn(&b, 1000).status, RELAY_GOES_ON);
    ck_assert_int_eq(recv(b.client, room, sizeof room, 0), 5);
    ck_assert_uint_eq(b.relay.lane[DIRECTION_UP].bytes, 4);
    ck_assert_uint_eq(b.relay.lane[DIRECTION_DOWN].bytes, 5);
    ck_assert_ptr_null(b.relay.lane[DIRECTION_UP].held.body);
    ck_assert_int_eq(relay_waits(&b.relay, SIDE_CLIENT, b.pair), EV_READ);
    bench_stop(&b);
}
END_TEST

START_TEST(a_side_that_finished_can_still_be_answered)
{
    struct bench b;
    char room[16];
    bench_start(&b, 0);
    nonblocking_send(b.client, "last", 4);
    (void)shutdown(b.client, SHUT_WR);
    while (!b.relay.lane[DIRECTION_UP].finished)
        ck_assert_int_eq(turn(&b, 1000).status, RELAY_GOES_ON);
    ck_assert_int_eq(recv(b.server, room, sizeof room, 0), 4);
    ck_assert_int_eq(recv(b.server, room, sizeof room, 0), 0);
    nonblocking_send(b.server, "answer", 6);
    ck_assert_int_eq(turn(&b, 1000).status, RELAY_GOES_ON);
    ck_assert_int_eq(recv(b.client, room, sizeof room, 0), 6);
    (void)shutdown(b.server, SHUT_WR);
    enum relay_status status;
    while ((status = turn(&b, 1000).status) == RELAY_GOES_ON)
        ;
    ck_assert_int_eq(status, RELAY_DONE);
    bench_stop(&b);
}
END_TEST

START_TEST(a_reset_is_told_with_its_side)
{
    for (int side = 0; side < 2; side++) {
        struct bench b;
        bench_start(&b, 0);
        int *fd = side == SIDE_CLIENT ? &b.client : &b.server;
        socket_set_reset(*fd);
        (void)close(*fd);
        *fd = -1;
        struct relay_result result;
        do
            result = turn(&b, 1000);
        while (result.status == RELAY_GOES_ON);
        ck_assert_int_eq(result.status, RELAY_RESET);
        ck_assert_int_eq((int)result.side, side);
        bench_stop(&b);
    }
}
END_TEST

START_TEST(a_stalled_reader_stops_reading_from_the_other_side)
{
    struct bench b;
    static char block[SCRATCH];
    bench_start(&b, 0);
    size_t sent = 0;
    /* Fill everything between client and server until nothing moves any more. */
    for (int still = 0; still < 5;) {
        ssize_t count = send(b.client, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += count > 0 ? (size_t)count : 0;
        uint64_t before = b.relay.lane[DIRECTION_UP].bytes;
        ck_assert_int_eq(turn(&b, 20).status, RELAY_GOES_ON);
        still = count <= 0 && before == b.relay.lane[DIRECTION_UP].bytes ? still + 1 : 0;
    }
    ck_assert(relay_lane_blocked(&b.relay.lane[DIRECTION_UP]));
    ck_assert_uint_le(buffer_length(&b.relay.lane[DIRECTION_UP].held), SCRATCH);
    ck_assert_int_eq(relay_waits(&b.relay, SIDE_CLIENT, b.pair) & EV_READ, 0);
    ck_assert_int_eq(relay_waits(&b.relay, SIDE_SERVER, b.pair) & EV_WRITE, EV_WRITE);
    /* The reader wakes up: all of it arrives. */
    (void)shutdown(b.client, SHUT_WR);
    size_t received = 0;
    for (;;) {
        ssize_t count = recv(b.server, block, sizeof block, MSG_DONTWAIT);
        if (count == 0)
            break;
        received += count > 0 ? (size_t)count : 0;
        ck_assert_int_eq(turn(&b, 5).status, RELAY_GOES_ON);
    }
    ck_assert_uint_eq(received, sent);
    bench_stop(&b);
}
END_TEST

/* Random sizes both ways at once; every byte is checked against its place in the stream. */
static void stream_both_ways(unsigned pipes, bool expect_splice)
{
    enum { TOTAL = 24 * 1024 * 1024 };
    struct bench b;
    static unsigned char block[200000], room[100000];
    bench_start(&b, pipes);
    int ends[2] = {b.client, b.server};
    size_t sent[2] = {0, 0}, got[2] = {0, 0};
    bool spliced = false;
    srand(3);
    while (got[0] < TOTAL || got[1] < TOTAL) {
        for (int e = 0; e < 2; e++) {
            size_t size = (size_t)rand() % sizeof block;
            size = size < TOTAL - sent[e] ? size : TOTAL - sent[e];
            for (size_t i = 0; i < size; i++)
                block[i] = (unsigned char)((sent[e] + i) * 31 + (size_t)e);
            ssize_t count = size == 0 ? 0 : send(ends[e], block, size, MSG_NOSIGNAL | MSG_DONTWAIT);
            sent[e] += count > 0 ? (size_t)count : 0;
            size = 1 + (size_t)rand() % sizeof room;
            count = recv(ends[1 - e], room, size, MSG_DONTWAIT);
            bool same = true; /* one assertion a block: each costs a system call */
            for (ssize_t i = 0; i < count; i++)
                same = same && room[i] == (unsigned char)(got[e]++ * 31 + (size_t)e);
            ck_assert(same);
        }
        ck_assert_int_eq(turn(&b, 5).status, RELAY_GOES_ON);
        spliced = spliced || b.relay.lane[0].pipe != NULL || b.relay.lane[1].pipe != NULL;
    }
    ck_assert_uint_eq(b.relay.lane[0].bytes, TOTAL);
    ck_assert_uint_eq(b.relay.lane[1].bytes, TOTAL);
    ck_assert(spliced == expect_splice);
    bench_stop(&b);
}

START_TEST(bulk_arrives_whole_by_copying)
{
    stream_both_ways(0, false);
}
END_TEST

START_TEST(bulk_arrives_whole_by_splicing)
{
    stream_both_ways(2, true);
}
END_TEST

/* The read and the write of one pump at a time, of what the sink takes at once or not at all. */
static size_t largest_read(bool take)
{
    struct bench b;
    static char block[4 * BULK];
    size_t largest = 0;
    bench_start_over(&b, 0, join_pair);
    for (int i = 0; i < 400 && !(take && largest > 2 * SCRATCH); i++) {
        uint64_t before = b.relay.lane[DIRECTION_UP].bytes;
        (void)send(b.client, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)turn(&b, 5);
        size_t moved = (size_t)(b.relay.lane[DIRECTION_UP].bytes - before);
        largest = moved > largest ? moved : largest;
        if (take)
            while (recv(b.server, block, sizeof block, MSG_DONTWAIT) > 0)
                ;
    }
    if (!take)
        largest = buffer_length(&b.relay.lane[DIRECTION_UP].held);
    bench_stop(&b);
    return largest;
}

START_TEST(bulk_is_read_in_larger_portions_where_it_is_copied)
{
    ck_assert_uint_gt(largest_read(true), 2 * SCRATCH); /* two reads a pump */
}
END_TEST

START_TEST(what_is_held_for_a_sink_that_stalls_is_one_portion)
{
    size_t held = largest_read(false);
    ck_assert_uint_gt(held, 0);
    ck_assert_uint_le(held, BULK);
}
END_TEST

START_TEST(a_quiet_bulk_direction_holds_no_pipe)
{
    struct bench b;
    static char block[SCRATCH];
    bench_start(&b, 2);
    for (int i = 0; i < 200; i++) {
        (void)send(b.client, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)turn(&b, 5);
        while (recv(b.server, block, sizeof block, MSG_DONTWAIT) > 0)
            ;
    }
    for (int i = 0; i < 50 && relay_waits(&b.relay, SIDE_CLIENT, b.pair) != 0; i++) {
        (void)turn(&b, 5);
        while (recv(b.server, block, sizeof block, MSG_DONTWAIT) > 0)
            ;
    }
    ck_assert_ptr_null(b.relay.lane[DIRECTION_UP].pipe);
    ck_assert(!relay_holds_bytes(&b.relay));
    bench_stop(&b);
}
END_TEST

/* --- limits ----------------------------------------------------------------------------------- */

START_TEST(a_limit_is_kept_and_what_was_taken_comes_back)
{
    _Atomic uint64_t counter = 0;
    ck_assert(limit_take(&counter, 2));
    ck_assert(limit_take(&counter, 2));
    ck_assert(!limit_take(&counter, 2));
    ck_assert_uint_eq(counter, 2);
    limit_give(&counter);
    ck_assert(limit_take(&counter, 2));
    ck_assert(limit_take(&counter, 0)); /* 0: no limit */
}
END_TEST

START_TEST(sources_are_counted_by_address_and_ipv6_by_its_64)
{
    struct sources *sources;
    struct address a, b, c, d;
    ck_assert(sources_create(&sources));
    ck_assert(address_parse_ip(&a, span_text("10.0.0.1")));
    ck_assert(address_parse_ip(&b, span_text("10.0.0.2")));
    ck_assert(address_parse_ip(&c, span_text("2001:db8::1")));
    ck_assert(address_parse_ip(&d, span_text("2001:db8::ffff:2")));
    struct ip_address ia = address_to_ip(&a), ib = address_to_ip(&b), ic = address_to_ip(&c),
                      id = address_to_ip(&d);
    ck_assert(sources_take(sources, &ia, 1));
    ck_assert(!sources_take(sources, &ia, 1));
    ck_assert(sources_take(sources, &ib, 1));
    ck_assert(sources_take(sources, &ic, 1));
    ck_assert(!sources_take(sources, &id, 1));
    sources_give(sources, &ia);
    ck_assert(sources_take(sources, &ia, 1));
    sources_give(sources, &ia);
    sources_give(sources, &ib);
    sources_give(sources, &ic);
    ck_assert_uint_eq(sources_count(sources), 0);
    sources_free(sources);
}
END_TEST

/* --- what was moved beforehand ---------------------------------------------------------------- */

/* "0123456789" from the client, of which `read` bytes were taken out of the kernel, for a room of
 * so many, and `written` given to the server, or what else the calls gave. */
static const struct moved_case {
    const char *name;
    size_t room;
    int read, written;
    enum relay_status status;
    enum side side;
    bool ended;
    const char *arrives; /* at the server, once the relay has nothing to hold any more */
} moved_cases[] = {
    {"all of it", 64, 10, 10, RELAY_GOES_ON, SIDE_CLIENT, false, "0123456789"},
    {"written in part", 64, 10, 3, RELAY_GOES_ON, SIDE_CLIENT, false, "0123456789"},
    {"not written now", 64, 10, -EAGAIN, RELAY_GOES_ON, SIDE_CLIENT, false, "0123456789"},
    {"a room that was too small", 4, 4, 4, RELAY_GOES_ON, SIDE_CLIENT, false, "0123456789"},
    {"too small, and not written", 4, 4, -EAGAIN, RELAY_GOES_ON, SIDE_CLIENT, false, "0123456789"},
    {"nothing to read now", 64, -EAGAIN, 0, RELAY_GOES_ON, SIDE_CLIENT, false, "0123456789"},
    {"interrupted", 64, -EINTR, 0, RELAY_GOES_ON, SIDE_CLIENT, false, "0123456789"},
    {"the end", 64, 0, 0, RELAY_GOES_ON, SIDE_CLIENT, true, ""},
    {"the source has reset", 64, -ECONNRESET, 0, RELAY_RESET, SIDE_CLIENT, false, ""},
    {"the sink has reset", 64, 10, -EPIPE, RELAY_RESET, SIDE_SERVER, false, ""},
    {"the source has broken", 64, -EIO, 0, RELAY_BROKEN, SIDE_CLIENT, false, ""},
    {"the sink has broken", 64, 10, -EIO, RELAY_BROKEN, SIDE_SERVER, false, ""},
};

/* The calls that the case says were made. */
static void move_beforehand(struct bench *b, const struct moved_case *c, char room[64])
{
    if (c->read > 0)
        ck_assert_int_eq(recv(b->sides[SIDE_CLIENT].fd, room, (size_t)c->read, 0), c->read);
    if (c->written > 0)
        nonblocking_send(b->sides[SIDE_SERVER].fd, room, (size_t)c->written);
}

/* As the streams tell what those calls have said. */
static struct relay_moved judge_moved(struct bench *b, const struct moved_case *c, char *room)
{
    const struct stream_lent lent = {(unsigned char *)room, c->room, c->read};
    struct relay_moved moved = {.bytes = (unsigned char *)room, .room = c->room};
    moved.read = stream_read_lent(&b->sides[SIDE_CLIENT], &lent, room, c->room, &moved.count);
    if (moved.count == 0)
        return moved;
    struct stream_parcel parcel = {.length = 0};
    stream_pack(&b->sides[SIDE_SERVER], room, moved.count, &parcel);
    ck_assert_ptr_eq(parcel.bytes, room);
    ck_assert_uint_eq(parcel.length, moved.count);
    parcel.sent = c->written;
    moved.wrote =
        stream_deliver(&b->sides[SIDE_SERVER], room, moved.count, &parcel, &moved.written);
    return moved;
}

static void await_bytes(struct bench *b, const char *wanted)
{
    char got[64] = "";
    size_t count = 0;
    while (count < strlen(wanted)) {
        ssize_t more = recv(b->server, got + count, sizeof got - count, MSG_DONTWAIT);
        count += more > 0 ? (size_t)more : 0;
        if (count < strlen(wanted))
            ck_assert_int_eq(turn(b, 20).status, RELAY_GOES_ON);
    }
    ck_assert_mem_eq(got, wanted, strlen(wanted));
    ck_assert_uint_eq(b->relay.lane[DIRECTION_UP].bytes, strlen(wanted));
    ck_assert(!relay_holds_bytes(&b->relay));
}

START_TEST(what_was_moved_beforehand_counts_as_if_it_were_moved_now)
{
    const struct moved_case *c = &moved_cases[_i];
    struct bench b;
    char room[64];
    bench_start(&b, 0);
    nonblocking_send(b.client, "0123456789", 10);
    struct pollfd p = {.fd = b.sides[SIDE_CLIENT].fd, .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
    move_beforehand(&b, c, room);
    struct relay_moved moved = judge_moved(&b, c, room);
    b.tools.moved = &moved;
    struct relay_result result = relay_pump(&b.relay, DIRECTION_UP, b.pair, &b.tools);
    b.tools.moved = NULL;
    ck_assert_msg(result.status == c->status, "%s: status %d", c->name, (int)result.status);
    ck_assert_int_eq((int)result.side, (int)c->side);
    ck_assert(b.relay.lane[DIRECTION_UP].ended == c->ended);
    if (c->status == RELAY_GOES_ON && !c->ended)
        await_bytes(&b, c->arrives);
    if (c->ended)
        ck_assert_int_eq(recv(b.server, room, sizeof room, 0), 0);
    bench_stop(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session");
    TCase *tests = tcase_create("relay and limits");
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, a_small_message_passes_and_leaves_nothing_behind);
    tcase_add_test(tests, a_side_that_finished_can_still_be_answered);
    tcase_add_test(tests, a_reset_is_told_with_its_side);
    tcase_add_test(tests, a_stalled_reader_stops_reading_from_the_other_side);
    tcase_add_loop_test(tests, what_was_moved_beforehand_counts_as_if_it_were_moved_now, 0,
                        COUNT_OF(moved_cases));
    tcase_add_test(tests, bulk_arrives_whole_by_copying);
    tcase_add_test(tests, bulk_arrives_whole_by_splicing);
    tcase_add_test(tests, bulk_is_read_in_larger_portions_where_it_is_copied);
    tcase_add_test(tests, what_is_held_for_a_sink_that_stalls_is_one_portion);
    tcase_add_test(tests, a_quiet_bulk_direction_holds_no_pipe);
    tcase_add_test(tests, a_limit_is_kept_and_what_was_taken_comes_back);
    tcase_add_test(tests, sources_are_counted_by_address_and_ipv6_by_its_64);
    return suite_run(suite);
}
