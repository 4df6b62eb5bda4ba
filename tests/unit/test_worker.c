/* A worker's mail and its end: what was sent is delivered, and what it brings is given back. */
#include "app/binder.h"
#include "app/worker.h"
#include "suite.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_MS 10000

/* The control thread's side. */
struct office {
    struct ev_loop *loop;
    struct mailbox mailbox;
    struct line_writer *log;
    struct gauge gauge;
    struct snapshot *snapshot;
    struct bindings *bindings;
    unsigned empty;
};

static void on_empty(void *owner)
{
    ((struct office *)owner)->empty++;
}

static struct snapshot *compile(const char *bind)
{
    char text[512];
    struct config config;
    struct snapshot *snapshot;
    (void)snprintf(text, sizeof text,
                   "{\"listeners\": {\"l\": {\"bind\": \"%s\", \"rules\": [{\"pool\": \"p\"}]}},"
                   " \"pools\": {\"p\": {\"servers\": [\"127.0.0.1:9\"]}}}",
                   bind);
    ck_assert(config_read_text(&config, "test", "/", text, strlen(text)));
    ck_assert(snapshot_compile(&snapshot, &config, 1, NULL));
    config_free(&config);
    return snapshot;
}

static void open_office(struct office *office, const char *bind)
{
    struct error error;
    struct line_target target = {.file = "/dev/null"};
    *office = (struct office){.loop = ev_loop_new(EVFLAG_AUTO)};
    mailbox_start(&office->mailbox, office->loop, office);
    ck_assert(line_writer_start(&office->log, &target, 1, &error));
    atomic_store(&office->gauge.most, 10);
    office->snapshot = compile(bind);
    ck_assert_msg(binder_bind(&office->bindings, office->snapshot, NULL, 1, &error), "%s",
                  error.text);
}

/* Everything is given back: leaks are the sanitizer's to tell. */
static void close_office(struct office *office)
{
    ck_assert_uint_eq(atomic_load(&office->snapshot->references), 1);
    ck_assert_uint_eq(atomic_load(&office->bindings->references), 1);
    bindings_unref(office->bindings);
    snapshot_unref(office->snapshot);
    line_writer_stop(office->log, 1000);
    mailbox_stop(&office->mailbox);
    ev_loop_destroy(office->loop);
}

static struct worker *hire(struct office *office)
{
    struct worker_args args = {.gauge = &office->gauge,
                               .log = office->log,
                               .most_pipes = 1,
                               .control = &office->mailbox,
                               .on_empty = on_empty};
    struct worker *worker;
    struct error error;
    ck_assert(worker_create(&worker, &args, &error));
    ck_assert(worker_adopt(worker, snapshot_ref(office->snapshot), bindings_ref(office->bindings)));
    return worker;
}

START_TEST(mail_to_a_worker_that_never_ran_is_given_back)
{
    struct office office;
    open_office(&office, "127.0.0.1:0");
    ck_assert(worker_stop(hire(&office), PATIENCE_MS));
    close_office(&office);
}
END_TEST

START_TEST(a_worker_stopped_before_its_last_word_was_read_leaves_nothing_behind)
{
    struct office office;
    struct error error;
    open_office(&office, "127.0.0.1:0");
    struct worker *worker = hire(&office);
    ck_assert(worker_start(worker, &error));
    worker_drain(worker);
    ck_assert(
        worker_stop(worker, PATIENCE_MS)); /* the loop of this thread has not run in between */
    mailbox_deliver(&office.mailbox);
    ck_assert_uint_le(office.empty, 1);
    close_office(&office);
}
END_TEST

/* An errand that does not come back until it is let. */
struct nap {
    struct errand errand;
    int pipe[2];
};

static void take_a_nap(struct errand *errand, struct engine *engine)
{
    char letter;
    (void)engine;
    ck_assert_int_eq(read(CONTAINER_OF(errand, struct nap, errand)->pipe[0], &letter, 1), 1);
}

START_TEST(a_worker_that_is_stuck_is_not_waited_for_without_end)
{
    struct office office;
    struct error error;
    struct nap nap = {.errand = {.run = take_a_nap}};
    open_office(&office, "127.0.0.1:0");
    struct worker *worker = hire(&office);
    ck_assert(worker_start(worker, &error));
    ck_assert_int_eq(pipe(nap.pipe), 0);
    worker_send_errand(worker, &nap.errand);
    ck_assert(!worker_stop(worker, 50));
    ck_assert_int_eq(write(nap.pipe[1], "x", 1), 1);
    ck_assert(worker_stop(worker, PATIENCE_MS));
    (void)close(nap.pipe[0]);
    (void)close(nap.pipe[1]);
    close_office(&office);
}
END_TEST

START_TEST(what_waits_in_a_socket_when_a_worker_stops_is_taken_and_counted_out)
{
    struct office office;
    struct error error;
    open_office(&office, "127.0.0.1:0");
    struct worker *worker = hire(&office);
    int fd;
    bool done;
    ck_assert(socket_connect(&fd, &office.bindings->item[0].binding->actual, &done, &error));
    ck_assert(worker_stop(worker, PATIENCE_MS));
    ck_assert_uint_eq(atomic_load(&office.gauge.sessions), 0);
    (void)close(fd);
    close_office(&office);
}
END_TEST

START_TEST(a_path_goes_with_its_last_binding_and_only_while_it_is_its_own)
{
    char folder[] = "/tmp/muxgate-worker-XXXXXX", path[64], bind[80];
    struct office office;
    struct error error;
    struct bindings *other;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/s", folder);
    (void)snprintf(bind, sizeof bind, "unix:%s", path);
    open_office(&office, bind);
    ck_assert(!binder_bind(&other, office.snapshot, NULL, 1, &error)); /* it is in use */
    ck_assert_int_eq(access(path, F_OK), 0);
    close_office(&office);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("worker");
    TCase *tests = tcase_create("worker");
    tcase_set_timeout(tests, 20);
    tcase_add_test(tests, mail_to_a_worker_that_never_ran_is_given_back);
    tcase_add_test(tests, a_worker_stopped_before_its_last_word_was_read_leaves_nothing_behind);
    tcase_add_test(tests, a_worker_that_is_stuck_is_not_waited_for_without_end);
    tcase_add_test(tests, what_waits_in_a_socket_when_a_worker_stops_is_taken_and_counted_out);
    tcase_add_test(tests, a_path_goes_with_its_last_binding_and_only_while_it_is_its_own);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
