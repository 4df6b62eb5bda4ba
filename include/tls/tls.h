/* tls: termination. The contract of the TLS floor; OpenSSL does not show above it.
 *
 * Four things:
 *   policy   what a listener (or a rule's "policy") demands: versions, ciphers, ALPN, tickets. One
 *            SSL_CTX, compiled once per configuration, immutable, counted.
 *   trust    whose certificates a policy takes from clients: CAs and CRLs, renewed likewise.
 *   store    the certificates of a policy: names → credentials (an RSA, an ECDSA, an Ed25519 pair
 *            side by side). Loaded from files, replaced whole when they change, counted.
 *   stream   one terminated connection: the handshake, then a struct stream.
 *
 * Renewal: the control thread loads a new store and hands one reference to each worker through its
 * mailbox; the worker puts it into its own slot of the policy (tls_policy_set_store). A handshake
 * reads only its worker's slot: nothing shared, nothing locked. */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include "base/address.h"
#include "base/error.h"
#include "base/span.h"
#include "config/model.h"
#include "config/problems.h"
#include "inspect/client_cert.h"
#include "io/stream.h"

struct tls_policy;
struct tls_store;
struct tls_trust;
struct tls_staples;
struct tls_ocsp_job;

/* Process-wide start and stop: library version, random state, error strings. */
bool tls_start(struct error *error) MUST_CHECK;
const char *tls_library_version(void); /* "OpenSSL 3.0.17 1 Jul 2025" */

/* Whether the kernel can encrypt for us: "available (AES-128-GCM, …)", or why not. */
const char *tls_kernel(void);

/* --- policy and store (control thread) ------------------------------------------------------- */

/* Compiles the policy and loads its certificates into every worker's slot. Problems (unknown
 * cipher, unreadable file, key that does not match, …) go to `problems` at the paths of the model;
 * so do the warnings: a certificate that has expired or expires within 30 days, a key that is group
 * or world readable. `previous` (may be NULL) is the policy of the same path in the running
 * configuration: its ticket keys are carried over, so that clients go on resuming (a ticket made
 * under other demands, or for other names, is still refused). Without certificates the rest is
 * judged, and *ret is NULL. */
bool tls_policy_compile(struct tls_policy **ret, const struct model_tls *model, unsigned workers,
                        const struct tls_policy *previous, struct problems *problems) MUST_CHECK;
/* Judges what the policy itself says; the files that it names are not looked at. */
bool tls_policy_judge(const struct model_tls *model, struct problems *problems) MUST_CHECK;
struct tls_policy *tls_policy_ref(struct tls_policy *policy);
void tls_policy_unref(struct tls_policy *policy); /* accepts NULL; any thread */

/* Where the configuration has it: "listeners.combined.tls". */
const char *tls_policy_path(const struct tls_policy *policy);

/* From one process to the next, on one host: the keys of session tickets that are kept in memory,
 * as bytes; none (0) where there are no tickets, the keys are in a file, or `size` is too small.
 * What is no such bytes is passed over. */
size_t tls_policy_copy_ticket_keys(const struct tls_policy *policy, unsigned char *ret,
                                   size_t size);
void tls_policy_take_ticket_keys(struct tls_policy *policy, const unsigned char *keys,
                                 size_t length);

/* Files to watch for watch_start(), and to refresh from: those of the certificates, none with
 * "watch": false. A NULL-terminated list owned by the policy. */
const char *const *tls_policy_files(const struct tls_policy *policy);

/* Looks whether the files differ from what is loaded and, where they do, loads and verifies them:
 * parses, the key matches, each certificate signs the one before, not expired, holds the same
 * names as before. It is the content that counts: a touched file is the same.
 *
 * Each pair stands for itself: a bad one keeps its old credential and does not hold up the others.
 * So one look may have several things to tell, and each call tells one; call again until
 * TLS_REFRESH_SAME:
 *   TLS_REFRESH_NEW      *ret is a store with one reference: the good new pairs, the rest as before
 *   TLS_REFRESH_REFUSED  `error` has the reason; told once per state of the files
 *   TLS_REFRESH_SAME     nothing (more) to tell, or a file is being written to at this moment
 * Control thread only. */
enum tls_refresh { TLS_REFRESH_SAME, TLS_REFRESH_NEW, TLS_REFRESH_REFUSED };
enum tls_refresh tls_policy_refresh(struct tls_policy *policy, struct tls_store **ret,
                                    struct error *error);

/* Likewise for the CAs and CRLs of client_auth, which are one thing: *ret is all of it anew. */
enum tls_refresh tls_policy_refresh_trust(struct tls_policy *policy, struct tls_trust **ret,
                                          struct error *error);
struct tls_trust *tls_trust_ref(struct tls_trust *trust);
void tls_trust_unref(struct tls_trust *trust); /* accepts NULL; any thread */
void tls_trust_describe(const struct tls_trust *trust, char *ret, size_t size); /* for the log */

/* Likewise for the file of ticket keys; TLS_REFRESH_NEW: its *ret_count keys are in use already. */
enum tls_refresh tls_policy_refresh_tickets(struct tls_policy *policy, size_t *ret_count,
                                            struct error *error);

/* Likewise for the OCSP responses of ocsp_staple: those of the file, and those that were fetched
 * meanwhile. TLS_REFRESH_NEW: *ret is all of them, error->text says how many. */
enum tls_refresh tls_policy_refresh_staples(struct tls_policy *policy, struct tls_staples **ret,
                                            struct error *error);
struct tls_staples *tls_staples_ref(struct tls_staples *staples);
void tls_staples_unref(struct tls_staples *staples); /* accepts NULL; any thread */

/* The certificates stay as they are loaded: what their files hold now is not taken, whatever else
 * changes, until it is something else. The first file that is passed over by this; NULL: none is
 * other than what is loaded. */
const char *tls_policy_pass_over(struct tls_policy *policy);

/* Fetching: in how many seconds (0: now) tls_policy_ocsp_job() or tls_policy_refresh_staples() has
 * something to do; negative: never as things are. */
double tls_policy_staples_due(const struct tls_policy *policy);
/* A response that is to be fetched now; NULL: none. It goes back with tls_policy_ocsp_done(), run
 * or not, which frees it and keeps what is good of it for the next refresh. */
struct tls_ocsp_job *tls_policy_ocsp_job(struct tls_policy *policy);
void tls_policy_ocsp_done(struct tls_policy *policy, struct tls_ocsp_job *job);
/* What was fetched for another policy, for the same certificates of this one. */
void tls_policy_ocsp_share(struct tls_policy *policy, const struct tls_ocsp_job *job);
/* Fetches, on any thread; blocks, for 10 s beside the look-up of the name, or until stop_fd is
 * readable. */
void tls_ocsp_job_run(struct tls_ocsp_job *job, int stop_fd);
void tls_ocsp_job_free(struct tls_ocsp_job *job); /* accepts NULL */

struct tls_store *tls_store_ref(struct tls_store *store);
void tls_store_unref(struct tls_store *store); /* accepts NULL; any thread */

/* For the log line after a renewal, of the pairs that were loaded for this store: "gw.example.com,
 * serial 1F, not after 2026-12-01 (and 2 more)". */
void tls_store_describe(const struct tls_store *store, char *ret, size_t size);

/* What becomes of the OCSP response of a certificate. */
struct tls_ocsp_state {
    bool wanted;            /* by "ocsp_staple"; if not, nothing else is said */
    bool stapled;           /* clients that ask for one get one */
    const char *url, *file; /* whom it is fetched from, or what it is read from; both NULL: the
                               certificate names nobody to ask */
    int64_t produced_at, this_update, next_update; /* seconds since 1970; where it is stapled */
    const char *last_error; /* why there is no newer one; NULL: nothing went wrong since the last */
};

/* One certificate that is served now, or shown to servers; texts and names live until the call
 * returns. */
struct tls_certificate {
    char *const *names; /* normal form */
    size_t name_count;
    const char *title; /* the first name, or what stands for it */
    const char *file;
    char serial[64]; /* hexadecimal */
    char fingerprint_sha256[65];
    int64_t not_before, not_after; /* seconds since 1970 */
    struct tls_ocsp_state ocsp;
};
/* Control thread. */
void tls_policy_each_certificate(const struct tls_policy *policy,
                                 void (*each)(void *context, const struct tls_certificate *shown),
                                 void *context);

/* --- worker side ----------------------------------------------------------------------------- */

/* Puts `store` into this worker's slot (takes over one reference), drops the one that was there. */
void tls_policy_set_store(struct tls_policy *policy, unsigned worker, struct tls_store *store);
void tls_policy_set_trust(struct tls_policy *policy, unsigned worker, struct tls_trust *trust);
void tls_policy_set_staples(struct tls_policy *policy, unsigned worker,
                            struct tls_staples *staples);

/* Starts the server side of a handshake on a connected socket whose ClientHello still is in the
 * kernel. `expected_sni` is the normal form that picked the rule, NULL for none: the handshake's
 * own view must be the same, or it is refused with a fatal alert; it is copied. On success the
 * stream owns fd; on failure nothing was taken. The policy must outlive the stream. */
bool tls_accept(struct stream *ret, struct tls_policy *policy, unsigned worker, int fd,
                const char *expected_sni, struct error *error) MUST_CHECK;

enum tls_progress { TLS_DONE, TLS_AGAIN, TLS_FAILED, TLS_CLIENT_CLOSED, TLS_CLIENT_RESET };
/* Goes on with the handshake. TLS_AGAIN: wait for stream.read_waits. TLS_FAILED: an alert was sent
 * where one is due; stream_fault() has the reason in a person's words. After TLS_DONE ask
 * stream_pending(): the client's first bytes may already be inside. */
enum tls_progress tls_handshake(struct stream *stream); /* of either side; "client": the peer */

/* Reads what the socket holds while the handshake waits for its turn, so that it is not announced
 * again. false: nothing was read. */
bool tls_fetch(const struct stream *stream);

/* Session tickets are held back for the server's first answer, where the client's first bytes have
 * come with the handshake: sends them now. */
void tls_flush(const struct stream *stream);

/* Facts of a finished handshake. Spans and strings live as long as the stream. */
struct tls_facts {
    const char *version; /* "TLSv1.3" */
    const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
    struct span alpn;    /* negotiated; empty: none */
    bool resumed;
    /* The client's certificate; NULL: it gave none, or was not asked. It always is a verified one,
     * whether in this handshake or in the one that is resumed: any other ends the handshake. */
    const struct client_cert *client_cert;
};
void tls_get_facts(const struct stream *stream, struct tls_facts *ret);

/* Our own certificate on a finished handshake, as PROXY v2 names such things (§2.2.5): its key,
 * "RSA2048", "EC256" or "ED25519", and what it was signed with, "RSA-SHA256". On a resumption,
 * which shows none, it is one that the name has. Empty and NULL where not known. */
#define TLS_KEY_ALGORITHM_MAX 24
struct tls_served {
    char key_algorithm[TLS_KEY_ALGORITHM_MAX];
    const char *signature_algorithm;
};
void tls_get_served(const struct stream *stream, struct tls_served *ret);

/* SHA-256, for fingerprints (client_hello_ja4()). */
void tls_sha256(const void *bytes, size_t length, unsigned char digest[32]);

/* A fatal alert record for a connection on which no handshake was started (a malformed hello):
 * seven bytes. */
size_t tls_alert_record(unsigned char room[7], unsigned char description);

#endif
