/* ticket_file: ticket keys that several gateways share, from a file. For the TLS floor only.
 *
 * One key a line, 80 bytes in base64 (108 characters): 16 of its name, 32 for AES-256, 32 for
 * HMAC-SHA-256. Empty lines and those that begin with # are passed over. */
#ifndef TLS_TICKET_FILE_H
#define TLS_TICKET_FILE_H

#include "config/model.h"
#include "config/problems.h"
#include "tls/file.h"
#include "tls/tickets.h"

/* Parses; *ret has room for TICKET_KEYS_MAX. The text of `error` begins with FILE:LINE. */
bool tls_ticket_file_parse(struct tls_ticket_key *ret, size_t *ret_count,
                           const struct tls_file *file, struct error *error) MUST_CHECK;

/* Where a policy's tickets come from; the control thread's. */
struct tls_ticket_source {
    struct tls_tickets *tickets; /* owned; NULL: none are given */
    char *file;                  /* owned; NULL: keys in memory */
    unsigned char digest[32];    /* of what the file said */
    uint64_t told;               /* the refusal that was reported last; 0 for none */
};

/* Makes the keys and installs them. Reports at PATH.session_tickets; false when there was an error.
 * Release it all the same, behind the context. */
bool tls_ticket_source_compile(struct tls_ticket_source *ret, SSL_CTX *context,
                               const struct model_tls *model,
                               const struct tls_ticket_source *previous,
                               struct problems *problems) MUST_CHECK;
void tls_ticket_source_release(struct tls_ticket_source *source);

#endif
