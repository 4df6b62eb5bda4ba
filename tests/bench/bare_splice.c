#include "bare_splice.h"

#include "util.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
#define HOW        (SPLICE_F_MOVE | SPLICE_F_NONBLOCK)

void bare_splice_open(struct bare_splice *s)
{
    *s = (struct bare_splice){0};
    if (pipe2(s->ends, O_NONBLOCK | O_CLOEXEC) < 0)
        die("pipe2: %s", strerror(errno));
    fcntl(s->ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* refused over the user's quota: smaller then */
}

void bare_splice_close(struct bare_splice *s)
{
    close(s->ends[0]);
    close(s->ends[1]);
}

ssize_t bare_splice_fill(struct bare_splice *s, int fd)
{
    ssize_t count = splice(fd, NULL, s->ends[1], NULL, PIPE_BYTES, HOW);

    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? WIRE_AGAIN : WIRE_BROKEN;
    s->held += (size_t)count;
    return count;
}

bool bare_splice_drain(struct bare_splice *s, int fd)
{
    while (s->held > 0) {
        ssize_t count = splice(s->ends[0], NULL, fd, NULL, s->held, HOW);

        if (count <= 0)
            return count < 0 && (errno == EAGAIN || errno == EINTR);
        s->held -= (size_t)count;
    }
    return true;
}
