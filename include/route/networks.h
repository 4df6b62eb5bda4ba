/* networks: whom a listener lets in by address, and who of them must begin with a PROXY header.
 *
 * Compiled once, then only read, from any thread. */
#ifndef ROUTE_NETWORKS_H
#define ROUTE_NETWORKS_H

#include "base/cidr.h"
#include "config/model.h"

struct networks {
    struct cidr_set *accept_proxy; /* owned; NULL without the key; likewise below */
    struct cidr_set *allow, *deny;
};

enum admission { ADMISSION_GRANTED, ADMISSION_DENIED, ADMISSION_NOT_ALLOWED };

/* False when memory is out; networks_release() it all the same. */
bool networks_compile(struct networks *ret, const struct model_listener *model) MUST_CHECK;
void networks_release(struct networks *n); /* accepts all zero */

/* `client`: the address that counts, behind a PROXY header the client's own. `deny` is asked first;
 * with `allow` everyone else is turned away. */
enum admission networks_admit(const struct networks *n, const struct address *client);

/* Whether a connection from `peer` must begin with a PROXY header. */
bool networks_expect_proxy(const struct networks *n, const struct address *peer);

/* Whether anyone else who begins with one is turned away: only where the listener knows proxies. */
bool networks_guard_proxy(const struct networks *n);

#endif
