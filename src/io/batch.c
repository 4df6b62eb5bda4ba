#include "io/batch.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A result that no call gives, and whose answer nobody waits for. */
#define UNDER_WAY 1
#define NOBODY    BATCH_MOST

struct batch {
    struct io_uring ring;
    int result[BATCH_MOST];
};

/* Rings are older (5.1) than reading and writing of sockets by them (5.6), and a sandbox may allow
 * some calls only. */
static bool can_move(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool can = probe != NULL && io_uring_opcode_supported(probe, IORING_OP_RECV) &&
               io_uring_opcode_supported(probe, IORING_OP_SEND) &&
               io_uring_opcode_supported(probe, IORING_OP_CONNECT) &&
               io_uring_opcode_supported(probe, IORING_OP_ASYNC_CANCEL);
    io_uring_free_probe(probe);
    return can;
}

/* Work that one thread alone gives and takes back is the cheapest; kernels before 6.1 do not know
 * the flags. */
static bool open_ring(struct io_uring *ring)
{
    struct io_uring_params best = {.flags = IORING_SETUP_SINGLE_ISSUER |
                                            IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN};
    struct io_uring_params plain = {.flags = 0};
    if (io_uring_queue_init_params(BATCH_MOST, ring, &best) != 0 &&
        io_uring_queue_init_params(BATCH_MOST, ring, &plain) != 0)
        return false;
    if (can_move(ring))
        return true;
    io_uring_queue_exit(ring);
    return false;
}

const char *batch_support(void)
{
    struct io_uring ring;
    if (!open_ring(&ring))
        return "not available (the kernel, or who confines this process, refuses)";
    io_uring_queue_exit(&ring);
    return "available";
}

bool batch_create(struct batch **ret)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return false;
    if (!open_ring(&batch->ring)) {
        free(batch);
        return false;
    }
    *ret = batch;
    return true;
}

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    io_uring_queue_exit(&batch->ring);
    free(batch);
}

/* A free entry of the ring; NULL only if a run has left some behind. */
static struct io_uring_sqe *entry_for(struct batch *batch, unsigned slot)
{
    batch->result[slot] = -EAGAIN;
    return io_uring_get_sqe(&batch->ring);
}

void batch_recv(struct batch *batch, unsigned slot, int fd, void *room, size_t size)
{
    struct io_uring_sqe *entry = entry_for(batch, slot);
    if (entry == NULL)
        return;
    io_uring_prep_recv(entry, fd, room, size, MSG_DONTWAIT);
    entry->user_data = slot;
}

void batch_send(struct batch *batch, unsigned slot, int fd, const void *bytes, size_t size)
{
    struct io_uring_sqe *entry = entry_for(batch, slot);
    if (entry == NULL)
        return;
    io_uring_prep_send(entry, fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    entry->user_data = slot;
}

void batch_connect(struct batch *batch, unsigned slot, int fd, const struct sockaddr *to,
                   unsigned length)
{
    struct io_uring_sqe *entry = entry_for(batch, slot);
    if (entry == NULL)
        return;
    io_uring_prep_connect(entry, fd, to, length);
    entry->user_data = slot;
    batch->result[slot] = UNDER_WAY;
}

static unsigned take_results(struct batch *batch)
{
    struct io_uring_cqe *done;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&batch->ring, head, done)
    {
        if (done->user_data < BATCH_MOST)
            batch->result[done->user_data] = done->res;
        count++;
    }
    io_uring_cq_advance(&batch->ring, count);
    return count;
}

/* A call that is interrupted, or that takes but a part, is made again. What the kernel has taken is
 * waited for: it was not to wait for anything itself. */
static bool wait_for(struct batch *batch, unsigned due)
{
    unsigned tries = 0;
    while (due > 0 && tries++ < 2 * BATCH_MOST) {
        int taken = io_uring_submit_and_wait(&batch->ring, due);
        due -= take_results(batch);
        if (taken < 0 && taken != -EINTR && taken != -EAGAIN && taken != -EBUSY)
            break;
    }
    return due == 0;
}

bool batch_run(struct batch *batch)
{
    return wait_for(batch, io_uring_sq_ready(&batch->ring));
}

/* The kernel then no longer waits for them on our behalf; the sockets go on by themselves. */
static void cancel_rest(struct batch *batch)
{
    for (unsigned slot = 0; slot < BATCH_MOST; slot++) {
        struct io_uring_sqe *entry =
            batch->result[slot] == UNDER_WAY ? io_uring_get_sqe(&batch->ring) : NULL;
        if (entry == NULL)
            continue;
        io_uring_prep_cancel64(entry, slot, 0);
        entry->user_data = NOBODY;
    }
}

static void forget_rest(struct batch *batch)
{
    for (unsigned slot = 0; slot < BATCH_MOST; slot++)
        if (batch->result[slot] == UNDER_WAY)
            batch->result[slot] = -EAGAIN;
}

bool batch_run_connects(struct batch *batch)
{
    unsigned due = io_uring_sq_ready(&batch->ring);
    (void)io_uring_submit_and_get_events(&batch->ring);
    due -= take_results(batch);
    if (due == 0)
        return true;
    unsigned left = io_uring_sq_ready(&batch->ring);
    cancel_rest(batch);
    due += io_uring_sq_ready(&batch->ring) - left;
    bool whole = wait_for(batch, due);
    forget_rest(batch);
    return whole;
}

int batch_result(const struct batch *batch, unsigned slot)
{
    return batch->result[slot];
}
