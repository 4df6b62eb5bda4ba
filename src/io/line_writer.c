#include "io/line_writer.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Per producer: some thousand lines. */
#define RING_BYTES (1u << 20)

/* While lines keep coming the thread looks this often instead of being woken for each. */
#define NAP_MS 20

/* How long one wait for a stuck reader lasts before the thread looks up again. */
#define STUCK_MS 100

struct ring {
    _Alignas(64) _Atomic size_t head; /* written by the producer: bytes ever put */
    _Alignas(64) _Atomic size_t tail; /* written by the thread: bytes ever taken */
    unsigned char *bytes;             /* owned; RING_BYTES */
};

struct line_writer {
    pthread_t thread;
    struct ring *rings; /* owned */
    unsigned ring_count;
    int wake; /* eventfd */
    int fd;   /* the target now; the thread's own while it runs */
    bool fd_owned;
    _Atomic int next; /* handed over by reopen(): pack()ed; NO_TARGET for none */
    _Atomic bool asleep, stopping;
    _Atomic uint64_t stop_by_us; /* with `stopping` */
    _Atomic uint64_t dropped;
};

#define NO_TARGET (-1)

/* A descriptor and whether it is ours to close, handed over in one piece. */
static int pack(int fd, bool owned)
{
    return fd << 1 | owned;
}

static bool open_target(const struct line_target *target, int *ret, struct error *error)
{
    *ret = target->fd;
    if (target->file == NULL)
        return true;
    *ret =
        open(target->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    return *ret >= 0 || error_system(error, errno, "cannot open the access log %s", target->file);
}

/* --- producer -------------------------------------------------------------------------------- */

static void copy_in(struct ring *ring, size_t at, struct span line)
{
    size_t offset = at % RING_BYTES, first = RING_BYTES - offset;
    if (first > line.length)
        first = line.length;
    memcpy(ring->bytes + offset, line.data, first);
    memcpy(ring->bytes, line.data + first, line.length - first);
}

bool line_writer_put(struct line_writer *writer, unsigned producer, struct span line)
{
    struct ring *ring = &writer->rings[producer];
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (line.length > RING_BYTES - (head - tail)) {
        atomic_fetch_add_explicit(&writer->dropped, 1, memory_order_relaxed);
        return false;
    }
    copy_in(ring, head, line);
    /* Sequentially consistent with `asleep`: either the thread sees the line before it sleeps, or
     * this producer sees it asleep and wakes it. */
    atomic_store(&ring->head, head + line.length);
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

static void take_over_target(struct line_writer *writer)
{
    int next = atomic_exchange(&writer->next, NO_TARGET);
    if (next == NO_TARGET)
        return;
    if (writer->fd_owned)
        (void)close(writer->fd);
    writer->fd = next >> 1;
    writer->fd_owned = (next & 1) != 0;
}

static uint64_t count_lines(const unsigned char *bytes, size_t count)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < count; i++)
        lines += bytes[i] == '\n';
    return lines;
}

/* Writes what the target takes now. At most PIPE_BUF at a time: after POLLOUT a pipe takes so much
 * without blocking, even if its other owner left it in blocking mode. */
static size_t write_some(struct line_writer *writer, const unsigned char *bytes, size_t count)
{
    struct pollfd target = {.fd = writer->fd, .events = POLLOUT};
    if (poll(&target, 1, STUCK_MS) <= 0)
        return 0;
    ssize_t written = write(target.fd, bytes, count > PIPE_BUF ? PIPE_BUF : count);
    if (written >= 0)
        return (size_t)written;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    /* A closed pipe or a full disk: the lines are lost, and say so. */
    atomic_fetch_add(&writer->dropped, count_lines(bytes, count));
    return count;
}

/* true when something was there. */
static bool drain(struct line_writer *writer, struct ring *ring)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t head = atomic_load(&ring->head);
    if (head == tail)
        return false;
    while (tail != head && !past_deadline(writer)) {
        size_t offset = tail % RING_BYTES, count = head - tail;
        if (count > RING_BYTES - offset)
            count = RING_BYTES - offset;
        tail += write_some(writer, ring->bytes + offset, count);
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
    }
    return true;
}

static bool drain_all(struct line_writer *writer)
{
    bool any = false;
    for (unsigned i = 0; i < writer->ring_count; i++)
        any = drain(writer, &writer->rings[i]) || any;
    /* Between lines: a line never is split over two files. */
    take_over_target(writer);
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
    if (writer->fd_owned)
        (void)close(writer->fd);
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
    writer->next = NO_TARGET;
    writer->wake = -1;
    int fd;
    if (!open_target(target, &fd, error)) {
        destroy(writer);
        return false;
    }
    writer->fd = fd;
    writer->fd_owned = target->file != NULL;
    writer->wake = eventfd(0, EFD_CLOEXEC);
    if (!make_rings(writer, producers) || writer->wake < 0) {
        destroy(writer);
        return error_memory(error);
    }
    int failure = pthread_create(&writer->thread, NULL, run, writer);
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
    int fd;
    if (!open_target(target, &fd, error))
        return false;
    int unclaimed = atomic_exchange(&writer->next, pack(fd, target->file != NULL));
    if (unclaimed != NO_TARGET && (unclaimed & 1) != 0)
        (void)close(unclaimed >> 1);
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
