/* fetcher: a thread that fetches OCSP responses, one after the other, so that nobody waits. */
#ifndef APP_FETCHER_H
#define APP_FETCHER_H

#include "base/compiler.h"
#include "base/error.h"
#include "tls/tls.h"

struct fetcher;
struct ev_loop;

/* `on_answer` is called on the loop's thread and owns the job, which has run. */
bool fetcher_start(struct fetcher **ret, struct ev_loop *loop,
                   void (*on_answer)(void *context, struct tls_ocsp_job *job), void *context,
                   struct error *error) MUST_CHECK;

/* Takes the job over. Only while no other is under way. */
void fetcher_fetch(struct fetcher *fetcher, struct tls_ocsp_job *job);

/* The job under way is dropped, also one that has run and waits to be told of. Accepts NULL; a
 * thread that is stuck in a look-up is left behind with what it needs. */
void fetcher_stop(struct fetcher *fetcher);

#endif
