/* client: one connection of the load generator.
 *
 * Opening, handshake and exchange end in on_event(), called from the loop. Within it the client may
 * be given its next work or be closed. After CLIENT_FAILED it is closed already. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "events.h"
#include "wire.h"

#include <stddef.h>
#include <stdint.h>

struct load;

enum client_event { CLIENT_OPENED, CLIENT_ANSWERED, CLIENT_FAILED };

/* What is sent, a head and then so much of the pattern, and what is to come back: the bytes at
 * `answer`, or the pattern where that is NULL. The bytes must outlive the exchange. */
struct exchange {
    const unsigned char *head, *answer;
    uint64_t head_length, body_length, answer_length;
};

struct client {
    struct watch watch;
    struct wire wire;
    struct load *load; /* borrowed */
    void (*on_event)(struct client *client, enum client_event event);
    const char *failure; /* a constant; why it failed */
    enum { CLIENT_IDLE, CLIENT_HANDSHAKES, CLIENT_SENDS, CLIENT_RECEIVES } step;

    struct exchange exchange;
    uint64_t position; /* in what is sent, then in the answer */

    uint32_t number;        /* of this session, given by the mode */
    uint64_t turn;          /* of its echo messages */
    unsigned char *message; /* owned */
    SSL_SESSION *ticket; /* owned; its last one. A ticket serves once: OpenSSL spoils a used one */
    uint64_t started_ns; /* of the unit at work */
    uint64_t due_ns;     /* of the next one, where there is a pace */
};

/* `count` clients, numbered from 0, to be given to client_open(). Never NULL. */
struct client *clients_create(struct load *load, unsigned count,
                              void (*on_event)(struct client *client, enum client_event event));

/* Closes those that are open, and frees. */
void clients_free(struct client *clients, unsigned count);

void client_open(struct client *client);

void client_exchange(struct client *client, struct exchange exchange);

/* An exchange of the echo message of this client's next turn. */
void client_echo(struct client *client);
void client_close(struct client *client);

/* TLS 1.3 as a client that trusts everybody. */
SSL_CTX *client_tls_create(void);

#endif
