/* keepalive: how a TCP connection is kept under watch (tcp(7)); `user_timeout_ms` is
 * TCP_USER_TIMEOUT. */
#ifndef BASE_KEEPALIVE_H
#define BASE_KEEPALIVE_H

#include <stdbool.h>
#include <stdint.h>

struct keepalive {
    bool on;
    uint64_t idle_ms, interval_ms, user_timeout_ms;
    unsigned count;
};

#endif
