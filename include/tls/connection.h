/* connection: the inside of one terminated connection (struct stream.state). For the TLS floor
 * only; one worker. */
#ifndef TLS_CONNECTION_H
#define TLS_CONNECTION_H

#include "inspect/client_cert.h"
#include "io/stream.h"
#include "tls/sessions.h"
#include "tls/tls.h"
#include "tls/trust.h"
#include "tls/wire.h"

#include <openssl/ssl.h>

/* A client that does more than this often what only costs us work (KeyUpdate, renegotiation) is
 * cut off. */
#define TLS_STORM_LIMIT     32u
#define TLS_STORM_WINDOW_US UINT64_C(10000000)

/* What only a connection to a server has. */
struct tls_visit {
    struct tls_client *client;     /* counted */
    struct tls_sessions *sessions; /* borrowed; where the server's sessions go; NULL: nowhere */
    unsigned char session_key[TLS_SESSION_KEY_BYTES];
    uint64_t verified_us; /* when the server was, if the session that was offered is resumed */
    bool on_approval;     /* see tls_is_on_approval() */
};

struct tls_connection {
    SSL *ssl;
    struct tls_wire wire;
    struct tls_visit *visit;         /* owned; NULL: the peer is a client, and we are the server */
    char *expected_sni;              /* owned; normal form; NULL: no name may come */
    struct tls_trust *trust;         /* counted, in the handshake; NULL: no client certificate */
    struct tls_staples *staples;     /* counted, in the handshake; NULL: nothing is stapled */
    char *fault;                     /* owned; a person's words; NULL for none */
    struct client_cert *client_cert; /* owned; once established; NULL: the client gave none */
    enum stream_status outcome : 3;  /* not STREAM_OK: broken or reset, and stays so */
    bool established : 1;
    bool unknown_name : 1;   /* strict_sni, and no certificate for the name: it is refused */
    bool close_notify : 1;   /* the peer's has come */
    bool notified : 1;       /* ours is out */
    bool starved : 1;        /* what is inside makes no whole record, or is behind the end */
    bool asked : 1;          /* for data, since the handshake */
    bool wide : 1;           /* the library reads several records at once */
    unsigned small_left : 4; /* records of the burst that are to be small */
    bool untold : 1;      /* an end or a fault was met behind bytes that were given: tell it next */
    unsigned char alert;  /* the fatal alert that came; 0 for none */
    uint8_t chores;       /* KeyUpdates and the like since `chores_since_us` */
    uint32_t large_at_ms; /* when more than one segment was written last; 0: never */
    uint64_t chores_since_us;
};

extern const struct stream_ops tls_stream_ops;

void tls_connection_free(struct tls_connection *connection); /* does not close the descriptor */

/* Notes who the client is; false, with the fault set, where that cannot be told for certain. */
bool tls_connection_read_client(struct tls_connection *connection, X509 *certificate) MUST_CHECK;

/* Makes a context fit for our streams: its options, and the callback that watches a connection
 * (alerts, KeyUpdates). */
void tls_connection_prepare(SSL_CTX *context);

/* For clients only: towards a server, too, OpenSSL would ask. */
void tls_connection_check_names(SSL_CTX *context);

/* Within the library's callbacks; found by its wire, as data of a user's own cost 96 bytes. */
struct tls_connection *tls_connection_of(const SSL *ssl);

/* The library's own part of a connection, over its wire; false: out of memory. */
bool tls_connection_open(struct tls_connection *connection, SSL_CTX *context) MUST_CHECK;

#endif
