/* server: one server's live state, shared by every set that has it and every session on it. */
#ifndef POOL_SERVER_H
#define POOL_SERVER_H

#include "pool/pool.h"

#include <pthread.h>
#include <stdatomic.h>

/* Of the control thread alone. */
struct server_checks {
    unsigned good, bad; /* in a row; one of them is 0 */
    uint64_t due_us;    /* of the next check, on the monotonic clock; 0: never checked */
};

struct server {
    atomic_uint references;
    atomic_uint sessions;
    atomic_bool up;
    char *name, *pool_name;
    struct address address;
    int64_t turn; /* smooth rotation; guarded by the pool's lock */
    struct server_checks checks;
    pthread_mutex_t error_lock;
    char last_error[SERVER_ERROR_MAX]; /* guarded by error_lock */
};

/* Up, without sessions, one reference. NULL: memory is out. */
struct server *server_create(const char *pool_name, const char *name,
                             const struct address *address);
void server_ref(struct server *server);
void server_unref(struct server *server);

/* One more reference and one more session. */
void server_take(struct server *server);

void server_note_error(struct server *server, const char *what, const char *why);

#endif
