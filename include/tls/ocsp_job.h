/* ocsp_job: one OCSP response that is being fetched. For the TLS floor; floors above see it as an
 * opaque thing (tls.h).
 *
 * Made and read on the control thread, run on any other; never by two at once. */
#ifndef TLS_OCSP_JOB_H
#define TLS_OCSP_JOB_H

#include "tls/ocsp.h"
#include "tls/tls.h"

/* Takes a reference to the credential, copies the address. */
bool tls_ocsp_job_create(struct tls_ocsp_job **ret, struct tls_credential *credential,
                         const char *url, struct error *error) MUST_CHECK;

const struct tls_credential *tls_ocsp_job_credential(const struct tls_ocsp_job *job);

/* What came, unchecked, borrowed; false: `error` says why nothing did. */
bool tls_ocsp_job_response(const struct tls_ocsp_job *job, struct span *ret, struct error *error);

#endif
