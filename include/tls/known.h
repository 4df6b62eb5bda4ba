/* known: the certificates of the running configuration, by what their files hold, so that a reload
 * parses and verifies only what is new. For the TLS floor only; control thread. */
#ifndef TLS_KNOWN_H
#define TLS_KNOWN_H

#include "tls/store.h"

struct tls_known {
    struct tls_credential **item; /* owned list of borrowed ones, sorted by digest */
    size_t count;
};

/* Of this store, which must outlive it. Without memory it knows nothing. */
void tls_known_gather(struct tls_known *ret, const struct tls_store *store);
void tls_known_release(struct tls_known *known); /* accepts {0} */

/* The one that was read from this file with this digest and this mode of its key's file; a
 * reference, NULL: none. */
struct tls_credential *tls_known_find(const struct tls_known *known, const unsigned char digest[32],
                                      const char *file, bool key_exposed);

#endif
