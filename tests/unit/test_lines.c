/* The access log's thread: lines to files and pipes, to the local syslog, to the journal. */
#include "base/clock.h"
#include "base/text.h"
#include "io/line_writer.h"
#include "suite.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- the writer of lines ---------------------------------------------------------------------- */

struct producer {
    struct line_writer *writer;
    unsigned number;
    unsigned accepted;
};

#define LINES 30000

static void *put_lines(void *context)
{
    struct producer *p = context;
    char line[64];
    for (unsigned i = 0; i < LINES; i++) {
        int length = snprintf(line, sizeof line, "%u %u\n", p->number, i);
        if (line_writer_put(p->writer, p->number, LINE_TEXT, span_of(line, (size_t)length)))
            p->accepted++;
    }
    return NULL;
}

START_TEST(lines_are_written_whole_and_in_each_ones_order)
{
    char path[] = "/tmp/muxgate-log-XXXXXX";
    (void)close(mkstemp(path));
    struct line_writer *writer;
    struct error error;
    struct line_target target = {.file = path};
    ck_assert_msg(line_writer_start(&writer, &target, 2, &error), "%s", error.text);
    struct producer producers[2] = {{writer, 0, 0}, {writer, 1, 0}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, put_lines, &producers[i]), 0);
    for (int i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL);
    uint64_t dropped = line_writer_dropped(writer);
    line_writer_stop(writer, 5000);
    FILE *file = fopen(path, "r");
    unsigned who, number, seen[2] = {0, 0}, last[2] = {0, 0};
    while (fscanf(file, "%u %u\n", &who, &number) == 2) {
        ck_assert_uint_lt(who, 2);
        ck_assert(seen[who] == 0 || number > last[who]);
        last[who] = number;
        seen[who]++;
    }
    ck_assert(feof(file));
    (void)fclose(file);
    (void)unlink(path);
    ck_assert_uint_eq(seen[0], producers[0].accepted);
    ck_assert_uint_eq(seen[1], producers[1].accepted);
    ck_assert_uint_eq(seen[0] + seen[1] + dropped, 2 * LINES);
}
END_TEST

START_TEST(a_reader_that_never_reads_costs_lines_and_no_time)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    struct line_writer *writer;
    struct error error;
    struct line_target target = {.fd = ends[1]};
    ck_assert(line_writer_start(&writer, &target, 1, &error));
    struct producer producer = {writer, 0, 0};
    for (int i = 0; i < 10; i++)
        (void)put_lines(&producer); /* far more than ring and pipe hold */
    ck_assert_uint_gt(line_writer_dropped(writer), 0);
    ck_assert_uint_eq(producer.accepted + line_writer_dropped(writer), 10 * LINES);
    uint64_t before = clock_monotonic_us();
    line_writer_stop(writer, 200);
    ck_assert_uint_lt(clock_monotonic_us() - before, 3000000);
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

START_TEST(a_rotated_file_is_opened_again)
{
    char folder[] = "/tmp/muxgate-log-XXXXXX", path[64], moved[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/log", folder);
    (void)snprintf(moved, sizeof moved, "%s/log.1", folder);
    struct line_writer *writer;
    struct error error;
    struct line_target target = {.file = path};
    ck_assert(line_writer_start(&writer, &target, 1, &error));
    ck_assert(line_writer_put(writer, 0, LINE_TEXT, span_text("first\n")));
    ck_assert_int_eq(rename(path, moved), 0);
    ck_assert(line_writer_reopen(writer, &target, &error));
    struct line_target nowhere = {.file = "/nonexistent/folder/log"};
    ck_assert(!line_writer_reopen(writer, &nowhere, &error)); /* the target stays */
    line_writer_stop(writer, 5000);
    ck_assert_int_eq(access(path, F_OK), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(unlink(moved), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(lines_that_the_target_refuses_are_counted_each)
{
    struct line_writer *writer;
    struct error error;
    struct line_target full = {.file = "/dev/full"};
    ck_assert(line_writer_start(&writer, &full, 1, &error));
    for (int i = 0; i < 500; i++)
        ck_assert(line_writer_put(writer, 0, LINE_TEXT, span_text("a line of twenty byt\n")));
    for (int i = 0; i < 500 && line_writer_dropped(writer) < 500; i++)
        (void)poll(NULL, 0, 10);
    ck_assert_uint_eq(line_writer_dropped(writer), 500);
    line_writer_stop(writer, 1000);
}
END_TEST

/* --- a disk that is full -----------------------------------------------------------------------
 */

static struct line_writer *write_to(enum line_protocol protocol, const char *path)
{
    struct line_writer *writer;
    struct error error;
    struct line_target target = {.protocol = protocol, .file = path};
    ck_assert_msg(line_writer_start(&writer, &target, 1, &error), "%s", error.text);
    return writer;
}

#define LIMIT 50 /* bytes of a file */

/* What check itself writes is limited, too: nothing is asserted until it is lifted. */
static void limit_files(rlim_t most)
{
    struct rlimit limit = {0};
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = most;
    (void)setrlimit(RLIMIT_FSIZE, &limit);
}

static void put_numbered(struct line_writer *writer, unsigned number)
{
    char line[32];
    (void)snprintf(line, sizeof line, "line %02u of twenty b\n", number);
    (void)line_writer_put(writer, 0, LINE_TEXT, span_text(line));
}

static void wait_for_drops(const struct line_writer *writer, uint64_t count)
{
    for (int i = 0; i < 1000 && line_writer_dropped(writer) < count; i++)
        (void)poll(NULL, 0, 10);
}

static void expect_file(const char *path, const char *expected)
{
    char found[256] = "";
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    size_t count = fread(found, 1, sizeof found - 1, file);
    found[count] = '\0';
    ck_assert_str_eq(found, expected);
    (void)fclose(file);
}

START_TEST(a_line_that_fits_in_half_is_taken_back)
{
    struct line_writer *writer = write_to(LINE_STREAM, "log");
    limit_files(LIMIT);
    for (unsigned i = 1; i <= 5; i++)
        put_numbered(writer, i);
    wait_for_drops(writer, 3); /* two and a half fit */
    limit_files(RLIM_INFINITY);
    put_numbered(writer, 6);
    line_writer_stop(writer, 5000);
    expect_file("log", "line 01 of twenty b\nline 02 of twenty b\nline 06 of twenty b\n");
    ck_assert_int_eq(unlink("log"), 0);
}
END_TEST

START_TEST(a_line_that_another_process_has_left_in_half_is_ended_first)
{
    FILE *file = fopen("log", "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs("whole\nhal", file), 0);
    (void)fclose(file);
    for (unsigned i = 1; i <= 2; i++) {
        struct line_writer *writer = write_to(LINE_STREAM, "log");
        put_numbered(writer, i);
        line_writer_stop(writer, 5000);
    }
    expect_file("log", "whole\nhal\nline 01 of twenty b\nline 02 of twenty b\n");
    ck_assert_int_eq(unlink("log"), 0);
}
END_TEST

START_TEST(a_line_that_is_stuck_in_half_is_ended_before_the_next)
{
    int ends[2];
    struct line_writer *writer;
    struct error error;
    char room[PIPE_BUF], last[64] = "", line[PIPE_BUF + 100];
    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    ck_assert_int_eq(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BUF), PIPE_BUF);
    struct line_target target = {.fd = ends[1]};
    ck_assert(line_writer_start(&writer, &target, 1, &error));
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    ck_assert(line_writer_put(writer, 0, LINE_TEXT, span_of(line, sizeof line)));
    struct pollfd full = {.fd = ends[0], .events = POLLIN};
    ck_assert_int_eq(poll(&full, 1, 10000), 1);
    ck_assert(line_writer_reopen(writer, &target, &error)); /* what is stuck is given up then */
    wait_for_drops(writer, 1);
    ck_assert_int_eq(read(ends[0], room, sizeof room), sizeof room);
    put_numbered(writer, 1);
    line_writer_stop(writer, 5000);
    ck_assert_int_gt(read(ends[0], last, sizeof last - 1), 0);
    ck_assert_str_eq(last, "\nline 01 of twenty b\n");
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

/* --- lines to sockets ------------------------------------------------------------------------- */

struct listener_at {
    char path[64];
    int fd;
};

static void listen_at(struct listener_at *at, const char *path)
{
    (void)snprintf(at->path, sizeof at->path, "%s", path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    at->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(at->fd, (struct sockaddr *)&address, sizeof address), 0);
}

static void listen_no_more(struct listener_at *at)
{
    (void)close(at->fd);
    (void)unlink(at->path);
}

/* The next datagram, or what is in the file that came instead of one. */
static struct text hear(const struct listener_at *at)
{
    static char bytes[1 << 20];
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec into = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    struct pollfd readable = {.fd = at->fd, .events = POLLIN};
    ck_assert_int_eq(poll(&readable, 1, 10000), 1);
    ssize_t count = recvmsg(at->fd, &message, 0);
    const struct cmsghdr *passed = CMSG_FIRSTHDR(&message);
    int file;
    if (count == 0 && passed != NULL) {
        memcpy(&file, CMSG_DATA(passed), sizeof file);
        ck_assert_int_eq(fcntl(file, F_GET_SEALS),
                         F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
        count = pread(file, bytes, sizeof bytes, 0);
        (void)close(file);
    }
    ck_assert_int_gt(count, 0);
    struct text ret = {0};
    text_add_span(&ret, span_of(bytes, (size_t)count));
    return ret;
}

static void expect_heard(const struct listener_at *at, const char *expected)
{
    struct text heard = hear(at);
    ck_assert_str_eq(heard.data, expected);
    text_release(&heard);
}

#define JOURNAL_END "PRIORITY=6\nSYSLOG_IDENTIFIER=muxgate\n"

START_TEST(the_journal_gets_fields_and_syslog_a_line)
{
    struct listener_at journal, syslog;
    struct error error;
    listen_at(&journal, "journal.socket");
    listen_at(&syslog, "syslog.socket");
    struct line_writer *writer = write_to(LINE_JOURNAL, journal.path);
    struct span fields = span_text("MESSAGE=a line\nMUXGATE_END=killed\n");
    ck_assert(line_writer_put(writer, 0, LINE_FIELDS, fields));
    expect_heard(&journal, "MESSAGE=a line\nMUXGATE_END=killed\n" JOURNAL_END);
    ck_assert(line_writer_put(writer, 0, LINE_TEXT, span_text("made before a reload\n")));
    expect_heard(&journal, "MESSAGE=made before a reload\n" JOURNAL_END);

    struct line_target other = {.protocol = LINE_SYSLOG, .file = syslog.path};
    ck_assert(line_writer_reopen(writer, &other, &error));
    /* Whatever the thread is at, in the end it is the other one's: no line goes lost. */
    struct pollfd both[2] = {{.fd = journal.fd, .events = POLLIN},
                             {.fd = syslog.fd, .events = POLLIN}};
    do {
        ck_assert(line_writer_put(writer, 0, LINE_FIELDS, fields));
        ck_assert_int_gt(poll(both, 2, 10000), 0);
        if ((both[0].revents & POLLIN) != 0)
            expect_heard(&journal, "MESSAGE=a line\nMUXGATE_END=killed\n" JOURNAL_END);
    } while ((both[1].revents & POLLIN) == 0);
    struct text heard = hear(&syslog);
    char month[4], line[64], expected[64];
    int day, hour, minute, second;
    ck_assert_int_eq(sscanf(heard.data, "<30>%3s %2d %2d:%2d:%2d %63[^\n]", month, &day, &hour,
                            &minute, &second, line),
                     6);
    (void)snprintf(expected, sizeof expected, "muxgate[%d]: a line", (int)getpid());
    ck_assert_str_eq(line, expected);
    ck_assert_int_eq(heard.data[heard.length - 1], 'e'); /* no newline in a datagram */
    text_release(&heard);
    ck_assert_uint_eq(line_writer_dropped(writer), 0);
    line_writer_stop(writer, 1000);
    listen_no_more(&journal);
    listen_no_more(&syslog);
}
END_TEST

START_TEST(an_entry_that_no_datagram_holds_reaches_the_journal_as_a_sealed_file)
{
    struct listener_at journal;
    listen_at(&journal, "journal.socket");
    struct line_writer *writer = write_to(LINE_JOURNAL, journal.path);
    struct text line = {0}, expected = {0};
    text_add(&line, "MESSAGE=");
    while (line.length < 600000)
        text_add(&line, "0123456789abcdef");
    text_add(&line, "\n");
    text_add_span(&expected, span_of(line.data, line.length));
    text_add(&expected, JOURNAL_END);
    /* Twice, so that one of them wraps around the end of the ring. */
    for (int i = 0; i < 2; i++) {
        ck_assert(line_writer_put(writer, 0, LINE_FIELDS, span_of(line.data, line.length)));
        expect_heard(&journal, expected.data);
        while (!line_writer_put(writer, 0, LINE_FIELDS, span_text("MESSAGE=\n")))
            (void)poll(NULL, 0, 1);
        expect_heard(&journal, "MESSAGE=\n" JOURNAL_END);
    }
    text_release(&line);
    text_release(&expected);
    line_writer_stop(writer, 1000);
    listen_no_more(&journal);
}
END_TEST

START_TEST(lines_that_no_socket_takes_are_counted_until_somebody_listens)
{
    struct listener_at journal;
    struct error error;
    struct line_target target = {.protocol = LINE_JOURNAL, .file = "journal.socket"};
    ck_assert(!line_target_is_there(&target, &error));
    struct line_writer *writer = write_to(LINE_JOURNAL, target.file);
    ck_assert(line_writer_put(writer, 0, LINE_TEXT, span_text("nobody is there\n")));
    while (line_writer_dropped(writer) < 1)
        (void)poll(NULL, 0, 1);
    listen_at(&journal, target.file);
    ck_assert(line_target_is_there(&target, &error));
    /* Tried again once a second: sooner or later one arrives. */
    struct pollfd readable = {.fd = journal.fd, .events = POLLIN};
    do
        ck_assert(line_writer_put(writer, 0, LINE_TEXT, span_text("again\n")));
    while (poll(&readable, 1, 50) == 0);
    expect_heard(&journal, "MESSAGE=again\n" JOURNAL_END);
    listen_no_more(&journal);
    listen_at(&journal, target.file); /* as a restart of it does: the very next line arrives */
    ck_assert(line_writer_put(writer, 0, LINE_TEXT, span_text("after a restart\n")));
    expect_heard(&journal, "MESSAGE=after a restart\n" JOURNAL_END);
    line_writer_stop(writer, 1000);
    listen_no_more(&journal);
}
END_TEST

START_TEST(a_socket_that_is_never_read_costs_lines_and_no_time)
{
    struct listener_at journal;
    listen_at(&journal, "journal.socket");
    struct line_writer *writer = write_to(LINE_JOURNAL, journal.path);
    struct producer producer = {writer, 0, 0};
    for (int i = 0; i < 10; i++)
        (void)put_lines(&producer);
    ck_assert_uint_gt(line_writer_dropped(writer), 0);
    ck_assert_uint_eq(producer.accepted + line_writer_dropped(writer), 10 * LINES);
    /* Another target takes over although the first one is stuck. */
    struct error error;
    struct line_target file = {.file = "journal.instead"};
    ck_assert(line_writer_reopen(writer, &file, &error));
    struct stat status = {0};
    while (stat(file.file, &status) != 0 || status.st_size == 0)
        (void)poll(NULL, 0, 1);
    uint64_t before = clock_monotonic_us();
    line_writer_stop(writer, 200);
    ck_assert_uint_lt(clock_monotonic_us() - before, 3000000);
    (void)unlink(file.file);
    listen_no_more(&journal);
}
END_TEST

static void enter_folder(void)
{
    char folder[] = "/tmp/muxgate-lines-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
}

static void leave_folder(void)
{
    char folder[64];
    ck_assert_ptr_nonnull(getcwd(folder, sizeof folder));
    ck_assert_int_eq(rmdir(folder), 0);
}

int main(void)
{
    Suite *suite = suite_create("io: lines");
    TCase *tests = tcase_create("lines");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, enter_folder, leave_folder);
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, lines_are_written_whole_and_in_each_ones_order);
    tcase_add_test(tests, a_reader_that_never_reads_costs_lines_and_no_time);
    tcase_add_test(tests, a_rotated_file_is_opened_again);
    tcase_add_test(tests, lines_that_the_target_refuses_are_counted_each);
    tcase_add_test(tests, a_line_that_fits_in_half_is_taken_back);
    tcase_add_test(tests, a_line_that_another_process_has_left_in_half_is_ended_first);
    tcase_add_test(tests, a_line_that_is_stuck_in_half_is_ended_before_the_next);
    tcase_add_test(tests, the_journal_gets_fields_and_syslog_a_line);
    tcase_add_test(tests, an_entry_that_no_datagram_holds_reaches_the_journal_as_a_sealed_file);
    tcase_add_test(tests, lines_that_no_socket_takes_are_counted_until_somebody_listens);
    tcase_add_test(tests, a_socket_that_is_never_read_costs_lines_and_no_time);
    return suite_run(suite);
}
