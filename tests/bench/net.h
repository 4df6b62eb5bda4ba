/* net: TCP sockets on loopback. What fails here ends the program: there is nothing to measure. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stdint.h>

/* A non-blocking listening socket on 127.0.0.1, shared with others of the same port. 0: any port.
 */
int net_listen(uint16_t port);
uint16_t net_port(int fd);

/* The next waiting connection, non-blocking and without Nagle's delay; -1: none is waiting. */
int net_accept(int listener);

/* Connected when it returns, non-blocking from then on; from 127.0.0.SOURCE; -1 with errno. */
int net_connect(uint16_t port, uint8_t source);

/* Begun when it returns: the first write may have to wait; -1 with errno. */
int net_connect_begin(uint16_t port);

#endif
