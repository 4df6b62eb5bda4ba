/* batch: many reads and writes of sockets, or connections, in one system call, where the kernel and
 * the build have io_uring; where they do not, batch_create() says so, and the caller makes the
 * calls one by one.
 *
 * Nothing is left under way: what is asked for is done, or found not to be possible now, when a run
 * returns. So there is nothing for the caller to cancel, no buffer outlives the call, and the order
 * of bytes is the order of calls. One worker's; only the thread that has created it may use it. */
#ifndef IO_BATCH_H
#define IO_BATCH_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

#define BATCH_MOST 32u /* calls at a time; slots are numbered below that */

struct batch;
struct sockaddr;

/* In a person's words, whether there is one to be had here. */
const char *batch_support(void);

/* false: there is none. */
bool batch_create(struct batch **ret) MUST_CHECK;
void batch_free(struct batch *batch); /* accepts NULL */

/* As recv(2) and send(2) with MSG_DONTWAIT. A slot is used once per run; the room must outlive the
 * run. */
void batch_recv(struct batch *batch, unsigned slot, int fd, void *room, size_t size);
void batch_send(struct batch *batch, unsigned slot, int fd, const void *bytes, size_t size);

/* As connect(2) of a TCP socket, for batch_run_connects(); `to` must outlive the run. */
void batch_connect(struct batch *batch, unsigned slot, int fd, const struct sockaddr *to,
                   unsigned length);

/* Carries them out, in no particular order. false: the kernel took some no more; the results stand,
 * and the batch is of no more use. */
bool batch_run(struct batch *batch) MUST_CHECK;

/* The same with nothing but connections. One that stands has the result 0; one that does not stand
 * yet -ECANCELED: its socket goes on by itself, as a non-blocking one does. */
bool batch_run_connects(struct batch *batch) MUST_CHECK;

/* Of a slot of the last run: the count that recv() or send() gives, or minus an errno. What could
 * not even be asked for is -EAGAIN: nothing has moved. */
int batch_result(const struct batch *batch, unsigned slot);

#endif
