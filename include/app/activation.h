/* activation: listening sockets that the service manager has opened (socket activation,
 * sd_listen_fds(3)).
 *
 * A `bind` whose address is that of such a socket takes it. It is one for all workers, who take
 * connections from its one queue, and it stays the manager's: what waits in it when the process
 * ends is served by the next one. */
#ifndef APP_ACTIVATION_H
#define APP_ACTIVATION_H

#include "session/acceptor.h"

/* Are there any? */
bool activation_expects(void);

/* *bindings: NULL, and stays so where there are none. Reads LISTEN_PID, LISTEN_FDS and
 * LISTEN_FDNAMES, and takes them out of the environment. What is no listening stream socket is
 * closed, and told as an event. */
bool activation_take(struct bindings **bindings, unsigned workers, struct error *error) MUST_CHECK;

/* Tells which of `given` nobody has in `used`: clients of such a socket would wait for ever. */
void activation_report_unused(const struct bindings *given, const struct bindings *used);

#endif
