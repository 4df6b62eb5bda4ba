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

/* A UNIX socket that was kept gets its new rights: as the last step that may fail, as it is in
 * force at once. */
bool endpoints_set_rights(const struct endpoints *endpoints, const struct model *model,
                          struct error *error) MUST_CHECK;

/* Would it go on with the one of `previous` (may be NULL)? */
bool endpoints_keep_http(const struct endpoints *previous, const struct model_admin *model);
bool endpoints_keep_local(const struct endpoints *previous, const struct model_admin *model);

/* Whether those of `endpoints` that `kept` does not have could be opened again once they are
 * closed, as far as rights go. */
bool endpoints_may_return(const struct endpoints *endpoints, const struct endpoints *kept,
                          struct error *error) MUST_CHECK;

/* As the user who will have to read it again on a reload. */
bool endpoints_read_token(struct endpoints *endpoints, const struct model_admin *model,
                          struct error *error) MUST_CHECK;

/* The token of a configuration that ran before, in place of what its file holds now. */
bool endpoints_copy_token(struct endpoints *endpoints, const struct endpoints *from,
                          struct error *error) MUST_CHECK;

struct endpoints *endpoints_ref(struct endpoints *endpoints);
void endpoints_unref(struct endpoints *endpoints); /* accepts NULL; any thread */

/* For a process that is replaced by another: what it has open passes from one to the other.
 * endpoints_socket(): the descriptor and its text of the UNIX socket (`local`) or HTTP; -1: there
 * is none. endpoints_inherit() adds it to those in `ret` (NULL: none yet), and takes the descriptor
 * over, on failure, too. The UNIX path is the new one's to remove from endpoints_take_over() on,
 * and the old one's no more from endpoints_hand_over() on. */
int endpoints_socket(const struct endpoints *endpoints, bool local, const char **ret_text);
bool endpoints_inherit(struct endpoints **ret, bool local, const char *text, int fd,
                       struct error *error) MUST_CHECK;
void endpoints_take_over(struct endpoints *endpoints);
void endpoints_hand_over(struct endpoints *endpoints);
bool endpoints_create_none(struct endpoints **ret) MUST_CHECK;

#endif
