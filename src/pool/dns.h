/* dns: asks a name server, never blocking (c-ares). Control thread only. */
#ifndef POOL_DNS_H
#define POOL_DNS_H

#include "resolve.h"

struct ev_loop;
struct dns;

/* Asks the pool's servers, or where it names none the system's (resolv.conf, hosts). */
bool dns_create(struct dns **ret, const struct model_pool *pool, struct error *error) MUST_CHECK;

/* Questions under way are dropped: nobody is told. Accepts NULL. Not from within dns_done. */
void dns_free(struct dns *dns);

struct dns_answer {
    const char *failure;           /* a short text; NULL: the list holds at least one address */
    const struct found_list *list; /* settled */
    uint32_t ttl_s;                /* 0: not to be kept, or not told */
};

/* Valid during the call; may come before dns_ask() returns. */
typedef void dns_done(void *context, const struct dns_answer *answer);

/* A name's addresses, or an SRV name's servers and their addresses. */
bool dns_ask(struct dns *dns, const struct model_address *what, dns_done *on_done,
             void *context) MUST_CHECK; /* false: memory */

/* From now on driven by this loop ... */
void dns_attach(struct dns *dns, struct ev_loop *loop);

/* ... or, not attached, until all questions are answered or the time is over. */
void dns_wait(struct dns *const *all, size_t count, uint64_t at_most_ms);

const char *dns_library(void); /* c-ares' version */

#endif
