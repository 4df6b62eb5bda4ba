/* endpoints: where the admin interface of one configuration listens, and its token.
 *
 * Opened by the control thread, in two steps around the dropping of privileges; then immutable and
 * counted. What two configurations have in common is kept open from one to the next. */
#ifndef ADMIN_ENDPOINTS_H
#define ADMIN_ENDPOINTS_H

#include "base/error.h"
#include "config/model.h"
#include "config/problems.h"

struct endpoints;

/* One socket that listens. Counted, shared by the configurations that have it. */
struct endpoint;

/* What a start would fail on, and what is suspicious, at the places of the file: of `token_file`.
 * No socket is opened. */
void endpoints_check(const struct model_admin *model, struct problems *problems);

/* Opens what `previous` (may be NULL) does not have. Without the key in the file: no endpoints, and
 * that is no failure. `user` and `group` are to own the socket; NULL leaves it as it is. */
bool endpoints_open(struct endpoints **ret, const struct model *model,
                    const struct endpoints *previous, struct error *error) MUST_CHECK;

/* As the user who will have to read it again on a reload. */
bool endpoints_read_token(struct endpoints *endpoints, const struct model_admin *model,
                          struct error *error) MUST_CHECK;

struct endpoints *endpoints_ref(struct endpoints *endpoints);
void endpoints_unref(struct endpoints *endpoints); /* accepts NULL; any thread */

/* "unix:/run/muxgate/admin.sock, 127.0.0.1:9019" for the log; "" for none. */
void endpoints_describe(const struct endpoints *endpoints, char *ret, size_t size);

#endif
