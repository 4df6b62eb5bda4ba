/* client_hello_write: a ClientHello such as a client of today sends, with the names that are
 * wanted, for those who ask beforehand what would happen to one. Pure; it is sent to nobody: its
 * random is made of zeroes, its key share is nobody's. */
#ifndef INSPECT_CLIENT_HELLO_WRITE_H
#define INSPECT_CLIENT_HELLO_WRITE_H

#include "base/span.h"

struct client_hello_offer {
    const char *sni;         /* as it will stand there; NULL: none */
    const char *const *alpn; /* each of 1 to 255 bytes */
    size_t alpn_count;
};

/* One record (RFC 8446 §5.1: 16384 bytes at most), its header included. */
#define CLIENT_HELLO_RECORD_MAX (5u + 16384u)

/* Writes it into `room` (CLIENT_HELLO_RECORD_MAX bytes) and returns its length; 0 where it does not
 * fit into one record. */
size_t client_hello_write(unsigned char *room, const struct client_hello_offer *offer);

#endif
