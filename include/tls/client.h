/* client: TLS towards servers.
 *
 *   client    what a pool demands of its servers: whom to trust, our own certificate, ALPN.
 * Compiled once per configuration, counted, used by any threads. What its files say is replaced
 *             whole when they change; a handshake goes on with what it began with.
 *   sessions  what one worker remembers for resumption: of each server the latest session, of at
 *             most TLS_SESSIONS_MAX of them. Survives reloads; one that was made under other
 *             demands, for another name or at another address is never offered.
 *   stream    tls_connect(), then tls_handshake() until it is done, then a struct stream like any.
 *
 * A resumed session is not verified again: it was when it was made. So none is offered when the
 * certificate that was seen then has expired, or a day later, however often it was renewed since.
 * Checks give no sessions: each looks at the certificate. */
#ifndef TLS_CLIENT_H
#define TLS_CLIENT_H

#include "base/address.h"
#include "base/error.h"
#include "base/span.h"
#include "config/model.h"
#include "config/problems.h"
#include "io/stream.h"
#include "tls/tls.h"

#define TLS_SESSIONS_MAX 256u

struct tls_client;
struct tls_sessions;

/* Problems (no authority, unreadable file, key that does not match) go to `problems` at the paths
 * of the model; so does the warning of a certificate of ours that expires within 30 days. */
bool tls_client_compile(struct tls_client **ret, const struct model_pool_tls *model,
                        struct problems *problems) MUST_CHECK;
/* One that asks for a handshake and verifies nothing. */
bool tls_client_create_lax(struct tls_client **ret, struct error *error) MUST_CHECK;
struct tls_client *tls_client_ref(struct tls_client *client);
void tls_client_unref(struct tls_client *client); /* accepts NULL; any thread */

/* Files to watch, and to refresh from. A NULL-terminated list owned by the client; empty for one
 * that verifies nothing and has no certificate. */
const char *const *tls_client_files(const struct tls_client *client);

/* As tls_policy_refresh(), each for its own part; with TLS_REFRESH_NEW it is in use already, for
 * handshakes that begin from now on. *ret_file is the file to name in the log. Control thread. */
enum tls_refresh tls_client_refresh_authorities(struct tls_client *client, const char **ret_file,
                                                struct error *error);
enum tls_refresh tls_client_refresh_certificate(struct tls_client *client, const char **ret_file,
                                                struct error *error);

/* Calls `each` for the certificate that servers are shown, if there is one. Control thread. */
void tls_client_each_certificate(const struct tls_client *client,
                                 void (*each)(void *context, const struct tls_certificate *shown),
                                 void *context);

/* As tls_policy_pass_over(): our certificate stays as it is loaded. */
const char *tls_client_pass_over(struct tls_client *client);

struct tls_sessions *tls_sessions_create(void);        /* NULL: memory is out */
void tls_sessions_free(struct tls_sessions *sessions); /* accepts NULL */

struct tls_target {
    const char *host;              /* the server's host name in normal form; NULL: it has none */
    const struct address *address; /* verified where there is no name */
    struct span preface;           /* goes out in clear in front of the hello; copied */
    struct tls_sessions *sessions; /* this worker's; must outlive the stream. NULL: none */
};

/* Begins a handshake on a connected socket. On success the stream owns fd and holds the client; on
 * failure nothing was taken. */
bool tls_connect(struct stream *ret, struct tls_client *client, int fd,
                 const struct tls_target *target, struct error *error) MUST_CHECK;

/* TLS 1.3: the handshake is over for us, the server has asked who we are, and nothing shows yet
 * that it takes what it got: no ticket has come. (Nor any bytes: that is for the caller to know.)
 */
bool tls_is_on_approval(const struct stream *stream);

/* It does not. It has read nothing of what was sent behind the handshake. stream_fault() has its
 * words. */
bool tls_was_turned_away(const struct stream *stream);

#endif
