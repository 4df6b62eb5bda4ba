/* In place of batch.c where there is no liburing. */
#include "io/batch.h"

#include <errno.h>

const char *batch_support(void)
{
    return "not built in";
}

bool batch_create(struct batch **ret)
{
    (void)ret;
    return false;
}

void batch_free(struct batch *batch)
{
    (void)batch;
}

void batch_recv(struct batch *batch, unsigned slot, int fd, void *room, size_t size)
{
    (void)batch;
    (void)slot;
    (void)fd;
    (void)room;
    (void)size;
}

void batch_send(struct batch *batch, unsigned slot, int fd, const void *bytes, size_t size)
{
    (void)batch;
    (void)slot;
    (void)fd;
    (void)bytes;
    (void)size;
}

void batch_connect(struct batch *batch, unsigned slot, int fd, const struct sockaddr *to,
                   unsigned length)
{
    (void)batch;
    (void)slot;
    (void)fd;
    (void)to;
    (void)length;
}

bool batch_run_connects(struct batch *batch)
{
    (void)batch;
    return false;
}

bool batch_run(struct batch *batch)
{
    (void)batch;
    return false;
}

int batch_result(const struct batch *batch, unsigned slot)
{
    (void)batch;
    (void)slot;
    return -EAGAIN;
}
