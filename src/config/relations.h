/* relations: is the file consistent in itself? What one key's value says about another's: names
 * that must exist or be unique, keys that exclude or need each other.
 *
 * Listeners and pools are looked at with their defaults merged in, and without the values whose
 * form is wrong (draft.h). */
#ifndef CONFIG_RELATIONS_H
#define CONFIG_RELATIONS_H

#include "draft.h"
#include "form.h"

struct relations {
    struct form *form;    /* for its path and problems */
    const json_t *merged; /* the file, defaults merged into every listener and pool, pruned */
    json_t *used_pools;   /* owned: an object with a key per pool that a rule names */
    struct locations *locations;
};

/* False when memory is out. */
bool relations_check(struct form *f, const json_t *merged, struct locations *locations) MUST_CHECK;

/* The listener's rules; the form's path is "listeners.NAME". */
void relations_check_rules(struct relations *r, const json_t *listener);

/* A pool's "source", "transparent" and "pass_tlvs"; the form's path is "pools.NAME". */
void relations_check_origin(struct form *f, const json_t *pool);
/* The pool's "tls"; the form's path is "pools.NAME". */
void relations_check_pool_tls(struct form *f, const json_t *pool);

/* Rules that pass TLS on to pools with "tls"; the form's path is "listeners.NAME". */
void relations_check_double_tls(struct relations *r, const json_t *listener);

/* The pool's health check; the form's path is "pools.NAME". */
void relations_check_health(struct form *f, const json_t *pool);

/* Keys of a pool that do nothing together; the form's path is "pools.NAME". */
void relations_warn_of_balance(struct relations *r, const json_t *pool);

/* The lowest version above the highest? The form's path is the policy's. */
void relations_check_versions(struct relations *r, const json_t *tls);

/* What `own` (the tls or policy at the form's path) says of clients' certificates, as it stands in
 * `tls`, which has the listener's merged in. */
void relations_check_client_auth(struct relations *r, const json_t *tls, const json_t *own);

/* Likewise of session tickets. */
void relations_check_tickets(struct relations *r, const json_t *tls, const json_t *own);

/* Nested rules that ask for names of clients which are asked for none. The form's path is that of
 * `rule`, the outer one; `tls` is the listener's. */
void relations_warn_client_cert(struct relations *r, const json_t *tls, const json_t *rule);

#endif
