/* sessions: the inside of struct tls_sessions. For the TLS floor only; one worker. */
#ifndef TLS_SESSIONS_H
#define TLS_SESSIONS_H

#include "tls/client.h"

#include <openssl/ssl.h>

#define TLS_SESSION_KEY_BYTES 32

/* The session to offer, with one reference; NULL: none. Of TLS 1.3 each is given once (RFC 8446
 * §C.4). */
SSL_SESSION *tls_sessions_take(struct tls_sessions *sessions,
                               const unsigned char key[TLS_SESSION_KEY_BYTES]);

/* Takes over one reference; the latest session of a server takes the place of the one before. */
void tls_sessions_put(struct tls_sessions *sessions, const unsigned char key[TLS_SESSION_KEY_BYTES],
                      SSL_SESSION *session);

#endif
