/* sessions: the inside of struct tls_sessions. For the TLS floor only; one worker. */
#ifndef TLS_SESSIONS_H
#define TLS_SESSIONS_H

#include "tls/client.h"

#include <openssl/ssl.h>

#define TLS_SESSION_KEY_BYTES 32

/* A session keeps coming back, with fresh tickets, for as long as the two talk. What it was
 * verified by may be gone by then. */
#define TLS_SESSION_TRUST_US (UINT64_C(86400) * 1000000u)

/* The session to offer, with one reference; NULL: none that should still be. Of TLS 1.3 each is
 * given once (RFC 8446 §C.4). *ret_verified_us is when its server was verified. */
SSL_SESSION *tls_sessions_take(struct tls_sessions *sessions,
                               const unsigned char key[TLS_SESSION_KEY_BYTES], uint64_t now_us,
                               uint64_t *ret_verified_us);

/* Takes over one reference; the latest session of a server takes the place of the one before.
 * `verified_us`: of the full handshake that it goes back to. */
void tls_sessions_put(struct tls_sessions *sessions, const unsigned char key[TLS_SESSION_KEY_BYTES],
                      SSL_SESSION *session, uint64_t verified_us);

#endif
