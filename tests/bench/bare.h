/* bare: the way of a byte through the featureless forwarder, from the first byte to the close.
 *
 * Its reason is to be the limit: no rules, timers, logs or limits, one server, one hop. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include "leg.h"

#include <stdint.h>

struct bare {
    struct events events;
    struct watch listener;
    SSL_CTX *tls; /* owned; NULL: TLS clients are reset */
    uint16_t server_port;
    bool splice;               /* plain bytes move through pipes from the first one on */
    struct bare_session *dead; /* freed when the batch of events is through */
};

/* Takes over a freshly accepted client. */
void bare_session_start(struct bare *bare, int fd);

/* Frees what ended in the batch: for events.after, with the struct bare as context. */
void bare_bury(void *bare);

#endif
