/* endpoints: the inside, for the floor. */
#ifndef ADMIN_PRIVATE_ENDPOINTS_H
#define ADMIN_PRIVATE_ENDPOINTS_H

#include "admin/endpoints.h"

#include <stdatomic.h>
#include <sys/types.h>

#define TOKEN_LEAST 16u
#define TOKEN_MOST  1024u

struct endpoint {
    atomic_uint references;
    char *text;             /* as configured: the key over reloads; owned */
    struct address address; /* the actual one */
    bool local;             /* the UNIX socket: every right */
    unsigned mode;
    int fd;       /* owned */
    dev_t device; /* of a UNIX path: what is unlinked must still be ours */
    ino_t inode;
    bool lost; /* a UNIX path that is gone: what lies there now is another's */
};

struct endpoints {
    atomic_uint references;
    struct endpoint *local, *http; /* counted; NULL: not wanted */
    char *token;                   /* owned; NULL: none */
    char **hosts;                  /* owned, normal form */
    size_t host_count;
};

struct endpoint *endpoint_ref(struct endpoint *endpoint);
void endpoint_unref(struct endpoint *endpoint); /* accepts NULL; closes, unlinks */

#endif
