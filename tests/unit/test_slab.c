/* Memory of base/slab.h: against a model, between threads, and damaged. */
#include "muxgate-config.h"

#include "base/slab.h"

#include "base/compiler.h"
#include "suite.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A block, and what was written to it. */
struct held {
    unsigned char *block;
    size_t size;
    unsigned char fill;
};

static uint64_t draw(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Mostly small, sometimes a record's buffer, sometimes malloc()'s. */
static size_t draw_size(uint64_t *state)
{
    static const size_t most[] = {16, 64, 256, 256, 1024, 4096, 17000, SLAB_MOST + 100};
    return 1 + draw(state) % most[draw(state) % COUNT_OF(most)];
}

static void fill(struct held *held, uint64_t number)
{
    held->fill = (unsigned char)number;
    memset(held->block, held->fill, held->size);
}

static bool is_whole(const struct held *held, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (held->block[i] != held->fill)
            return false;
    return true;
}

static void hold(struct held *held, size_t size, uint64_t number)
{
    held->block = slab_allocate(size);
    held->size = size;
    ck_assert_ptr_nonnull(held->block);
    ck_assert_uint_eq((uintptr_t)held->block % 16, 0);
    fill(held, number);
}

static void let_go(struct held *held)
{
    ck_assert(is_whole(held, held->size));
    slab_free(held->block);
    held->block = NULL;
}

static void change(struct held *held, size_t size, uint64_t number)
{
    size_t common = size < held->size ? size : held->size;
    held->block = slab_resize(held->block, size);
    ck_assert_ptr_nonnull(held->block);
    ck_assert(is_whole(held, common));
    held->size = size;
    fill(held, number);
}

static void begin(void)
{
    ck_assert(slab_start());
    slab_enter();
}

/* --- one thread ------------------------------------------------------------------------------- */

START_TEST(every_size_is_served_aligned_and_by_whom_it_should_be)
{
    begin();
    for (size_t size = 1; size < SLAB_MOST + 64; size += size < 1300 ? 1 : 13) {
        struct held held;
        hold(&held, size, size);
        ck_assert_int_eq(slab_owns(held.block), size <= SLAB_MOST);
        let_go(&held);
    }
}
END_TEST

START_TEST(neighbours_do_not_overlap)
{
    static const size_t sizes[] = {1,    15,   16,   17,   1023,  1024,
                                   1025, 1152, 1153, 7624, 16584, SLAB_MOST};
    begin();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct held held[300];
        for (size_t k = 0; k < COUNT_OF(held); k++)
            hold(&held[k], sizes[i], k);
        for (size_t k = 0; k < COUNT_OF(held); k++)
            let_go(&held[k]);
    }
}
END_TEST

START_TEST(nothing_is_given_for_nothing)
{
    begin();
    ck_assert_ptr_null(slab_allocate(0));
    ck_assert_ptr_null(slab_resize(NULL, 0));
    ck_assert_ptr_null(slab_resize(slab_allocate(50), 0));
    ck_assert_ptr_null(slab_resize(slab_allocate(SLAB_MOST + 1), 0));
    slab_free(NULL);
    struct held held = {slab_resize(NULL, 50), 50, 0};
    ck_assert(slab_owns(held.block));
    slab_free(held.block);
}
END_TEST

START_TEST(a_block_keeps_its_bytes_whatever_its_size_becomes)
{
    static const size_t sizes[] = {1,      16, 17, 200, 190, 40, 5000, SLAB_MOST, SLAB_MOST + 1,
                                   100000, 60, 8};
    struct held held;
    begin();
    hold(&held, 10, 7);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        change(&held, sizes[i], i);
    let_go(&held);
}
END_TEST

START_TEST(without_a_heap_it_is_malloc)
{
    struct held before, after, own;
    hold(&before, 100, 1);
    begin();
    hold(&own, 100, 2);
    slab_leave();
    hold(&after, 100, 3);
    ck_assert(!slab_owns(before.block) && slab_owns(own.block) && !slab_owns(after.block));
    let_go(&own);
    let_go(&after);
    slab_enter();
    change(&before, 200, 4);
    ck_assert(!slab_owns(before.block));
    let_go(&before);
}
END_TEST

START_TEST(any_order_of_calls_leaves_all_bytes_where_they_are)
{
    enum { MANY = 2000, STEPS = 40000 };
    static struct held held[MANY];
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    begin();
    for (size_t i = 0; i < STEPS; i++) {
        struct held *one = &held[draw(&state) % MANY];
        if (one->block == NULL)
            hold(one, draw_size(&state), i);
        else if (draw(&state) % 3 == 0)
            change(one, draw_size(&state), i);
        else
            let_go(one);
    }
    for (size_t i = 0; i < MANY; i++)
        if (held[i].block != NULL)
            let_go(&held[i]);
}
END_TEST

/* --- giving back ------------------------------------------------------------------------------ */

static size_t resident(void)
{
    unsigned long pages = 0, all = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%lu %lu", &all, &pages), 2);
    fclose(file);
    return pages * 4096;
}

START_TEST(what_is_not_needed_goes_back)
{
    enum { MANY = 40000 };
    static struct held held[MANY];
    begin();
    size_t before = resident();
    for (size_t i = 0; i < MANY; i++)
        hold(&held[i], 1000, i);
    ck_assert_uint_ge(slab_bytes(), MANY * 1000);
    ck_assert_uint_ge(resident() - before, MANY * 1000 * 9 / 10);
    for (size_t i = 0; i < MANY; i++)
        let_go(&held[i]);
    ck_assert_uint_le(slab_bytes(), 65536);
#ifndef MUXGATE_SANITIZERS
    ck_assert_uint_le(resident(), before + (4 << 20));
#endif
}
END_TEST

START_TEST(what_has_become_free_is_used_before_more_is_taken)
{
    enum { MANY = 4000 };
    static struct held held[MANY];
    begin();
    for (size_t i = 0; i < MANY; i++)
        hold(&held[i], 216, i);
    size_t most = slab_bytes();
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = round % 2; i < MANY; i += 2)
            let_go(&held[i]);
        for (size_t i = round % 2; i < MANY; i += 2)
            hold(&held[i], 216, i);
    }
    ck_assert_uint_le(slab_bytes(), most);
    for (size_t i = 0; i < MANY; i++)
        let_go(&held[i]);
}
END_TEST

/* --- threads ---------------------------------------------------------------------------------- */

enum { THREADS = 4, SLOTS = 256, TURNS = 8000 };

/* Blocks wait here for whoever takes them: its first bytes tell the size. */
static _Atomic(struct held *) slots[SLOTS];

static struct held *hold_apart(uint64_t *state, uint64_t number)
{
    struct held *held = slab_allocate(sizeof *held);
    ck_assert_ptr_nonnull(held);
    hold(held, draw_size(state), number);
    return held;
}

static void let_go_apart(struct held *held)
{
    if (held == NULL)
        return;
    let_go(held);
    slab_free(held);
}

static void *exchange(void *context)
{
    uint64_t state = (uintptr_t)context;
    slab_enter();
    for (size_t i = 0; i < TURNS; i++) {
        struct held *mine = draw(&state) % 4 == 0 ? NULL : hold_apart(&state, i);
        struct held *other = atomic_exchange(&slots[draw(&state) % SLOTS], mine);
        if (other != NULL && draw(&state) % 4 == 0)
            change(other, draw_size(&state), i);
        let_go_apart(other);
    }
    slab_leave();
    return NULL;
}

static void run_threads(void *(*work)(void *), size_t count)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

START_TEST(threads_give_back_what_is_another_s)
{
    begin();
    for (size_t round = 0; round < 3; round++)
        run_threads(exchange, THREADS); /* the second round's go on with the first one's heaps */
    for (size_t i = 0; i < SLOTS; i++)
        let_go_apart(atomic_exchange(&slots[i], NULL));
}
END_TEST

static struct held left_behind[1000];

static void *leave_blocks(void *context)
{
    slab_enter();
    for (size_t i = 0; i < COUNT_OF(left_behind); i++)
        hold(&left_behind[i], 600, i);
    slab_leave();
    return context;
}

static void *take_over(void *context)
{
    struct held one;
    slab_enter();
    hold(&one, 100, 1); /* runs short, and takes in what came back meanwhile */
    let_go(&one);
    slab_leave();
    return context;
}

START_TEST(blocks_outlive_their_thread_and_its_heap_goes_to_the_next)
{
    ck_assert(slab_start());
    run_threads(leave_blocks, 1);
    size_t most = slab_bytes();
    for (size_t i = 0; i < COUNT_OF(left_behind); i++)
        let_go(&left_behind[i]);
    ck_assert_uint_eq(slab_bytes(), most);
    run_threads(take_over, 1);
    ck_assert_uint_le(slab_bytes(), 2 * 65536);
}
END_TEST

/* --- damage ----------------------------------------------------------------------------------- */

START_TEST(a_block_given_back_twice_ends_the_process)
{
    begin();
    char *block = slab_allocate(100);
    slab_free(block);
    slab_free(block);
}
END_TEST

static void *give_back(void *context)
{
    slab_free(context);
    return NULL;
}

START_TEST(a_block_given_back_by_two_threads_ends_the_process)
{
    begin();
    char *block = slab_allocate(100);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, give_back, block), 0);
    pthread_join(thread, NULL);
    slab_free(block);
}
END_TEST

START_TEST(a_block_written_to_after_it_was_given_back_ends_the_process)
{
    begin();
    char *block = slab_allocate(100);
    slab_free(block);
    memset(block, 0x41, 16);
    for (size_t i = 0; i < 2; i++)
        ck_assert_ptr_nonnull(slab_allocate(100));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("slab");
    TCase *tests = tcase_create("slab");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, every_size_is_served_aligned_and_by_whom_it_should_be);
    tcase_add_test(tests, neighbours_do_not_overlap);
    tcase_add_test(tests, nothing_is_given_for_nothing);
    tcase_add_test(tests, a_block_keeps_its_bytes_whatever_its_size_becomes);
    tcase_add_test(tests, without_a_heap_it_is_malloc);
    tcase_add_test(tests, any_order_of_calls_leaves_all_bytes_where_they_are);
    tcase_add_test(tests, what_is_not_needed_goes_back);
    tcase_add_test(tests, what_has_become_free_is_used_before_more_is_taken);
    tcase_add_test(tests, threads_give_back_what_is_another_s);
    tcase_add_test(tests, blocks_outlive_their_thread_and_its_heap_goes_to_the_next);
    tcase_add_test_raise_signal(tests, a_block_given_back_twice_ends_the_process, SIGABRT);
    tcase_add_test_raise_signal(tests, a_block_given_back_by_two_threads_ends_the_process, SIGABRT);
    tcase_add_test_raise_signal(tests, a_block_written_to_after_it_was_given_back_ends_the_process,
                                SIGABRT);
    return suite_run(suite);
}
