/* slab: memory in blocks of a few sizes, for a library that takes and gives back hundreds of small
 * ones per connection.
 *
 * A thread that has entered has a heap of its own and takes and gives back without a lock. Blocks
 * have no header: what a block is, its address tells. Threads that have not entered, sizes beyond
 * SLAB_MOST and a process that could not reserve the addresses are served by malloc().
 *
 * Ownership  a block is the caller's until slab_free() or slab_resize(), which any thread may call:
 *            another thread's goes back to its heap, which takes it in when it next runs short.
 *            Blocks outlive their thread; its heap goes to the next thread that enters.
 *
 * Memory     sizes are rounded up to 16 bytes up to 1 KiB, by an eighth at most above. Spans of 64
 *            KiB whose last block has come back are given back, but for one per size and thread,
 *            and 1 MiB in all.
 *
 * Faults     a block given back twice, or written to after that, ends the process where it is seen.
 *
 * Threads    slab_start() once, before there are other threads; the others from any thread.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>

#define SLAB_MOST ((size_t)24576)

/* Where it says no (a limit of addresses, a 32-bit machine), malloc() serves everything. */
bool slab_start(void);

/* For the calling thread. Entering may fail, and twice is once; leave before the thread ends. */
void slab_enter(void);
void slab_leave(void);

/* As malloc(), realloc() and free() are, but that nothing is given for a size of 0. Blocks lie at
 * multiples of 16. */
void *slab_allocate(size_t size) MUST_CHECK;
void *slab_resize(void *block, size_t size) MUST_CHECK;
void slab_free(void *block);

/* Not malloc()'s. */
bool slab_owns(const void *block);

/* Bytes of the spans that are at work, in all threads. */
size_t slab_bytes(void);

#endif
