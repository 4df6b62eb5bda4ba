#include "io/line_writer.h"

#include "base/clock.h"
#include "base/thread.h"
#include "line_outlet.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Per producer: some thousand lines. */
#define RING_BYTES (1u << 20)

/* While lines keep coming the thread looks this often instead of being woken for each. */
#define NAP_MS 20

struct ring {
    _Alignas(64) _Atomic size_t head; /* written by the producer: bytes ever put */
    _Alignas(64) _Atomic size_t tail; /* written by the thread: bytes ever taken */
    unsigned char *bytes;             /* owned; RING_BYTES */
};

/* What stands before each line in a ring. */
struct head {
    uint32_t length : 31, fields : 1;
};

struct line_writer {
    pthread_t thread;
    struct ring *rings; /* owned */
    unsigned ring_count;
    int wake;                      /* eventfd */
    struct outlet *outlet;         /* owned; the thread's own while it runs */
    struct text packet, wrapped;   /* owned; likewise */
    _Atomic(struct outlet *) next; /* owned; handed over by reopen() */
    _Atomic bool asleep, stopping;
    _Atomic uint64_t stop_by_us; /* with `stopping` */
    _Atomic uint64_t dropped;
};

/* --- producer -------------------------------------------------------------------------------- */

static void copy_in(struct ring *ring, size_t at, const void *bytes, size_t count)
{
    size_t offset = at % RING_BYTES, first = RING_BYTES - offset;
    if (first > count)
        first = count;
    memcpy(ring->bytes + offset, bytes, first);
    memcpy(ring->bytes, (const unsigned char *)bytes + first, count - first);
}

bool line_writer_put(struct line_writer *writer, unsigned producer, enum line_form form,
                     struct span line)
{
    struct ring *ring = &writer->rings[producer];
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    struct head front = {.length = (uint32_t)line.length & INT32_MAX,
                         .fields = form == LINE_FIELDS};
    if (line.length > RING_BYTES || line.length + sizeof front > RING_BYTES - (head - tail)) {
        atomic_fetch_add_explicit(&writer->dropped, 1, memory_order_relaxed);
        return false;
    }
    copy_in(ring, head, &front, sizeof front);
    copy_in(ring, head + sizeof front, line.data, line.length);
    /* Sequentially consistent with `asleep`: either the thread sees the line before it sleeps, or
     * this producer sees it asleep and wakes it. */
    atomic_store(&ring->head, head + sizeof front + line.length);
    if (atomic_load(&writer->asleep) && atomic_exchange(&writer->asleep, false))
        (void)eventfd_write(writer->wake, 1);
    return true;
}

/* --- the thread ------------------------------------------------------------------------------ */

static bool past_deadline(const struct line_writer *writer)
{
    return atomic_load(&writer->stopping) &&
           clock_monotonic_us() >= atomic_load(&writer->stop_by_us);
}

static void take_over_outlet(struct line_writer *writer)
{
    struct outlet *next = atomic_exchange(&writer->next, NULL);
    if (next == NULL)
        return;
    outlet_pass_on(writer->outlet, next);
    outlet_close(writer->outlet);
    writer->outlet = next;
}

static void copy_out(const struct ring *ring, size_t at, void *ret, size_t count)
{
    size_t offset = at % RING_BYTES, first = RING_BYTES - offset;
    if (first > count)
        first = count;
    memcpy(ret, ring->bytes + offset, first);
    memcpy((unsigned char *)ret + first, ring->bytes, count - first);
}

/* Adds one line to the packet; the two halves of one that wraps around are put together first. */
static void add_line(struct line_writer *writer, struct ring *ring, size_t at, struct head front)
{
    enum line_form form = front.fields ? LINE_FIELDS : LINE_TEXT;
    size_t offset = at % RING_BYTES, first = RING_BYTES - offset;
    if (front.length <= first) {
        outlet_add(writer->outlet, &writer->packet, form,
                   span_of(ring->bytes + offset, front.length));
        return;
    }
    text_clear(&writer->wrapped);
    text_add_span(&writer->wrapped, span_of(ring->bytes + offset, first));
    text_add_span(&writer->wrapped, span_of(ring->bytes, front.length - first));
    if (writer->wrapped.failed)
        writer->packet.failed = true;
    else
        outlet_add(writer->outlet, &writer->packet, form,
                   span_of(writer->wrapped.data, writer->wrapped.length));
}

/* Makes a packet of the lines at `tail`, whole ones only: one, or as many as go out in one go.
 * Returns where the next line begins. */
static size_t gather(struct line_writer *writer, struct ring *ring, size_t tail, size_t head,
                     uint64_t *ret_lines)
{
    text_clear(&writer->packet);
    *ret_lines = 0;
    while (tail != head) {
        struct head front;
        copy_out(ring, tail, &front, sizeof front);
        if (*ret_lines > 0 &&
            (!outlet_takes_many(writer->outlet) || writer->packet.length + front.length > PIPE_BUF))
            break;
        add_line(writer, ring, tail + sizeof front, front);
        tail += sizeof front + front.length;
        *ret_lines += 1;
    }
    return tail;
}

static uint64_t count_lines(struct span bytes)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < bytes.length; i++)
        lines += bytes.data[i] == '\n';
    return lines;
}

static void count_lost(struct line_writer *writer, uint64_t lines)
{
    atomic_fetch_add(&writer->dropped, lines);
}

/* Returns false when nothing of the packet went out before another outlet took over, or before the
 * end: it is gathered again, in the form of that one. */
static bool deliver(struct line_writer *writer, uint64_t lines)
{
    struct span rest = span_of(writer->packet.data, writer->packet.length);
    while (rest.length > 0) {
        size_t taken = outlet_write(writer->outlet, rest);
        bool lost = taken == OUTLET_LOST, untouched = rest.length == writer->packet.length;
        bool given_up = taken == 0 && (past_deadline(writer) || atomic_load(&writer->next) != NULL);
        if (given_up && untouched)
            return false;
        if (lost || given_up) {
            outlet_tear(writer->outlet);
            count_lost(writer, outlet_takes_many(writer->outlet) ? count_lines(rest) : lines);
            return true;
        }
        rest = span_skip(rest, taken);
    }
    return true;
}

/* true when something was there. */
static bool drain(struct line_writer *writer, struct ring *ring)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t head = atomic_load(&ring->head);
    if (head == tail)
        return false;
    while (tail != head && !past_deadline(writer)) {
        uint64_t lines;
        /* Between lines, so that none is split over two files; and before those that were put after
         * the call that said where to, so that they are there. */
        take_over_outlet(writer);
        size_t next = gather(writer, ring, tail, head, &lines);
        if (writer->packet.failed)
            count_lost(writer, lines);
        else if (!deliver(writer, lines))
            continue;
        tail = next;
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
    }
    return true;
}

static bool drain_all(struct line_writer *writer)
{
    bool any = false;
    for (unsigned i = 0; i < writer->ring_count; i++)
        any = drain(writer, &writer->rings[i]) || any;
    take_over_outlet(writer);
    return any;
}

static void sleep_until_woken(struct line_writer *writer)
{
    atomic_store(&writer->asleep, true);
    if (drain_all(writer) || atomic_load(&writer->stopping)) {
        atomic_store(&writer->asleep, false);
        return;
    }
    eventfd_t count;
    (void)eventfd_read(writer->wake, &count);
    atomic_store(&writer->asleep, false);
}

static void *run(void *context)
{
    struct line_writer *writer = context;
    while (!atomic_load(&writer->stopping)) {
        sleep_until_woken(writer);
        while (drain_all(writer) && !atomic_load(&writer->stopping))
            (void)nanosleep(&(struct timespec){.tv_nsec = NAP_MS * 1000000L}, NULL);
    }
    (void)drain_all(writer);
    return NULL;
}

/* --- life ------------------------------------------------------------------------------------ */

static void destroy(struct line_writer *writer)
{
    for (unsigned i = 0; i < writer->ring_count; i++)
        free(writer->rings[i].bytes);
    free(writer->rings);
    if (writer->wake >= 0)
        (void)close(writer->wake);
    outlet_close(writer->outlet);
    outlet_close(atomic_load(&writer->next));
    text_release(&writer->packet);
    text_release(&writer->wrapped);
    free(writer);
}

static bool make_rings(struct line_writer *writer, unsigned count)
{
    writer->rings = aligned_alloc(64, count * sizeof *writer->rings);
    if (writer->rings == NULL)
        return false;
    for (; writer->ring_count < count; writer->ring_count++) {
        struct ring *ring = &writer->rings[writer->ring_count];
        atomic_init(&ring->head, 0);
        atomic_init(&ring->tail, 0);
        ring->bytes = malloc(RING_BYTES);
        if (ring->bytes == NULL)
            return false;
    }
    return true;
}

bool line_writer_start(struct line_writer **ret, const struct line_target *target,
                       unsigned producers, struct error *error)
{
    struct line_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return error_memory(error);
    writer->wake = -1;
    if (!outlet_open(&writer->outlet, target, error)) {
        destroy(writer);
        return false;
    }
    writer->wake = eventfd(0, EFD_CLOEXEC);
    if (!make_rings(writer, producers) || writer->wake < 0) {
        destroy(writer);
        return error_memory(error);
    }
    int failure = thread_create(&writer->thread, run, writer);
    if (failure != 0) {
        destroy(writer);
        return error_system(error, failure, "cannot start the log thread");
    }
    *ret = writer;
    return true;
}

static void wake(struct line_writer *writer)
{
    (void)eventfd_write(writer->wake, 1);
}

bool line_writer_reopen(struct line_writer *writer, const struct line_target *target,
                        struct error *error)
{
    struct outlet *outlet;
    if (!outlet_open(&outlet, target, error))
        return false;
    outlet_close(atomic_exchange(&writer->next, outlet));
    wake(writer);
    return true;
}

uint64_t line_writer_dropped(const struct line_writer *writer)
{
    return atomic_load(&writer->dropped);
}

void line_writer_stop(struct line_writer *writer, unsigned patience_ms)
{
    if (writer == NULL)
        return;
    atomic_store(&writer->stop_by_us, clock_monotonic_us() + (uint64_t)patience_ms * 1000);
    atomic_store(&writer->stopping, true);
    wake(writer);
    (void)pthread_join(writer->thread, NULL);
    destroy(writer);
}
