/* echo: a small TCP server on loopback that sends back what it gets; a thread of its own. */
#ifndef APP_ECHO_H
#define APP_ECHO_H

#include "base/address.h"
#include "base/error.h"

struct echo;

bool echo_start(struct echo **ret, struct error *error) MUST_CHECK;
const struct address *echo_address(const struct echo *echo);
void echo_stop(struct echo *echo); /* accepts NULL */

#endif
