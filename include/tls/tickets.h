/* tickets: the keys that session tickets are sealed with (RFC 5077 §4, RFC 8446 §4.6.1). For the
 * TLS floor only.
 *
 * Either random and in memory only: the newest key seals until it is rotated, every key opens until
 * the last ticket that it sealed has died. Or given, from a file that several gateways share: the
 * first seals, all open, for as long as they are in the file.
 *
 * A ticket is taken for one lifetime from the full handshake that it goes back to, however often it
 * was renewed since, and not after the client's certificate in it has expired.
 *
 * Any thread. The lock is a reader's lock held for the copy of a key; the writer takes it for a
 * copy too, once in a rotation. */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H

#include "base/error.h"

#include <openssl/ssl.h>
#include <stdint.h>

/* As many keys as are ever kept; the configuration is held to it. */
#define TICKET_KEYS_MAX 128u

struct tls_tickets;

struct tls_ticket_key {
    unsigned char name[16];
    unsigned char cipher[32]; /* AES-256-CBC */
    unsigned char mac[32];    /* HMAC-SHA-256 */
    uint64_t born_us;         /* monotonic; of no meaning for one that was given */
};

struct tls_ticket_terms {
    uint64_t lifetime_s, rotate_s;
};

/* Keys that rotate by themselves; those of `previous` (may be NULL) that do so, too, go on being
 * used, so that a reload loses no session. */
bool tls_tickets_create(struct tls_tickets **ret, const struct tls_ticket_terms *terms,
                        struct tls_tickets *previous, struct error *error) MUST_CHECK;

/* Given keys: 1 to TICKET_KEYS_MAX, which are copied. */
bool tls_tickets_create_given(struct tls_tickets **ret, uint64_t lifetime_s,
                              const struct tls_ticket_key *keys, size_t count,
                              struct error *error) MUST_CHECK;
void tls_tickets_give(struct tls_tickets *tickets, const struct tls_ticket_key *keys, size_t count);

/* The keys in memory as bytes, for another process on this host (see tls.h); of given ones none. */
size_t tls_tickets_copy_keys(struct tls_tickets *tickets, unsigned char *ret, size_t size);
void tls_tickets_take_keys(struct tls_tickets *tickets, const unsigned char *keys, size_t length);

void tls_tickets_free(struct tls_tickets *tickets); /* accepts NULL; cleanses the keys */

/* The key to seal with at `now_us`, rotating where it is time. false: no random bytes. */
bool tls_tickets_seal(struct tls_tickets *tickets, uint64_t now_us,
                      struct tls_ticket_key *ret) MUST_CHECK;

/* The key called `name`, if it still opens. *ret_old: not the newest, so seal anew. */
bool tls_tickets_open(struct tls_tickets *tickets, uint64_t now_us, const unsigned char name[16],
                      struct tls_ticket_key *ret, bool *ret_old) MUST_CHECK;

/* Makes `context` seal and open its tickets with these keys, which must outlive it; `count` of them
 * go to a client of TLS 1.3. */
bool tls_tickets_install(struct tls_tickets *tickets, SSL_CTX *context, unsigned count,
                         struct error *error) MUST_CHECK;

/* Neither gives nor takes tickets. */
void tls_tickets_forbid(SSL_CTX *context);

#endif
