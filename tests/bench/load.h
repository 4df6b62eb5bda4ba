/* load: what the load generator was asked for, what it counts, and the modes it has.
 *
 * Every mode runs in two parts. Preparing opens what must be there before anything is measured
 * (sessions, a ticket, warm caches); then "ready" is printed, and "go" awaited on stdin, so that
 * whoever measures can read the gateway's clocks in between. After the result the mode holds its
 * sessions until stdin ends, so that closing them is not measured either. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "events.h"
#include "samples.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load {
    uint16_t port;
    SSL_CTX *tls;         /* owned; NULL: plain */
    bool resume;          /* each TLS connection begins with a ticket of the one before it */
    const char *name;     /* SNI; NULL: none */
    uint8_t sources;      /* connect from 127.0.0.1 to 127.0.0.N in turn */
    unsigned sessions;    /* at the same time */
    uint64_t count;       /* units of work to be done */
    size_t size;          /* of a small message */
    uint64_t interval_ns; /* echo: one message per session and interval; 0: as fast as it goes */
    uint64_t bytes;       /* bulk: moved per unit */
    bool upload;

    struct events events;
    struct watch input; /* stdin */
    bool input_ended;
    struct watch ticker;                 /* echo at a pace */
    struct client *clients;              /* owned; `sessions` of them */
    uint64_t goal, begun, ended, failed; /* units of the part at work */
    uint64_t handshakes, resumed;
    struct samples samples;
    char version[16], cipher[64], group[32]; /* of the first handshake */
};

struct load_mode {
    const char *name;
    void (*prepare)(struct load *load);
    void (*measure)(struct load *load); /* `count` units, or until stdin ends */
};

extern const struct load_mode load_connect, load_echo, load_bulk;

/* Runs the loop until load_stop(), or until all units have ended. Ten seconds without any event end
 * the program. */
void load_run(struct load *load);
void load_stop(struct load *load);

/* Starts counting anew, towards `goal` units. */
void load_begin(struct load *load, uint64_t goal);

/* Whether one more unit is to be begun; it then counts as begun. */
bool load_take(struct load *load);

/* One unit ended: done since `since_ns`, or failed, for a reason that the first one prints. */
void load_done(struct load *load, uint64_t since_ns);
void load_failed(struct load *load, const char *why);

#endif
