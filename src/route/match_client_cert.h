/* match_client_cert: the names of a client as a rule asks for them. */
#ifndef ROUTE_MATCH_CLIENT_CERT_H
#define ROUTE_MATCH_CLIENT_CERT_H

#include "match.h"

/* Reads the names that the model asks for. On false there is an error in the problems. */
bool match_client_cert_compile(struct match *match, struct problems *problems) MUST_CHECK;
void match_client_cert_release(struct match *match);

/* `cert` NULL: the client has shown none. */
bool match_client_cert_ask(const struct match *match, const struct client_cert *cert);

/* As match_covers(), and what that costs. */
uint64_t match_client_cert_cover_cost(const struct match *wide, const struct match *narrow);
bool match_client_cert_covers(const struct match *wide, const struct match *narrow);

#endif
