/* dns_ttl: how long a DNS message's answers hold (RFC 1035 §4.1). c-ares tells it of addresses, but
 * not of SRV records. Pure and total. */
#ifndef POOL_DNS_TTL_H
#define POOL_DNS_TTL_H

#include "base/span.h"

/* Seconds; the least of all answers. false: there is none, or the message is cut short. */
bool dns_least_ttl(struct span message, uint32_t *ret);

#endif
