/* store: names → credentials, the certificates of one policy at one time. For the TLS floor only.
 *
 * Immutable, counted. A look-up is one or two probes of a hash table, however many names there are.
 * Tickets are bound to what was found (see tls_entry.identity), so that a session of one
 * certificate, or of a policy with other demands, is never resumed on another. */
#ifndef TLS_STORE_H
#define TLS_STORE_H

#include "tls/credential.h"

#define TLS_IDENTITY_BYTES 24

struct tls_store;

struct tls_entry {
    const char *name; /* borrowed from a credential; NULL: free slot, or the default */
    const struct tls_credential *by_type[TLS_KEY_TYPE_COUNT];
    unsigned char identity[TLS_IDENTITY_BYTES]; /* of the policy's demands and the names; not of the
                                                   bytes, so that tickets outlive a renewal */
};

/* Takes a reference to each of the `count` credentials (at least one; the first is the default).
 * Where two of one key type claim a name, the earlier one has it. `changed` (may be NULL) tells
 * which were loaded just now, for tls_store_describe(). */
bool tls_store_create(struct tls_store **ret, struct tls_credential *const *credentials,
                      size_t count, const bool *changed, const unsigned char demands[32],
                      struct error *error) MUST_CHECK;

/* Before the store is shown to anyone: `count` credentials of its predecessor are gone, the first
 * of them called `title`. For tls_store_describe(). */
void tls_store_note_dropped(struct tls_store *store, size_t count, const char *title);

/* The exact name, else the wildcard one label up; NULL when unknown. `name` is in normal form. */
const struct tls_entry *tls_store_find(const struct tls_store *store, const char *name);
const struct tls_entry *tls_store_default(const struct tls_store *store);

size_t tls_store_count(const struct tls_store *store);
struct tls_credential *tls_store_credential(const struct tls_store *store, size_t i); /* borrowed */

/* Is any name (or the default) served by credential `i`? */
bool tls_store_uses(const struct tls_store *store, size_t i);

#endif
