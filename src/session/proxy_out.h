/* proxy_out: the PROXY header with which a server is told whose session this is. */
#ifndef SESSION_PROXY_OUT_H
#define SESSION_PROXY_OUT_H

#include "session/session.h"

/* Writes it, as the pool wants it, into the worker's scratch; empty where it wants none. */
struct span proxy_out_write(struct session *s);

/* The server is settled: frees the received fields that were kept for its header. */
void proxy_out_forget(struct session *s);

/* Puts it, as the pool wants it, in front of everything that the relay holds for the server. False:
 * out of memory. */
bool proxy_out_put(struct session *s) MUST_CHECK;

#endif
