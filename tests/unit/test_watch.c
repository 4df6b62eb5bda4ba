/* Changes of files, wherever on their path they happen. Each test waits for the event itself, in
 * the loop, under a limit. */
#include "io/watch.h"
#include "suite.h"

#include <dirent.h>
#include <ev.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT_SECONDS 5.

static char top[64];
static struct ev_loop *loop;
static struct watch *watch;
static unsigned changes;

static const char *at(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, 256, "%s/%s", top, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    ck_assert_int_eq(fclose(file), 0);
}

static void folder(const char *name)
{
    ck_assert_int_eq(mkdir(at(name), 0700), 0);
}

static void link_to(const char *target, const char *name)
{
    ck_assert_int_eq(symlink(target, at(name)), 0);
}

/* As ln -sfn does where it matters: made aside, renamed over. */
static void swap_link(const char *target, const char *name)
{
    link_to(target, "aside");
    ck_assert_int_eq(rename(at("aside"), at(name)), 0);
}

static int remove_one(const char *path, const struct stat *state, int flag, struct FTW *walk)
{
    (void)state;
    (void)flag;
    (void)walk;
    return remove(path);
}

static void set_up(void)
{
    snprintf(top, sizeof top, "/tmp/muxgate-watch-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_ptr_nonnull(loop);
    watch = NULL;
    changes = 0;
}

static void tear_down(void)
{
    watch_stop(watch);
    ev_loop_destroy(loop);
    nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void count_change(void *context)
{
    (void)context;
    changes++;
    ev_break(loop, EVBREAK_ALL);
}

static void give_up(struct ev_loop *in, ev_timer *timer, int revents)
{
    (void)timer;
    (void)revents;
    ev_break(in, EVBREAK_ALL);
}

/* Runs the loop until a change is told or `seconds` are over; the time it took. */
static double run(double seconds)
{
    ev_timer limit;
    ev_now_update(loop);
    double began = ev_now(loop);
    ev_timer_init(&limit, give_up, seconds, 0.);
    ev_timer_start(loop, &limit);
    ev_run(loop, 0);
    ev_timer_stop(loop, &limit);
    ev_now_update(loop);
    return ev_now(loop) - began;
}

static void expect_change(void)
{
    unsigned before = changes;
    double took = run(LIMIT_SECONDS);
    ck_assert_msg(changes == before + 1, "nothing was told");
    ck_assert_msg(took < 1., "only after %g s", took);
}

/* Two looks long. */
static void expect_quiet(void)
{
    unsigned before = changes;
    run(1.1);
    ck_assert_uint_eq(changes, before);
}

static void begin(const char *name)
{
    struct error error;
    const char *files[] = {at(name)};
    ck_assert(watch_start(&watch, loop, files, 1, count_change, NULL, &error));
}

/* No descriptor is left for inotify: only the look remains. */
static void begin_blind(const char *name)
{
    struct rlimit before, none;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    begin(name);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void (*const begins[])(const char *) = {begin, begin_blind};

START_TEST(a_write_in_place_is_told_once)
{
    put("file", "one");
    begins[_i]("file");
    put("file", "three");
    expect_change();
    expect_quiet();
}
END_TEST

START_TEST(inotify_is_quicker_than_the_look)
{
    put("file", "one");
    begin("file");
    put("file", "three");
    ck_assert_double_lt(run(LIMIT_SECONDS), .4);
    ck_assert_uint_eq(changes, 1);
}
END_TEST

START_TEST(a_rename_over_is_told)
{
    put("file", "one");
    begins[_i]("file");
    put("aside", "two");
    ck_assert_int_eq(rename(at("aside"), at("file")), 0);
    expect_change();
    put("aside", "six");
    ck_assert_int_eq(rename(at("aside"), at("file")), 0);
    expect_change();
}
END_TEST

START_TEST(a_swapped_link_is_told)
{
    put("first", "one");
    put("second", "two");
    link_to("first", "file");
    begins[_i]("file");
    swap_link(at("second"), "file"); /* absolute this time */
    expect_change();
    put("second", "three");
    expect_change();
}
END_TEST

START_TEST(a_data_folder_swap_is_told)
{
    folder("..1");
    folder("..2");
    put("..1/file", "one");
    put("..2/file", "two");
    link_to("..1", "..data");
    link_to("..data/file", "file");
    begins[_i]("file");
    swap_link("..2", "..data");
    expect_change();
    put("..2/file", "three");
    expect_change();
}
END_TEST

/* certbot: live/name/file → ../../archive/name/fileN */
START_TEST(a_change_of_a_links_target_is_told)
{
    folder("live");
    folder("archive");
    put("archive/file1", "one");
    link_to("../archive/file1", "live/file");
    begins[_i]("live/file");
    put("archive/file1", "other");
    expect_change();
}
END_TEST

START_TEST(a_folder_that_was_removed_and_made_again_is_told)
{
    folder("deep");
    folder("deep/er");
    put("deep/er/file", "one");
    begins[_i]("deep/er/file");
    ck_assert_int_eq(unlink(at("deep/er/file")), 0);
    ck_assert_int_eq(rmdir(at("deep/er")), 0);
    ck_assert_int_eq(rmdir(at("deep")), 0);
    expect_change();
    folder("deep");
    folder("deep/er");
    put("deep/er/file", "two");
    expect_change();
    put("deep/er/file", "three");
    expect_change();
}
END_TEST

START_TEST(a_folder_that_is_not_there_yet_is_waited_for)
{
    begins[_i]("not/yet/file");
    folder("not");
    folder("not/yet");
    put("not/yet/file", "one");
    expect_change();
}
END_TEST

START_TEST(a_folder_renamed_into_place_is_told)
{
    folder("old");
    put("old/file", "one");
    folder("new");
    put("new/file", "two");
    begins[_i]("old/file");
    ck_assert_int_eq(rename(at("old"), at("gone")), 0);
    ck_assert_int_eq(rename(at("new"), at("old")), 0);
    expect_change();
    put("old/file", "three");
    expect_change();
}
END_TEST

START_TEST(a_circle_of_links_does_no_harm)
{
    link_to("b", "a");
    link_to("a", "b");
    begins[_i]("a");
    ck_assert_int_eq(unlink(at("a")), 0);
    put("a", "one");
    expect_change();
}
END_TEST

START_TEST(a_neighbour_is_of_no_interest)
{
    put("file", "one");
    begin("file");
    put("neighbour", "one");
    ck_assert_int_eq(unlink(at("neighbour")), 0);
    expect_quiet();
}
END_TEST

START_TEST(a_burst_is_told_once)
{
    put("file", "one");
    begin("file");
    for (int i = 0; i < 100; i++)
        put("file", i % 2 == 0 ? "two" : "three");
    expect_change();
    expect_quiet();
}
END_TEST

/* --- all files of a folder -------------------------------------------------------------------- */

static void change_folder(int how)
{
    switch (how) {
    case 0: /* a new one */
        put("certs/b.pem", "2");
        break;
    case 1: /* one is gone */
        ck_assert_int_eq(unlink(at("certs/a.pem")), 0);
        break;
    case 2: /* one is called otherwise */
        ck_assert_int_eq(rename(at("certs/a.pem"), at("certs/z.pem")), 0);
        break;
    case 3: /* one is written to */
        put("certs/a.pem", "2");
        break;
    case 4: /* what a link leads to is replaced, elsewhere */
        swap_link("2", "archive/current");
        break;
    default: /* the folder itself is another one */
        swap_link("other", "certs");
    }
}

START_TEST(any_change_of_a_folders_files_is_told)
{
    folder("real");
    folder("other");
    link_to("real", "certs");
    put("certs/a.pem", "1");
    folder("archive");
    folder("archive/1");
    folder("archive/2");
    put("archive/1/c.pem", "1");
    put("archive/2/c.pem", "2");
    link_to("1", "archive/current");
    link_to("../archive/current/c.pem", "real/c.pem");
    begins[_i % 2]("certs/*.pem");
    change_folder(_i / 2);
    expect_change();
    expect_quiet();
}
END_TEST

START_TEST(other_endings_in_a_folder_are_of_no_interest)
{
    folder("certs");
    put("certs/a.pem", "1");
    begin("certs/*.pem");
    put("certs/a.pem.tmp", "2");
    put("certs/README", "2");
    expect_quiet();
}
END_TEST

START_TEST(a_folder_of_files_that_is_not_there_yet_is_waited_for)
{
    begin("certs/*.pem");
    folder("certs");
    put("certs/a.pem", "1");
    expect_change();
}
END_TEST

START_TEST(starting_tells_nothing)
{
    put("file", "one");
    begins[_i]("file");
    expect_quiet();
}
END_TEST

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *list = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(list);
    while (readdir(list) != NULL)
        count++;
    closedir(list);
    return count;
}

START_TEST(stopping_gives_everything_back)
{
    unsigned before = open_descriptors();
    put("file", "one");
    begin("file");
    put("file", "two!");
    watch_stop(watch);
    watch = NULL;
    ck_assert_uint_eq(open_descriptors(), before);
    expect_quiet();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watch");
    TCase *all = tcase_create("watch");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, a_write_in_place_is_told_once, 0, 2);
    tcase_add_test(all, inotify_is_quicker_than_the_look);
    tcase_add_loop_test(all, a_rename_over_is_told, 0, 2);
    tcase_add_loop_test(all, a_swapped_link_is_told, 0, 2);
    tcase_add_loop_test(all, a_data_folder_swap_is_told, 0, 2);
    tcase_add_loop_test(all, a_change_of_a_links_target_is_told, 0, 2);
    tcase_add_loop_test(all, a_folder_that_was_removed_and_made_again_is_told, 0, 2);
    tcase_add_loop_test(all, a_folder_that_is_not_there_yet_is_waited_for, 0, 2);
    tcase_add_loop_test(all, a_folder_renamed_into_place_is_told, 0, 2);
    tcase_add_loop_test(all, a_circle_of_links_does_no_harm, 0, 2);
    tcase_add_test(all, a_neighbour_is_of_no_interest);
    tcase_add_test(all, a_burst_is_told_once);
    tcase_add_loop_test(all, any_change_of_a_folders_files_is_told, 0, 12);
    tcase_add_test(all, other_endings_in_a_folder_are_of_no_interest);
    tcase_add_test(all, a_folder_of_files_that_is_not_there_yet_is_waited_for);
    tcase_add_loop_test(all, starting_tells_nothing, 0, 2);
    tcase_add_test(all, stopping_gives_everything_back);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
