/* events: the least loop a benchmark program needs: level-triggered epoll and callbacks.
 *
 * Ownership  a watch belongs to the caller, and must stay where it is until events_remove().
 * Freeing    a callback may remove any watch, but whoever frees one within a callback does it by
 * way of `after`, which runs when the batch that may still name it is through. Errors     what
 * cannot go on ends the program with a message (die()). */
#ifndef BENCH_EVENTS_H
#define BENCH_EVENTS_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

struct watch {
    int fd;
    uint32_t interest; /* EPOLLIN, EPOLLOUT; 0 still reports errors */
    void (*call)(struct watch *watch, uint32_t ready);
};

struct events {
    int epoll;
    bool stopped;
    void (*after)(void *context); /* NULL, or called after each batch */
    void *context;
};

void events_init(struct events *events);
void events_add(struct events *events, struct watch *watch);

/* No system call where nothing changes. */
void events_change(struct events *events, struct watch *watch, uint32_t interest);
void events_remove(struct events *events, struct watch *watch);

/* Runs until events->stopped. False when `stall_ms` pass without an event; -1: wait for ever. */
bool events_run(struct events *events, int stall_ms) MUST_CHECK;

#endif
