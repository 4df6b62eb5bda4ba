/* http_head: the head of an HTTP/1 request, as far as it takes to send the client to https (RFC
 * 9112, RFC 9110 §4.2, §7.2). Pure.
 *
 * Strict, as what is passed over here could be read otherwise by somebody else: CRLF only, one
 * blank between the parts of the request line, no folded lines, no control bytes, exactly one Host
 * (none is fine for HTTP/1.0 with an absolute target), a target that names the same host as Host
 * does. What is left cannot break out of the Location that is made of it. */
#ifndef INSPECT_HTTP_HEAD_H
#define INSPECT_HTTP_HEAD_H

#include "base/name.h"
#include "base/text.h"
#include "inspect/verdict.h"

/* A head that is not whole by then is NO. */
#define HTTP_HEAD_MAX (16u * 1024u)

struct http_head {
    size_t length;                  /* with YES: up to and with the empty line */
    const char *reason;             /* with NO; static text */
    char host[NAME_MAX_LENGTH + 1]; /* with YES: in normal form, or "[::1]"; without a port */
    struct span path; /* with YES: path and query, into the bytes; may lack the "/" in front */
};

/* YES, NO or MORE. NO on the first byte that breaks the form; what is only known at the end of the
 * head (Host) is judged there. */
enum verdict http_head_parse(struct http_head *ret, struct span bytes);

/* Adds "https://HOST/PATH", and the whole response (301, no content, the connection is closed).
 * `now` is in seconds since 1970. */
void http_head_add_location(struct text *t, const struct http_head *head);
void http_head_add_redirect(struct text *t, const struct http_head *head, uint64_t now);

#endif
