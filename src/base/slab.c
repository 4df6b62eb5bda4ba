#include "base/slab.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define SPAN_BITS  16
#define SPAN_BYTES ((size_t)1 << SPAN_BITS)
#define SPANS      ((size_t)1 << 18) /* 16 GiB of addresses, of which nothing is memory before use */

enum {
    FINE_STEP = 16,
    FINE_MOST = 1024,
    FINE_BITS = 10,
    FINE_CLASSES = FINE_MOST / FINE_STEP + 1, /* the first is of size 0: never used */
    CLASSES = FINE_CLASSES + 4 * 8 + 4,       /* eight to each doubling, up to SLAB_MOST */
    CARVE_BYTES = 4096, /* at a time: what is not asked for yet stays untouched */
    WARM_MOST = 16,
};

/* Kept out of the functions that everybody calls, which then need no frame. */
#define COLD __attribute__((noinline, cold))

/* What a block holds while it is nobody's. */
struct block {
    uintptr_t next; /* disguised: see disguise() */
    uintptr_t mark; /* says that it is nobody's */
};

/* Of one size. Lies apart from its memory, so that no overflow reaches it, and the heads of spans
 * do not share the same few lines of the processor's caches. */
struct span {
    alignas(64) struct heap *heap;
    struct block *free;
    struct span *next, *previous; /* in the heap's list, or the pool's */
    uint32_t size;
    uint16_t class, used, carved, capacity;
    bool listed; /* it may have room */
};

_Static_assert(sizeof(struct span) == 64, "one line of the cache");
_Static_assert(sizeof(struct block) <= FINE_STEP, "fits into the smallest block");

/* Never freed: spans that outlive a thread point to it, and another thread goes on with it. */
struct heap {
    struct span *first[CLASSES];                /* `nothing` where there is none */
    alignas(64) _Atomic(struct block *) strays; /* given back by other threads */
    struct heap *next_orphan;
};

/* One per process, as the library that asks for memory is. `lock` guards what stands behind it;
 * what stands before is never changed again, and every thread reads it. */
static struct {
    uintptr_t base; /* 0: not started */
    struct span *spans;
    uintptr_t secret;
    alignas(64) pthread_mutex_t lock;
    struct span *warm, *cold; /* at nobody's work; cold ones hold no memory */
    size_t warm_count, fresh, at_work;
    struct heap *orphans;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct heap *mine;

/* Stands in every list that is empty. Never written to. */
static struct span nothing;

/* --- sizes ------------------------------------------------------------------------------------ */

static unsigned class_of(size_t size)
{
    if (size <= FINE_MOST)
        return (unsigned)((size + FINE_STEP - 1) / FINE_STEP);
    unsigned bits = 63 - (unsigned)__builtin_clzll((unsigned long long)size - 1);
    unsigned eighth = (unsigned)((size - 1) >> (bits - 3)) - 8;
    return FINE_CLASSES + (bits - FINE_BITS) * 8 + eighth;
}

static size_t size_of(unsigned class)
{
    if (class < FINE_CLASSES)
        return (size_t) class * FINE_STEP;
    unsigned above = class - FINE_CLASSES;
    return (size_t)(above % 8 + 9) << (FINE_BITS - 3 + above / 8);
}

/* --- blocks that are nobody's ----------------------------------------------------------------- */

static _Noreturn COLD void fail(const char *what)
{
    fprintf(stderr, "muxgate: memory is damaged: %s\n", what);
    abort();
}

/* Whoever writes to such a block must not be able to say what is given out next. */
static uintptr_t disguise(const struct block *block, uintptr_t next)
{
    return next ^ (uintptr_t)block ^ pool.secret;
}

static uintptr_t mark_of(const struct block *block)
{
    return ~(uintptr_t)block ^ pool.secret;
}

static void link_to(struct block *block, struct block *next)
{
    block->next = disguise(block, (uintptr_t)next);
    block->mark = mark_of(block);
}

static void push(struct span *span, struct block *block)
{
    link_to(block, span->free);
    span->free = block;
}

static struct block *pop(struct span *span)
{
    struct block *block = span->free;
    uintptr_t next = disguise(block, block->next);
    if (next != 0 && (next ^ (uintptr_t)block) >= SPAN_BYTES)
        fail("a block was written to after it had been given back");
    span->free = (struct block *)next;
    __builtin_prefetch(span->free, 1); /* whoever comes next would wait for it, otherwise */
    span->used++;
    block->mark = 0;
    return block;
}

/* --- spans ------------------------------------------------------------------------------------ */

static struct span *span_of_block(const void *block)
{
    return &pool.spans[((uintptr_t)block - pool.base) >> SPAN_BITS];
}

static unsigned char *memory_of(const struct span *span)
{
    return (unsigned char *)(pool.base + ((uintptr_t)(span - pool.spans) << SPAN_BITS));
}

/* Behind the first, which goes on being used: so that the others have a chance to become empty. */
static void list(struct span *span)
{
    struct span **first = &span->heap->first[span->class];
    struct span *before = *first != &nothing ? *first : NULL;
    span->previous = before;
    span->next = before != NULL ? before->next : NULL;
    span->listed = true;
    if (span->next != NULL)
        span->next->previous = span;
    if (before != NULL)
        before->next = span;
    else
        *first = span;
}

static void unlist(struct span *span)
{
    if (span->next != NULL)
        span->next->previous = span->previous;
    if (span->previous != NULL)
        span->previous->next = span->next;
    else
        span->heap->first[span->class] = span->next != NULL ? span->next : &nothing;
    span->listed = false;
}

/* Makes more blocks of what was not touched yet; false: there is none. */
static bool carve(struct span *span)
{
    size_t count = CARVE_BYTES / span->size + 1, left = (size_t)span->capacity - span->carved;
    if (count > left)
        count = left;
    unsigned char *start = memory_of(span) + (size_t)span->carved * span->size;
    for (size_t i = count; i-- > 0;)
        push(span, (struct block *)(void *)(start + i * span->size));
    span->carved = (uint16_t)(span->carved + count);
    return count > 0;
}

static struct span *take_from_pool(void)
{
    struct span *span = NULL;
    pthread_mutex_lock(&pool.lock);
    struct span **stack = pool.warm != NULL ? &pool.warm : &pool.cold;
    if (*stack != NULL) {
        span = *stack;
        pool.warm_count -= stack == &pool.warm;
        *stack = span->next;
    } else if (pool.fresh < SPANS) {
        span = &pool.spans[pool.fresh++];
    }
    pool.at_work += span != NULL;
    pthread_mutex_unlock(&pool.lock);
    return span;
}

static void give_to_pool(struct span *span)
{
    pthread_mutex_lock(&pool.lock);
    bool warm = pool.warm_count < WARM_MOST ||
                madvise(memory_of(span), SPAN_BYTES, MADV_DONTNEED) != 0;
    struct span **stack = warm ? &pool.warm : &pool.cold;
    pool.warm_count += warm;
    pool.at_work--;
    span->next = *stack;
    *stack = span;
    pthread_mutex_unlock(&pool.lock);
}

static bool add_span(struct heap *heap, unsigned class)
{
    struct span *span = take_from_pool();
    if (span == NULL)
        return false;
    size_t size = size_of(class);
    *span = (struct span){.heap = heap,
                          .size = (uint32_t)size,
                          .class = (uint16_t) class,
                          .capacity = (uint16_t)(SPAN_BYTES / size)};
    list(span);
    return true;
}

/* --- giving back ------------------------------------------------------------------------------ */

/* The span was full, or is empty now. */
static COLD void take_note(struct span *span)
{
    if (!span->listed)
        list(span);
    if (span->used > 0 || (span->previous == NULL && span->next == NULL))
        return;
    unlist(span);
    give_to_pool(span);
}

static inline void free_here(struct span *span, struct block *block)
{
    push(span, block);
    if (--span->used == 0 || !span->listed)
        take_note(span);
}

static COLD void free_stray(struct heap *heap, struct block *block)
{
    struct block *head = atomic_load_explicit(&heap->strays, memory_order_relaxed);
    do
        link_to(block, head);
    while (!atomic_compare_exchange_weak_explicit(&heap->strays, &head, block, memory_order_release,
                                                  memory_order_relaxed));
}

static void take_strays_in(struct heap *heap)
{
    if (atomic_load_explicit(&heap->strays, memory_order_relaxed) == NULL)
        return;
    struct block *block = atomic_exchange_explicit(&heap->strays, NULL, memory_order_acquire);
    while (block != NULL) {
        uintptr_t next = disguise(block, block->next);
        if (block->mark != mark_of(block) || (next != 0 && !slab_owns((void *)next)))
            fail("a block was written to after another thread had given it back");
        free_here(span_of_block(block), block);
        block = (struct block *)next;
    }
}

void slab_free(void *pointer)
{
    if (pointer == NULL)
        return;
    if (!slab_owns(pointer)) {
        free(pointer);
        return;
    }
    struct block *block = pointer;
    struct span *span = span_of_block(block);
    if (block->mark == mark_of(block))
        fail("a block was given back twice");
    if (span->heap == mine)
        free_here(span, block);
    else
        free_stray(span->heap, block);
}

/* --- taking ----------------------------------------------------------------------------------- */

static COLD void *allocate_slowly(struct heap *heap, unsigned class, size_t size)
{
    take_strays_in(heap);
    for (;;) {
        struct span *span = heap->first[class];
        if (span->free != NULL || (span != &nothing && carve(span)))
            return pop(span);
        if (span != &nothing)
            unlist(span); /* full: comes back with the first block that does */
        else if (!add_span(heap, class))
            return malloc(size);
    }
}

void *slab_allocate(size_t size)
{
    struct heap *heap = mine;
    if (size == 0)
        return NULL;
    if (heap == NULL || size > SLAB_MOST)
        return malloc(size);
    unsigned class = class_of(size);
    struct span *span = heap->first[class];
    return span->free != NULL ? pop(span) : allocate_slowly(heap, class, size);
}

void *slab_resize(void *block, size_t size)
{
    if (block == NULL)
        return slab_allocate(size);
    if (size == 0) {
        slab_free(block);
        return NULL;
    }
    if (!slab_owns(block))
        return realloc(block, size);
    size_t room = span_of_block(block)->size;
    if (size <= room && (size > room / 2 || room <= FINE_STEP))
        return block;
    void *other = slab_allocate(size);
    if (other == NULL)
        return NULL;
    memcpy(other, block, size < room ? size : room);
    slab_free(block);
    return other;
}

bool slab_owns(const void *block)
{
    return pool.base != 0 && (uintptr_t)block - pool.base < SPANS << SPAN_BITS;
}

size_t slab_bytes(void)
{
    pthread_mutex_lock(&pool.lock);
    size_t count = pool.at_work;
    pthread_mutex_unlock(&pool.lock);
    return count << SPAN_BITS;
}

/* --- threads ---------------------------------------------------------------------------------- */

static struct heap *make_heap(void)
{
    struct heap *heap = aligned_alloc(alignof(struct heap), sizeof *heap);
    if (heap == NULL)
        return NULL;
    for (unsigned i = 0; i < CLASSES; i++)
        heap->first[i] = &nothing;
    atomic_init(&heap->strays, NULL);
    heap->next_orphan = NULL;
    return heap;
}

void slab_enter(void)
{
    if (pool.base == 0 || mine != NULL)
        return;
    pthread_mutex_lock(&pool.lock);
    mine = pool.orphans;
    if (mine != NULL)
        pool.orphans = mine->next_orphan;
    pthread_mutex_unlock(&pool.lock);
    if (mine == NULL)
        mine = make_heap();
}

void slab_leave(void)
{
    if (mine == NULL)
        return;
    take_strays_in(mine);
    pthread_mutex_lock(&pool.lock);
    mine->next_orphan = pool.orphans;
    pool.orphans = mine;
    pthread_mutex_unlock(&pool.lock);
    mine = NULL;
}

/* Addresses only: a page becomes memory when it is written to, and huge ones would hold what nobody
 * asked for. */
static void *reserve(size_t bytes)
{
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    (void)madvise(start, bytes, MADV_NOHUGEPAGE); /* EINVAL: this kernel has none */
    return start;
}

bool slab_start(void)
{
    if (pool.base != 0)
        return true;
    if (sizeof(void *) < 8 ||
        getrandom(&pool.secret, sizeof pool.secret, GRND_NONBLOCK) != sizeof pool.secret)
        return false;
    const size_t bytes = (SPANS + 1) << SPAN_BITS;
    unsigned char *start = reserve(bytes);
    if (start == NULL)
        return false;
    pool.spans = reserve(SPANS * sizeof *pool.spans);
    if (pool.spans == NULL) {
        munmap(start, bytes);
        return false;
    }
    pool.base = ((uintptr_t)start + SPAN_BYTES - 1) & ~(uintptr_t)(SPAN_BYTES - 1);
    return true;
}
