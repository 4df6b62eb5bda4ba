/* server: one server's live state, shared by every set that has it and every session on it. */
#ifndef POOL_SERVER_H
#define POOL_SERVER_H

#include "evidence.h"
#include "pool/pool.h"

#include <pthread.h>
#include <stdatomic.h>

/* Of the control thread alone. */
struct server_checks {
    unsigned good, bad; /* in a row; one of them is 0 */
    uint64_t due_us;    /* of the next check, on the monotonic clock; 0: never checked */
};

/* Likewise: what the configuration last said, and what an operator said since. */
struct server_wishes {
    bool published; /* the rest holds */
    enum server_state configured_state;
    unsigned configured_weight;
    bool has_weight; /* an operator set one */
    unsigned weight;
};

struct pool_core;

struct server {
    atomic_uint references;
    atomic_uint sessions;
    atomic_bool up;
    _Atomic enum server_state state;
    _Atomic uint64_t returned_us; /* monotonic; 0: was there from the beginning */
    struct pool_core *core;       /* counted */
    char *pool_name;
    char *item;                 /* what the configuration calls it, alone or with others */
    char *apart;                /* ITEM/SUFFIX; NULL: was always alone. The control thread's */
    _Atomic(const char *) name; /* the one of the two that counts */
    char *host;                 /* what it is known by; NULL: its address alone */
    struct address address;
    int64_t turn; /* smooth rotation; guarded by the pool's lock */
    struct server_checks checks;
    struct server_wishes wishes;
    uint64_t leaving_since_us; /* the control thread's: gets no new sessions; 0: is not leaving */
    struct evidence evidence;
    pthread_mutex_t error_lock;
    char last_error[SERVER_ERROR_MAX]; /* guarded by error_lock */
};

/* Up, without sessions, one reference. NULL: memory is out. */
struct server *server_create(struct pool_core *core, const char *pool_name, const char *item,
                             const struct pool_address *found);

/* Is it this server of this item? Whether its name has a suffix may change while it lives. Control
 * thread, as the two that follow. */
bool server_is(const struct server *server, const char *item, const struct pool_address *found);

/* The name with this suffix (NULL: without one), which lives as long as the server. It counts from
 * server_call() on. NULL: memory is out. */
const char *server_name_with(struct server *server, const char *suffix);
void server_call(struct server *server, const char *name);

/* One more reference and one more session. */
void server_take(struct server *server);

/* Would take new sessions: up and ready. */
bool server_is_open(const struct server *server);

/* Who comes back this way begins slowly, and whoever waits for a slot may get one. */
void server_set_up(struct server *server, bool up);
void server_set_state(struct server *server, enum server_state state);
void server_begin_leaving(struct server *server);
void server_note_return(struct server *server);
uint64_t server_returned_us(const struct server *server);

/* The weight it would have where the configuration says so much. Control thread. */
unsigned server_weight_for(const struct server *server, unsigned configured);

/* The configuration with these values was taken: they count where they are others than before. */
void server_configure(struct server *server, enum server_state state, unsigned weight);

void server_note_error(struct server *server, const char *what, const char *why);

#endif
