/* postgres: what a PostgreSQL client's first packet asks for (PostgreSQL documentation, "Message
 * Formats": an Int32 length that counts itself, then an Int32 code). */
#ifndef INSPECT_POSTGRES_H
#define INSPECT_POSTGRES_H

#include "base/span.h"
#include "inspect/verdict.h"

enum postgres_request {
    POSTGRES_SSL,     /* SSLRequest: answered 'S' or 'N', then a ClientHello follows */
    POSTGRES_GSSENC,  /* GSSENCRequest: answered 'N', another request follows */
    POSTGRES_CANCEL,  /* CancelRequest */
    POSTGRES_STARTUP, /* StartupMessage, protocol 3.x */
};

/* SSLRequest and GSSENCRequest are this long, and whole when they are recognised. */
#define POSTGRES_REQUEST_LENGTH 8u

/* The SSLRequest a client sends. */
extern const unsigned char postgres_ssl_request[POSTGRES_REQUEST_LENGTH];

/* YES: *ret says which. NO on the first byte that fits none of them. */
enum verdict postgres_request_read(enum postgres_request *ret, struct span bytes);

#endif
