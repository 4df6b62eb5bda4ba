/* pipes: a worker's cache of pipes for splice(2).
 *
 * A pipe costs two descriptors and up to `PIPE_BYTES` of kernel memory, so only directions that
 * move bulk hold one, and give it back when they get small. One worker, not thread-safe. */
#ifndef IO_PIPES_H
#define IO_PIPES_H

#include <stdbool.h>
#include <stddef.h>

#define PIPE_BYTES (256u * 1024u)

struct pipe_pair {
    int out, in; /* read end, write end */
    size_t held; /* bytes inside: in flight, they must leave before any close */
};

struct pipes;

struct pipes *pipes_create(unsigned most); /* at most so many at a time; NULL: out of memory */
void pipes_free(struct pipes *pipes);      /* accepts NULL; all pipes were given back */

/* NULL: no more are to be had (limit, descriptors): the caller copies instead. */
struct pipe_pair *pipes_take(struct pipes *pipes);

/* A pipe that still holds bytes is closed, never reused. */
void pipes_give(struct pipes *pipes, struct pipe_pair *pair);

#endif
