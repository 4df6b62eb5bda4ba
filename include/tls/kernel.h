/* kernel: the kernel encrypts what we send ("tls", an upper layer of TCP), so that bulk can be
 * spliced into a TLS connection. For the TLS floor only.
 *
 * OpenSSL gives the keys of the sending direction away where SSL_OP_ENABLE_KTLS is set. They are
 * noted, not used: OpenSSL goes on encrypting, and the records it makes are counted. Only when a
 * session has proved to move much is the kernel put in its place, from the next record on; there
 * is no way back. From then on OpenSSL reads, and writes nothing: what it would send (an alert, a
 * KeyUpdate) must not go out, as the kernel has the record numbers.
 *
 * Receiving stays with OpenSSL: alerts and handshake messages among the data would have to be
 * taken out of a splice. */
#ifndef TLS_KERNEL_H
#define TLS_KERNEL_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_kernel;

/* Looks once, by connections to ourselves, what this kernel encrypts rightly. It may load a module,
 * if we may. Not thread-safe; before anything else of this header. */
void tls_kernel_start(void);

/* Whether tls_kernel_start() has found anything. */
bool tls_kernel_is_there(void);

/* What tls_kernel_start() has found, for a person: "available (AES-128-GCM, …)". */
const char *tls_kernel_words(void);

/* `crypto_info` is the kernel's own structure of some cipher (linux/tls.h), to be copied. NULL: not
 * a cipher that was found to work, or no memory. */
struct tls_kernel *tls_kernel_note(const void *crypto_info) MUST_CHECK;
void tls_kernel_free(struct tls_kernel *kernel); /* accepts NULL; wipes the keys */

/* The library has made one more record under the noted key. */
void tls_kernel_count(struct tls_kernel *kernel);

/* Nothing that the library has encrypted may be left unsent. false: nothing has changed, and it is
 * of no use to try again. */
bool tls_kernel_engage(struct tls_kernel *kernel, int fd) MUST_CHECK;
bool tls_kernel_is_engaged(const struct tls_kernel *kernel); /* accepts NULL */

/* So many bytes of plaintext have been taken by the socket. */
void tls_kernel_took(struct tls_kernel *kernel, size_t count);

/* One alert record. false: errno says why; with EAGAIN nothing was sent. */
bool tls_kernel_alert(struct tls_kernel *kernel, int fd, unsigned char level,
                      unsigned char description);

/* Whether all that was written is with TCP. Before that a FIN would cut off what the kernel has
 * encrypted and not passed on yet, as it does when the peer is slow. Ask again when the socket is
 * writable. */
bool tls_kernel_is_drained(struct tls_kernel *kernel, int fd);

#endif
