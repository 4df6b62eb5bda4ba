/* guard: who may ask for what (SPEC §5). Pure: the words of a request in, an answer out.
 *
 * A page in a browser may be led to an address of ours under its own name (DNS rebinding), or may
 * send a request to us by its own form: the Host must be one of ours, and so must the Origin of a
 * request that changes something. */
#ifndef ADMIN_GUARD_H
#define ADMIN_GUARD_H

#include "base/span.h"

/* An IP address, localhost, or one of `hosts` (normal form), each with or without a port. NULL: no
 * Host was sent, which is no. */
bool guard_knows_host(const char *host, char *const *hosts, size_t host_count);

/* No Origin (no browser), or that of a page of ours: http or https and the Host itself. */
bool guard_is_same_origin(const char *origin, const char *host);

/* "Bearer TOKEN". Takes as long whatever the client sent. */
bool guard_has_token(const char *authorization, const char *token);

#endif
