/* tickets: the keys that session tickets are sealed with (RFC 5077 §4, RFC 8446 §4.6.1). For the
 * TLS floor only.
 *
 * Random, in memory only, shared by all generations of one policy (counted). The newest key seals
 * for 4 hours; every key opens until the last ticket that it sealed has died (12 hours later).
 *
 * Any thread. The lock is a reader's lock held for the copy of a key; the writer takes it for a
 * copy too, once in four hours. */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H

#include "base/error.h"

#include <openssl/ssl.h>
#include <stdint.h>

#define TICKET_ROTATE_SECONDS   (4u * 3600u)
#define TICKET_LIFETIME_SECONDS (12u * 3600u)

struct tls_tickets;

struct tls_ticket_key {
    unsigned char name[16];
    unsigned char cipher[32]; /* AES-256-CBC */
    unsigned char mac[32];    /* HMAC-SHA-256 */
    uint64_t born_us;         /* monotonic */
};

bool tls_tickets_create(struct tls_tickets **ret, struct error *error) MUST_CHECK;
struct tls_tickets *tls_tickets_ref(struct tls_tickets *tickets);
void tls_tickets_unref(struct tls_tickets *tickets); /* accepts NULL; cleanses the keys */

/* The key to seal with at `now_us`, rotating where it is time. false: no random bytes. */
bool tls_tickets_seal(struct tls_tickets *tickets, uint64_t now_us,
                      struct tls_ticket_key *ret) MUST_CHECK;

/* The key called `name`, if it still opens. *ret_old: not the newest, so seal anew. */
bool tls_tickets_open(struct tls_tickets *tickets, uint64_t now_us, const unsigned char name[16],
                      struct tls_ticket_key *ret, bool *ret_old) MUST_CHECK;

/* Makes `context` seal and open its tickets with these keys, which must outlive it. */
bool tls_tickets_install(struct tls_tickets *tickets, SSL_CTX *context,
                         struct error *error) MUST_CHECK;

#endif
