/* explain: `muxgate -c FILE explain …`: which rule would take a connection, and why. Offline: no
 * socket is opened, no name looked up, no certificate read. */
#ifndef APP_EXPLAIN_H
#define APP_EXPLAIN_H

#include "app/options.h"

/* Prints the account on stdout and returns the exit status: 0 a rule takes it, 3 none does, 1 the
 * configuration has errors (printed already) or memory is out, 2 what was asked makes no sense.
 * With the last two the error may say why. */
int explain_command(const struct options *options, struct error *error);

#endif
