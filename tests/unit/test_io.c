/* The io floor: sockets, plain streams, mailboxes, pipes, the writer of lines. */
#include "base/clock.h"
#include "io/mailbox.h"
#include "io/pipes.h"
#include "io/socket.h"
#include "io/stream.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- sockets ---------------------------------------------------------------------------------- */

static int listen_on(const char *text, struct address *ret)
{
    struct error error;
    int fd;
    ck_assert(address_parse(ret, span_text(text), &error));
    ck_assert_msg(socket_listen(&fd, ret, &error), "%s", error.text);
    ck_assert(socket_local(fd, ret));
    return fd;
}

static void wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    ck_assert_int_eq(poll(&p, 1, 5000), 1);
}

static void make_pair(int *client, int *server)
{
    struct address a;
    struct error error;
    bool done;
    int listener = listen_on("127.0.0.1:0", &a);
    ck_assert(socket_connect(client, &a, &done, &error));
    wait_for(listener, POLLIN);
    *server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    ck_assert_int_ge(*server, 0);
    wait_for(*client, POLLOUT);
    ck_assert_int_eq(socket_connect_result(*client), 0);
    (void)close(listener);
}

START_TEST(an_address_in_use_is_found_out_before_a_group_is_joined)
{
    struct address a;
    struct error error = {0};
    int first = listen_on("127.0.0.1:0", &a), second;
    ck_assert(!socket_probe_free(&a, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "in use"));
    /* ... which joining would not have told: */
    ck_assert(socket_listen(&second, &a, &error));
    (void)close(second);
    (void)close(first);
    ck_assert_msg(socket_probe_free(&a, &error), "%s", error.text);
}
END_TEST

/* The same port at another address. */
static int listen_beside(const char *host, const struct address *beside, struct address *ret)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s:%u", host, address_port(beside));
    return listen_on(text, ret);
}

/* On 127.0.0.1, at a port that is nobody's at any address, as others may have it at one of theirs.
 */
static int listen_narrow(struct address *ret)
{
    struct address wide;
    (void)close(listen_on("0.0.0.0:0", &wide));
    return listen_beside("127.0.0.1", &wide, ret);
}

static int connect_to(const struct address *to)
{
    struct error error;
    bool done;
    int fd;
    ck_assert_msg(socket_connect(&fd, to, &done, &error), "%s", error.text);
    return fd;
}

/* Waits for a client to be there; it is told by its port. */
static bool takes(int listener, int client)
{
    struct address peer, own;
    socklen_t length = sizeof peer.storage;
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    ck_assert_int_eq(poll(&ready, 1, 10000), 1);
    int fd = accept(listener, (struct sockaddr *)&peer.storage, &length);
    if (fd < 0)
        return false;
    peer = address_of((struct sockaddr *)&peer.storage, length);
    ck_assert(socket_local(client, &own));
    (void)close(fd);
    return address_port(&peer) == address_port(&own);
}

START_TEST(a_hidden_socket_keeps_its_clients_and_gets_no_more)
{
    struct address narrow, wide;
    int old = listen_narrow(&narrow);
    int new = listen_beside("0.0.0.0", &narrow, &wide);
    int before = connect_to(&narrow);
    ck_assert(socket_hide(old));
    int after = connect_to(&narrow);
    ck_assert(takes(old, before));
    ck_assert(takes(new, after));
    ck_assert_int_eq(accept(old, NULL, NULL), -1);
    (void)close(new);
    int late = connect_to(&narrow);
    ck_assert_int_eq(socket_connect_result(late), ECONNREFUSED);
    (void)close(late);
    (void)close(after);
    (void)close(before);
    (void)close(old);
}
END_TEST

/* With TCP_DEFER_ACCEPT a handshake ends with the first byte. */
START_TEST(a_handshake_that_has_begun_ends_at_the_hidden_socket)
{
    struct address narrow, wide;
    int yes = 10;
    int old = listen_narrow(&narrow);
    int new = listen_beside("0.0.0.0", &narrow, &wide);
    ck_assert_int_eq(setsockopt(old, IPPROTO_TCP, TCP_DEFER_ACCEPT, &yes, sizeof yes), 0);
    int client = connect_to(&narrow);
    ck_assert_int_eq(accept(old, NULL, NULL), -1);
    ck_assert(socket_hide(old));
    ck_assert_int_eq(write(client, "x", 1), 1);
    ck_assert(takes(old, client));
    ck_assert_int_eq(accept(new, NULL, NULL), -1);
    (void)close(client);
    (void)close(new);
    (void)close(old);
}
END_TEST

START_TEST(hidden_sockets_are_not_in_the_way)
{
    struct error error;
    struct address a, again, any;
    int old = listen_narrow(&a);
    any = a;
    any.v4.sin_addr.s_addr = htonl(INADDR_ANY);
    ck_assert(!socket_probe_free(&a, &error) && !socket_probe_free(&any, &error));
    ck_assert(socket_hide(old));
    ck_assert_msg(socket_probe_free(&a, &error), "%s", error.text);
    ck_assert_msg(socket_probe_free(&any, &error), "%s", error.text);
    int new = listen_beside("127.0.0.1", &a, &again);
    for (int i = 0; i < 50; i++) {
        int client = connect_to(&a);
        ck_assert(takes(new, client));
        (void)close(client);
    }
    (void)close(new);
    (void)close(old);
}
END_TEST

START_TEST(a_hidden_unix_socket_refuses_and_keeps_its_queue)
{
    struct error error;
    struct address a;
    bool done;
    int old, before, after;
    char name[64];
    (void)snprintf(name, sizeof name, "unix:@muxgate-hide-%d", (int)getpid());
    old = listen_on(name, &a);
    ck_assert(socket_connect(&before, &a, &done, &error));
    ck_assert(!socket_hide(old));
    ck_assert(!socket_connect(&after, &a, &done, &error) && error.number == ECONNREFUSED);
    int fd = accept(old, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(accept(old, NULL, NULL), -1);
    (void)close(fd);
    (void)close(before);
    (void)close(old);
}
END_TEST

START_TEST(any_address_takes_both_families)
{
    struct address a, v4;
    struct error error;
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    bool done;
    int client, listener = listen_on("[::]:0", &a);
    ck_assert(address_parse(&v4, span_text("127.0.0.1:1"), &error));
    address_set_port(&v4, address_port(&a));
    ck_assert(socket_connect(&client, &v4, &done, &error));
    wait_for(listener, POLLIN);
    int fd = accept4(listener, (struct sockaddr *)&storage, &length, 0);
    struct address peer = address_of((struct sockaddr *)&storage, length);
    ck_assert_int_eq(peer.any.sa_family, AF_INET);
    (void)close(fd);
    (void)close(client);
    (void)close(listener);
}
END_TEST

START_TEST(a_refused_connection_is_told)
{
    struct address a;
    struct error error;
    bool done;
    int fd, listener = listen_on("127.0.0.1:0", &a);
    (void)close(listener);
    ck_assert(socket_connect(&fd, &a, &done, &error));
    wait_for(fd, POLLOUT);
    ck_assert_int_eq(socket_connect_result(fd), ECONNREFUSED);
    (void)close(fd);
}
END_TEST

/* A loopback address that no other run of this test has; with these ports behind it. */
static const char *own_address(const char *ports)
{
    static char text[64];
    unsigned pid = (unsigned)getpid();
    snprintf(text, sizeof text, "127.%u.%u.%u:%s", 1 + (pid >> 16 & 0x3f), pid >> 8 & 0xff,
             pid & 0xff, ports);
    return text;
}

/* A connection from there to the listener, or the errno. */
static int connect_from(const char *text, const struct address *to, int *ret_number)
{
    struct origin origin;
    struct error error;
    bool done;
    int fd = -1;
    ck_assert(origin_parse(&origin, span_text(text), &error));
    *ret_number = 0;
    if (!socket_connect_from(&fd, to, &origin, false, &done, &error))
        *ret_number = error.number;
    return fd;
}

START_TEST(each_port_of_a_range_serves_one_connection_to_each_server)
{
    struct address to[2], own;
    int number, fds[2][4];
    int listeners[2] = {listen_on("127.0.0.1:0", &to[0]), listen_on("127.0.0.1:0", &to[1])};
    for (int l = 0; l < 2; l++) {
        unsigned seen = 0;
        for (int i = 0; i < 4; i++) {
            fds[l][i] = connect_from(own_address("9300-9303"), &to[l], &number);
            ck_assert_int_eq(number, 0);
            ck_assert(socket_local(fds[l][i], &own));
            ck_assert_uint_ge(address_port(&own), 9300);
            ck_assert_uint_le(address_port(&own), 9303);
            seen |= 1u << (address_port(&own) - 9300);
        }
        ck_assert_uint_eq(seen, 15);
        ck_assert_int_eq(connect_from(own_address("9300-9303"), &to[l], &number), -1);
        ck_assert_int_eq(number, EADDRNOTAVAIL);
        ck_assert(socket_fault_is_ours(number, &to[l]));
    }
    for (int l = 0; l < 2; l++) {
        for (int i = 0; i < 4; i++) {
            socket_set_reset(fds[l][i]);
            (void)close(fds[l][i]);
        }
        (void)close(listeners[l]);
    }
}
END_TEST

START_TEST(a_port_on_which_somebody_listens_is_passed_over)
{
    struct address to, taken, own;
    int number, listener = listen_on("127.0.0.1:0", &to),
                other = listen_on(own_address("9311"), &taken);
    for (int i = 0; i < 8; i++) {
        int fd = connect_from(own_address("9310-9311"), &to, &number);
        ck_assert_int_eq(number, 0);
        ck_assert(socket_local(fd, &own));
        ck_assert_uint_eq(address_port(&own), 9310);
        socket_set_reset(fd);
        (void)close(fd);
    }
    (void)close(other);
    (void)close(listener);
}
END_TEST

START_TEST(an_origin_of_another_family_or_host_is_our_fault)
{
    struct address to;
    int number, listener = listen_on("127.0.0.1:0", &to);
    ck_assert_int_eq(connect_from("::1", &to, &number), -1);
    ck_assert_int_eq(number, EAFNOSUPPORT);
    ck_assert(socket_fault_is_ours(number, &to));
    ck_assert_int_eq(connect_from("192.0.2.1", &to, &number), -1);
    ck_assert_int_eq(number, EADDRNOTAVAIL);
    ck_assert(!socket_fault_is_ours(ECONNREFUSED, &to) && !socket_fault_is_ours(ETIMEDOUT, &to));
    (void)close(listener);
}
END_TEST

START_TEST(a_socket_connected_to_itself_is_told_from_others)
{
    struct address a;
    struct error error;
    bool done;
    int listener = listen_on("127.0.0.1:0", &a), other, own;
    ck_assert(socket_connect(&other, &a, &done, &error));
    wait_for(other, POLLOUT);
    ck_assert(!socket_reaches_itself(other, &a));
    /* A dead port that the kernel happens to choose for our own end. */
    own = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert(address_parse(&a, span_text("127.0.0.1:0"), &error));
    ck_assert_int_eq(bind(own, &a.any, a.length), 0);
    ck_assert(socket_local(own, &a));
    ck_assert_int_eq(connect(own, &a.any, a.length), 0);
    ck_assert(socket_reaches_itself(own, &a));
    (void)close(own);
    (void)close(other);
    (void)close(listener);
}
END_TEST

START_TEST(first_bytes_tell_whether_a_connection_stands)
{
    struct address a;
    struct error error;
    bool done;
    size_t count;
    int fd, number, listener = listen_on("127.0.0.1:0", &a);
    char heard[8];
    ck_assert(socket_connect(&fd, &a, &done, &error));
    wait_for(fd, POLLOUT);
    ck_assert_int_eq(socket_send_first(fd, "first", 5, &count, &number), FIRST_SEND_TAKEN);
    ck_assert_uint_eq(count, 5);
    wait_for(listener, POLLIN);
    int server = accept4(listener, NULL, NULL, 0);
    ck_assert_int_eq(recv(server, heard, sizeof heard, 0), 5);
    (void)close(server);
    (void)close(fd);
    (void)close(listener);
    ck_assert(socket_connect(&fd, &a, &done, &error));
    wait_for(fd, POLLOUT);
    ck_assert(!socket_is_connected(fd));
    ck_assert_int_eq(socket_send_first(fd, "first", 5, &count, &number), FIRST_SEND_FAILED);
    ck_assert_int_eq(number, ECONNREFUSED);
    (void)close(fd);
}
END_TEST

START_TEST(first_bytes_stay_here_while_a_connection_is_under_way)
{
    struct address a;
    struct error error;
    bool done;
    size_t count;
    int fds[8], number, begun = 0, listener = listen_on("127.0.0.1:0", &a);
    enum first_send said = FIRST_SEND_TAKEN;
    /* One waits in the queue, further ones are not answered. */
    ck_assert_int_eq(listen(listener, 0), 0);
    while (said == FIRST_SEND_TAKEN && begun < 8) {
        ck_assert(socket_connect(&fds[begun], &a, &done, &error));
        said = socket_send_first(fds[begun++], "x", 1, &count, &number);
    }
    ck_assert_int_eq(said, FIRST_SEND_TOO_EARLY);
    ck_assert(!socket_is_connected(fds[begun - 1]));
    while (begun > 0)
        (void)close(fds[--begun]);
    (void)close(listener);
}
END_TEST

static int nodelay_of(int fd)
{
    int value = -1;
    socklen_t length = sizeof value;
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &length), 0);
    return value;
}

START_TEST(nagle_ends_with_the_second_write_of_a_connection_of_ours)
{
    struct stream s;
    struct address to;
    struct error error;
    size_t count;
    int client, server;
    make_pair(&client, &server);
    ck_assert(address_parse(&to, span_text("127.0.0.1:1"), &error));
    stream_outgoing(&s, client, &to);
    ck_assert_int_eq(stream_write(&s, "one", 3, &count), STREAM_OK);
    ck_assert_int_eq(nodelay_of(client), 0);
    ck_assert_int_eq(stream_write(&s, "two", 3, &count), STREAM_OK);
    ck_assert_int_ne(nodelay_of(client), 0);
    stream_close(&s, false);
    (void)close(server);
    make_pair(&client, &server);
    stream_outgoing(&s, client, &to);
    stream_note_write(&s);
    ck_assert_int_eq(stream_write(&s, "two", 3, &count), STREAM_OK);
    ck_assert_int_ne(nodelay_of(client), 0);
    stream_close(&s, false);
    (void)close(server);
}
END_TEST

START_TEST(the_kernel_takes_our_ports_from_its_own_range)
{
    struct port_range range = socket_own_ports();
    struct address own;
    int client, server;
    ck_assert_uint_lt(range.low, range.high);
    make_pair(&client, &server);
    ck_assert(socket_local(client, &own));
    ck_assert(port_range_has(range, address_port(&own)));
    ck_assert(!port_range_has((struct port_range){10, 20}, 21));
    (void)close(client);
    (void)close(server);
}
END_TEST

START_TEST(keep_alive_switched_off_leaves_nothing_of_what_was_set)
{
    struct address a;
    int fd = listen_on("127.0.0.1:0", &a), value = -1;
    socklen_t length = sizeof value;
    socket_set_keepalive(fd, &(struct keepalive){.on = true,
                                                 .idle_ms = 60000,
                                                 .interval_ms = 10000,
                                                 .user_timeout_ms = 60000,
                                                 .count = 6});
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &length), 0);
    ck_assert_int_eq(value, 60000);
    socket_set_keepalive(fd, &(struct keepalive){.on = false, .user_timeout_ms = 60000});
    ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &length), 0);
    ck_assert_int_eq(value, 0);
    (void)close(fd);
}
END_TEST

START_TEST(a_dead_unix_path_is_replaced_and_a_live_one_is_not)
{
    char path[] = "/tmp/muxgate-test-XXXXXX", text[64];
    ck_assert_ptr_nonnull(mkdtemp(path));
    (void)snprintf(text, sizeof text, "unix:%s/s", path);
    struct address a, again;
    struct error error = {0};
    int first = listen_on(text, &a), second;
    again = a;
    ck_assert(!socket_listen(&second, &again, &error));
    (void)close(first);
    ck_assert_msg(socket_listen(&second, &again, &error), "%s", error.text);
    (void)close(second);
    (void)unlink(a.local.sun_path);
    (void)rmdir(path);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_not_replaced)
{
    char path[] = "/tmp/muxgate-test-XXXXXX", text[64];
    int file = mkstemp(path), fd;
    struct address a;
    struct error error = {0};
    ck_assert_int_ge(file, 0);
    (void)snprintf(text, sizeof text, "unix:%s", path);
    ck_assert(address_parse(&a, span_text(text), &error));
    ck_assert(!socket_listen(&fd, &a, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "in use"));
    ck_assert_int_eq(access(path, F_OK), 0);
    (void)close(file);
    (void)unlink(path);
}
END_TEST

START_TEST(a_finish_behind_unread_bytes_is_seen)
{
    int client, server;
    make_pair(&client, &server);
    ck_assert(!socket_peer_finished(server));
    ck_assert_int_eq(write(client, "x", 1), 1);
    ck_assert(!socket_peer_finished(server));
    (void)shutdown(client, SHUT_WR);
    wait_for(server, POLLRDHUP);
    ck_assert(socket_peer_finished(server));
    (void)close(client);
    (void)close(server);
}
END_TEST

/* --- streams ---------------------------------------------------------------------------------- */

START_TEST(a_plain_stream_tells_end_from_reset)
{
    int fds[2];
    char room[8];
    size_t count;
    make_pair(&fds[0], &fds[1]);
    struct stream a, b;
    stream_plain(&a, fds[0]);
    stream_plain(&b, fds[1]);
    ck_assert_int_eq(stream_read(&b, room, sizeof room, &count), STREAM_AGAIN);
    ck_assert_int_eq(stream_write(&a, "hi", 2, &count), STREAM_OK);
    ck_assert_int_eq(stream_finish(&a), STREAM_OK);
    wait_for(fds[1], POLLRDHUP);
    ck_assert_int_eq(stream_read(&b, room, sizeof room, &count), STREAM_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(stream_read(&b, room, sizeof room, &count), STREAM_EOF);
    ck_assert_int_eq(stream_write(&b, "yo", 2, &count), STREAM_OK); /* half-closed: still answers */
    wait_for(fds[0], POLLIN);
    ck_assert_int_eq(stream_read(&a, room, sizeof room, &count), STREAM_OK);
    stream_close(&b, true);
    wait_for(fds[0], POLLIN);
    ck_assert_int_eq(stream_read(&a, room, sizeof room, &count), STREAM_RESET);
    stream_close(&a, false);
    ck_assert(!stream_is_open(&a));
    stream_close(&a, false);
}
END_TEST

/* --- pipes ------------------------------------------------------------------------------------ */

START_TEST(pipes_are_bounded_and_used_again_only_when_empty)
{
    struct pipes *pipes = pipes_create(2);
    struct pipe_pair *a = pipes_take(pipes), *b = pipes_take(pipes);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_ptr_null(pipes_take(pipes));
    ck_assert_int_eq(write(a->in, "x", 1), 1);
    a->held = 1;
    pipes_give(pipes, a);
    struct pipe_pair *c = pipes_take(pipes);
    char byte;
    ck_assert_int_eq(read(c->out, &byte, 1), -1); /* not the one with a byte in it */
    pipes_give(pipes, c);
    pipes_give(pipes, b);
    pipes_free(pipes);
}
END_TEST

/* --- mailbox ---------------------------------------------------------------------------------- */

#define LETTERS 20000

struct letter {
    struct mail mail;
    int number;
};

struct reader {
    int next[2], left;
    struct ev_loop *loop;
};

static void deliver_letter(struct mail *mail, void *owner)
{
    struct reader *reader = owner;
    struct letter *letter = CONTAINER_OF(mail, struct letter, mail);
    int sender = letter->number % 2;
    ck_assert_int_eq(letter->number / 2, reader->next[sender]++);
    free(letter);
    if (--reader->left == 0)
        ev_break(reader->loop, EVBREAK_ALL);
}

struct sender {
    struct mailbox *box;
    int number;
};

static void *send_letters(void *context)
{
    const struct sender *sender = context;
    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = calloc(1, sizeof *letter);
        letter->mail.deliver = deliver_letter;
        letter->number = i * 2 + sender->number;
        mailbox_send(sender->box, &letter->mail);
    }
    return NULL;
}

START_TEST(mail_of_each_sender_arrives_once_and_in_order)
{
    struct mailbox box;
    struct reader reader = {.left = 2 * LETTERS, .loop = ev_loop_new(EVFLAG_AUTO)};
    mailbox_start(&box, reader.loop, &reader);
    struct sender senders[2] = {{&box, 0}, {&box, 1}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    ev_run(reader.loop, 0);
    for (int i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL);
    ck_assert_int_eq(reader.left, 0);
    mailbox_stop(&box);
    ev_loop_destroy(reader.loop);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("io");
    TCase *tests = tcase_create("io");
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, an_address_in_use_is_found_out_before_a_group_is_joined);
    tcase_add_test(tests, any_address_takes_both_families);
    tcase_add_test(tests, a_hidden_socket_keeps_its_clients_and_gets_no_more);
    tcase_add_test(tests, a_handshake_that_has_begun_ends_at_the_hidden_socket);
    tcase_add_test(tests, hidden_sockets_are_not_in_the_way);
    tcase_add_test(tests, a_hidden_unix_socket_refuses_and_keeps_its_queue);
    tcase_add_test(tests, a_refused_connection_is_told);
    tcase_add_test(tests, a_socket_connected_to_itself_is_told_from_others);
    tcase_add_test(tests, first_bytes_tell_whether_a_connection_stands);
    tcase_add_test(tests, first_bytes_stay_here_while_a_connection_is_under_way);
    tcase_add_test(tests, nagle_ends_with_the_second_write_of_a_connection_of_ours);
    tcase_add_test(tests, the_kernel_takes_our_ports_from_its_own_range);
    tcase_add_test(tests, each_port_of_a_range_serves_one_connection_to_each_server);
    tcase_add_test(tests, a_port_on_which_somebody_listens_is_passed_over);
    tcase_add_test(tests, an_origin_of_another_family_or_host_is_our_fault);
    tcase_add_test(tests, keep_alive_switched_off_leaves_nothing_of_what_was_set);
    tcase_add_test(tests, a_dead_unix_path_is_replaced_and_a_live_one_is_not);
    tcase_add_test(tests, a_file_that_is_no_socket_is_not_replaced);
    tcase_add_test(tests, a_finish_behind_unread_bytes_is_seen);
    tcase_add_test(tests, a_plain_stream_tells_end_from_reset);
    tcase_add_test(tests, pipes_are_bounded_and_used_again_only_when_empty);
    tcase_add_test(tests, mail_of_each_sender_arrives_once_and_in_order);
    return suite_run(suite);
}
