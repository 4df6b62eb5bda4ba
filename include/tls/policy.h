/* policy: the inside of struct tls_policy, shared by its makers and its users. For the TLS floor
 * only. Immutable once compiled, beside what belongs to the control thread (sources, current) and
 * to each worker (its slot). */
#ifndef TLS_POLICY_H
#define TLS_POLICY_H

#include "tls/store.h"
#include "tls/tickets.h"
#include "tls/tls.h"

#define TLS_CACHE_LINE 64

/* A pair of files; `told` is the refusal that was reported last, 0 for none. */
struct tls_source {
    char *certificate, *key, *path; /* owned */
    uint64_t told;
};

struct tls_slot {
    _Alignas(TLS_CACHE_LINE) struct tls_store *store;
};

struct tls_policy {
    atomic_uint references;
    SSL_CTX *context;
    struct tls_tickets *tickets;
    bool strict_sni;
    unsigned char *alpn; /* RFC 7301 ProtocolNameList without its length; NULL: not asked for */
    size_t alpn_length;
    unsigned char demands[32];

    size_t source_count;
    struct tls_source *sources;
    const char **files;
    struct tls_store *current;

    unsigned workers;
    struct tls_slot *slots;
};

/* Reads, parses and verifies one source against the policy. TLS_FILE_UNSTABLE: look again later.
 * TLS_FILE_FAILED: *ret_part and `error` say why; `digest` then is that of the bytes, or zero. */
enum tls_file_status tls_source_load(const struct tls_policy *policy,
                                     const struct tls_source *source, struct tls_credential **ret,
                                     unsigned char digest[32], enum tls_part *ret_part,
                                     struct error *error);

#endif
