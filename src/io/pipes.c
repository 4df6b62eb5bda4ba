#include "io/pipes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Idle pipes kept for the next bulk transfer. */
#define PIPES_KEPT 8u

struct pipes {
    unsigned most, in_use, kept;
    struct pipe_pair *idle[PIPES_KEPT]; /* owned */
};

struct pipes *pipes_create(unsigned most)
{
    struct pipes *pipes = calloc(1, sizeof *pipes);
    if (pipes != NULL)
        pipes->most = most;
    return pipes;
}

static void destroy(struct pipe_pair *pair)
{
    (void)close(pair->out);
    (void)close(pair->in);
    free(pair);
}

void pipes_free(struct pipes *pipes)
{
    if (pipes == NULL)
        return;
    while (pipes->kept > 0)
        destroy(pipes->idle[--pipes->kept]);
    free(pipes);
}

static struct pipe_pair *create(void)
{
    struct pipe_pair *pair = calloc(1, sizeof *pair);
    int ends[2];
    if (pair == NULL || pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) {
        free(pair);
        return NULL;
    }
    /* Refused where the user's pipe memory is used up: the default size works too. */
    (void)fcntl(ends[1], F_SETPIPE_SZ, (int)PIPE_BYTES);
    pair->out = ends[0];
    pair->in = ends[1];
    return pair;
}

struct pipe_pair *pipes_take(struct pipes *pipes)
{
    if (pipes->in_use >= pipes->most)
        return NULL;
    struct pipe_pair *pair = pipes->kept > 0 ? pipes->idle[--pipes->kept] : create();
    if (pair != NULL)
        pipes->in_use++;
    return pair;
}

void pipes_give(struct pipes *pipes, struct pipe_pair *pair)
{
    pipes->in_use--;
    if (pair->held == 0 && pipes->kept < PIPES_KEPT)
        pipes->idle[pipes->kept++] = pair;
    else
        destroy(pair);
}
