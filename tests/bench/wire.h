/* wire: a non-blocking connection, plain or TLS, behind one set of calls.
 *
 * Ownership  a wire owns its descriptor and its SSL until wire_close(). */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "base/compiler.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct wire {
    int fd;
    SSL *ssl; /* owned; NULL: plain */
};

/* What reads and writes return beside a count of bytes. */
enum { WIRE_END = 0, WIRE_AGAIN = -1, WIRE_BROKEN = -2 };

ssize_t wire_read(struct wire *wire, void *bytes, size_t room) MUST_CHECK;
ssize_t wire_write(struct wire *wire, const void *bytes, size_t length) MUST_CHECK;

/* 1 when done, WIRE_AGAIN or WIRE_BROKEN. A plain wire is always done. */
int wire_handshake(struct wire *wire) MUST_CHECK;

/* Whether bytes wait inside the TLS library, of which the socket will say nothing. */
bool wire_has_more(const struct wire *wire);

/* Whether the call that returned WIRE_AGAIN waits for room to write. */
bool wire_wants_write(const struct wire *wire);

/* No more bytes in this direction: close_notify where it is TLS, then FIN. */
void wire_finish(struct wire *wire);

/* The same, and the descriptor with it; `wire` is then empty. */
void wire_close(struct wire *wire);

/* Gives it up with a reset. */
void wire_reset(struct wire *wire);

#endif
