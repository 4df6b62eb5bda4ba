/* proxy_out: the PROXY header with which a server is told whose session this is. */
#ifndef SESSION_PROXY_OUT_H
#define SESSION_PROXY_OUT_H

#include "session/session.h"

/* Puts it, as the pool wants it, in front of everything that the relay holds for the server. The
 * received fields that were kept for it are freed. False: out of memory. */
bool proxy_out_put(struct session *s) MUST_CHECK;

#endif
