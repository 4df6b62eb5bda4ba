/* stapling: which certificates of a policy have an OCSP response, and when the next is to be had.
 * For the TLS floor only; control thread. */
#ifndef TLS_STAPLING_H
#define TLS_STAPLING_H

#include "config/problems.h"
#include "tls/staples.h"
#include "tls/store.h"
#include "tls/tls.h"

#define TLS_PLAN_NEVER UINT64_MAX

/* One certificate. */
struct tls_plan {
    struct tls_credential *credential; /* counted */
    struct tls_staple *staple;         /* counted; NULL: none */
    char *url;                         /* owned; NULL: nobody to ask */
    uint64_t due_us;                   /* monotonic; when to ask; TLS_PLAN_NEVER */
    unsigned failures;                 /* in a row */
    bool asked;                        /* a job is under way */
    char *told;                        /* owned; the failure that was reported last, since there
                                          was a response; NULL: none */
};

struct tls_stapling {
    bool automatic, watch;
    char *file;      /* owned; NULL: none */
    char *file_told; /* as of a plan */
    unsigned char file_digest[32];
    struct tls_store *of;   /* counted; whose certificates the plans are for */
    struct tls_plan *plans; /* sorted by the credentials' digests */
    size_t count;
    bool changed;           /* the set is not what the plans say */
    struct error *failures; /* owned; to be told */
    size_t failure_count, failure_next;
    struct tls_staples *current; /* counted; NULL: nothing is stapled */
};

/* Fills an empty struct for the certificates of `store`; `previous` (may be NULL) is taken over
 * from where it has the same certificates. Reports at path.ocsp_staple. */
bool tls_stapling_compile(struct tls_stapling *ret, const struct model_tls *model,
                          struct tls_store *store, const struct tls_stapling *previous,
                          struct problems *problems) MUST_CHECK;
/* Where there are no certificates to ask of: is the file one? Returns false. */
bool tls_stapling_judge(const struct model_tls *model, struct problems *problems);
void tls_stapling_release(struct tls_stapling *stapling); /* accepts {0} */

/* Looks at the file and at the certificates of `store`, and tells one thing, as
 * tls_policy_refresh_staples(). */
enum tls_refresh tls_stapling_refresh(struct tls_stapling *stapling, struct tls_store *store,
                                      struct tls_staples **ret, struct error *error);

/* --- for asking (stapling_ask.c) -------------------------------------------------------------- */

/* The first plan of this credential; those that hold the same follow it. NULL: none. */
struct tls_plan *tls_stapling_find(const struct tls_stapling *stapling,
                                   const unsigned char *digest);
/* Takes a reference over; NULL: it has none from now on. */
void tls_stapling_set(struct tls_stapling *stapling, struct tls_plan *plan,
                      struct tls_staple *staple);
/* Each failure is told once, until it was another or none. */
void tls_stapling_note(struct tls_stapling *stapling, char **told, const struct error *reason);
/* It counts no more. */
void tls_stapling_forget(char **told);
/* What a line that says that there is no response ends with. */
const char *tls_plan_insists(const struct tls_plan *plan);

#endif
