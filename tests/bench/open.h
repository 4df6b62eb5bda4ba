/* open: brings up all sessions of a mode, a bounded number of them at the same time. */
#ifndef BENCH_OPEN_H
#define BENCH_OPEN_H

#include "client.h"
#include "load.h"

/* Creates load->clients, opens each and has it make one exchange by first_exchange(). Returns with
 * all of them open; one that fails ends the program. */
void open_all(struct load *load, void (*first_exchange)(struct client *client));

#endif
