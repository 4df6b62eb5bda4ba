/* policy: the inside of struct tls_policy, shared by its makers and its users. For the TLS floor
 * only. Immutable once compiled, beside what belongs to the control thread (sources, current) and
 * to each worker (its slot). */
#ifndef TLS_POLICY_H
#define TLS_POLICY_H

#include "tls/client_auth.h"
#include "tls/known.h"
#include "tls/origin.h"
#include "tls/stapling.h"
#include "tls/store.h"
#include "tls/ticket_file.h"
#include "tls/tls.h"

#define TLS_CACHE_LINE 64

/* What a look at the files has to tell and has not told yet (see tls_policy_refresh()). */
struct tls_round {
    struct error *refusals; /* owned */
    size_t count, next;
    bool open;        /* end it with TLS_REFRESH_SAME, without another look */
    bool unpublished; /* there are new credentials that no store could be made of */
};

struct tls_slot {
    _Alignas(TLS_CACHE_LINE) struct tls_store *store;
    struct tls_trust *trust;     /* NULL: nothing is asked of clients */
    struct tls_staples *staples; /* NULL: nothing is stapled */
};

struct tls_policy {
    atomic_uint references;
    char *path; /* owned; where the configuration has it */
    SSL_CTX *context;
    struct tls_ticket_source tickets;
    bool strict_sni;
    bool vague; /* not known how strong certificates must be: it is judged, and never served */
    unsigned char *alpn; /* RFC 7301 ProtocolNameList without its length; NULL: not asked for */
    size_t alpn_length;
    unsigned char demands[32];

    size_t origin_count;
    struct tls_origin *origins;
    const char **files;          /* owned list; the texts are the origins' */
    struct tls_known known;      /* while it is compiled; likewise below */
    struct tls_key_reader *keys; /* owned; NULL: there was no memory */
    struct tls_store *current;
    struct tls_round round;
    struct tls_client_auth client_auth;
    struct tls_stapling stapling;

    unsigned workers;
    struct tls_slot *slots;
};

/* Reads, parses and verifies one source against the policy, and notes the stamps of its files.
 * TLS_FILE_UNSTABLE: look again later. TLS_FILE_FAILED: *ret_part and `error` say why; `digest`
 * then is that of the bytes, or zero. */
enum tls_file_status tls_source_load(const struct tls_policy *policy, struct tls_source *source,
                                     struct tls_credential **ret, unsigned char digest[32],
                                     enum tls_part *ret_part, struct error *error);

/* A store of what the sources hold now; marks none of them as changed any more. */
bool tls_policy_make_store(struct tls_policy *policy, struct tls_store **ret,
                           struct error *error) MUST_CHECK;

/* Loads everything that the model's certificates name and makes policy->current of it; what
 * `previous` (may be NULL) has is not parsed again. Reports below model->path; false when there was
 * an error. */
bool tls_policy_load(struct tls_policy *policy, const struct model_tls *model,
                     const struct tls_policy *previous, struct problems *problems) MUST_CHECK;

#endif
