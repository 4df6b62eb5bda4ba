/* Many reads and writes in one call give what each gives alone, and leave nothing under way. */
#include "muxgate-config.h"

#include "io/batch.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
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

START_TEST(a_run_of_nothing_is_one)
{
    if (batch != NULL)
        ck_assert(batch_run(batch));
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
