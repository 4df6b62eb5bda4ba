/* Many reads and writes in one call give what each gives alone, and leave nothing under way. */
#include "muxgate-config.h"

#include "io/batch.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef HAVE_LIBURING

static struct batch *batch; /* NULL: this kernel, or who confines us, has none */

static void create(void)
{
    bool created = batch_create(&batch);
    ck_assert_int_eq(created, strcmp(batch_support(), "available") == 0);
    if (!created)
        puts("io_uring is not to be had here: nothing was tested");
}

static void release(void)
{
    batch_free(batch);
    batch = NULL;
}

static void pair(int ends[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void close_pair(const int ends[2])
{
    (void)close(ends[0]);
    (void)close(ends[1]);
}

/* Again and again: the ring is gone round many times. */
START_TEST(a_full_round_moves_everyones_bytes_to_their_place)
{
    int ends[BATCH_MOST][2];
    if (batch == NULL)
        return;
    for (unsigned i = 0; i < BATCH_MOST; i++)
        pair(ends[i]);
    for (unsigned round = 0; round < 50; round++) {
        unsigned char sent[BATCH_MOST][3], got[BATCH_MOST][8];
        for (unsigned i = 0; i < BATCH_MOST; i++) {
            memset(sent[i], (int)(round + i), sizeof sent[i]);
            batch_send(batch, i, ends[i][0], sent[i], 1 + i % 3);
        }
        ck_assert(batch_run(batch));
        for (unsigned i = 0; i < BATCH_MOST; i++) {
            ck_assert_int_eq(batch_result(batch, i), (int)(1 + i % 3));
            batch_recv(batch, i, ends[i][1], got[i], sizeof got[i]);
        }
        ck_assert(batch_run(batch));
        for (unsigned i = 0; i < BATCH_MOST; i++) {
            ck_assert_int_eq(batch_result(batch, i), (int)(1 + i % 3));
            ck_assert_mem_eq(got[i], sent[i], 1 + i % 3);
        }
    }
    for (unsigned i = 0; i < BATCH_MOST; i++)
        close_pair(ends[i]);
}
END_TEST

/* Also on sockets that would wait if asked by recv(2): a gateway's do not, a test's do. */
START_TEST(nothing_waits_for_a_peer)
{
    int quiet[2], full[2];
    static char block[4096];
    char room[8];
    if (batch == NULL)
        return;
    pair(quiet);
    pair(full);
    while (send(full[0], block, sizeof block, MSG_DONTWAIT) > 0)
        ;
    batch_recv(batch, 0, quiet[0], room, sizeof room);
    batch_send(batch, 1, full[0], block, sizeof block);
    ck_assert(batch_run(batch));
    ck_assert_int_eq(batch_result(batch, 0), -EAGAIN);
    ck_assert_int_eq(batch_result(batch, 1), -EAGAIN);
    /* Bytes that come later find nobody who still waits for them. */
    ck_assert_int_eq(send(quiet[1], "x", 1, 0), 1);
    ck_assert(batch_run(batch));
    ck_assert_int_eq(recv(quiet[0], room, sizeof room, MSG_DONTWAIT), 1);
    close_pair(quiet);
    close_pair(full);
}
END_TEST

START_TEST(ends_and_faults_are_told_as_the_calls_tell_them)
{
    int ended[2], gone[2];
    char room[8];
    if (batch == NULL)
        return;
    pair(ended);
    pair(gone);
    (void)shutdown(ended[1], SHUT_WR);
    (void)close(gone[1]);
    batch_recv(batch, 0, ended[0], room, sizeof room);
    batch_send(batch, 1, gone[0], "x", 1); /* and no SIGPIPE */
    batch_recv(batch, 2, -1, room, sizeof room);
    batch_send(batch, BATCH_MOST - 1, ended[0], "x", 1);
    ck_assert(batch_run(batch));
    ck_assert_int_eq(batch_result(batch, 0), 0);
    ck_assert_int_eq(batch_result(batch, 1), -EPIPE);
    ck_assert_int_eq(batch_result(batch, 2), -EBADF);
    ck_assert_int_eq(batch_result(batch, BATCH_MOST - 1), 1);
    close_pair(ended);
    (void)close(gone[0]);
}
END_TEST

/* --- connections ------------------------------------------------------------------------------ */

static int listen_with(int backlog, struct sockaddr_in *ret)
{
    socklen_t length = sizeof *ret;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    ck_assert_int_eq(bind(fd, (struct sockaddr *)ret, length), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)ret, &length), 0);
    if (backlog >= 0)
        ck_assert_int_eq(listen(fd, backlog), 0);
    return fd;
}

static int connect_as(unsigned slot, const struct sockaddr_in *to)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    batch_connect(batch, slot, fd, (const struct sockaddr *)to, sizeof *to);
    return fd;
}

START_TEST(many_connect_at_once_each_with_its_own_outcome)
{
    struct sockaddr_in open, shut;
    int fds[BATCH_MOST];
    if (batch == NULL)
        return;
    int server = listen_with(1000, &open), deaf = listen_with(-1, &shut);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < BATCH_MOST; i++)
            fds[i] = connect_as(i, i % 3 == 1 ? &shut : &open);
        ck_assert(batch_run_connects(batch));
        for (unsigned i = 0; i < BATCH_MOST; i++) {
            ck_assert_int_eq(batch_result(batch, i), i % 3 == 1 ? -ECONNREFUSED : 0);
            if (i % 3 != 1)
                ck_assert_int_eq(send(fds[i], "x", 1, MSG_NOSIGNAL), 1);
            (void)close(fds[i]);
        }
    }
    (void)close(server);
    (void)close(deaf);
}
END_TEST

/* The queue of the server is full, so that the kernel does not answer. */
START_TEST(nothing_waits_for_a_connection)
{
    struct sockaddr_in to;
    int fds[8];
    unsigned stood = 0;
    char room[4];
    int pairs[2];
    if (batch == NULL)
        return;
    int server = listen_with(1, &to);
    for (unsigned i = 0; i < 8; i++)
        fds[i] = connect_as(i, &to);
    ck_assert(batch_run_connects(batch));
    for (unsigned i = 0; i < 8; i++) {
        int result = batch_result(batch, i), number = 0;
        socklen_t length = sizeof number;
        ck_assert(result == 0 || result == -ECANCELED);
        ck_assert_int_eq(getsockopt(fds[i], SOL_SOCKET, SO_ERROR, &number, &length), 0);
        ck_assert_int_eq(number, 0);
        stood += result == 0;
    }
    ck_assert_uint_ge(stood, 1);
    ck_assert_uint_lt(stood, 8);
    /* The ring has forgotten them, and is as good as before. */
    pair(pairs);
    batch_send(batch, 7, pairs[0], "abc", 3);
    ck_assert(batch_run(batch));
    ck_assert_int_eq(batch_result(batch, 7), 3);
    ck_assert_int_eq(recv(pairs[1], room, sizeof room, MSG_DONTWAIT), 3);
    close_pair(pairs);
    /* Their sockets go on by themselves: the kernel says hello again once there is room. */
    for (unsigned i = 0; i < stood; i++)
        (void)close(accept(server, NULL, NULL));
    for (unsigned i = 0; i < 8; i++) {
        struct pollfd p = {.fd = fds[i], .events = POLLOUT};
        if (batch_result(batch, i) != -ECANCELED)
            continue;
        ck_assert_int_eq(poll(&p, 1, 10000), 1);
        ck_assert_int_eq(p.revents & (POLLOUT | POLLERR), POLLOUT);
        break;
    }
    for (unsigned i = 0; i < 8; i++)
        (void)close(fds[i]);
    (void)close(server);
}
END_TEST

START_TEST(a_run_of_nothing_is_one)
{
    if (batch != NULL)
        ck_assert(batch_run(batch) && batch_run_connects(batch));
    batch_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *c = tcase_create("ring");
    tcase_add_checked_fixture(c, create, release);
    tcase_add_test(c, a_full_round_moves_everyones_bytes_to_their_place);
    tcase_add_test(c, nothing_waits_for_a_peer);
    tcase_add_test(c, ends_and_faults_are_told_as_the_calls_tell_them);
    tcase_add_test(c, many_connect_at_once_each_with_its_own_outcome);
    tcase_add_test(c, nothing_waits_for_a_connection);
    tcase_add_test(c, a_run_of_nothing_is_one);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}

#else

START_TEST(without_liburing_there_is_none)
{
    struct batch *batch = NULL;
    ck_assert_str_eq(batch_support(), "not built in");
    ck_assert(!batch_create(&batch));
    ck_assert_ptr_null(batch);
    batch_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *c = tcase_create("none");
    tcase_add_test(c, without_liburing_there_is_none);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}

#endif
