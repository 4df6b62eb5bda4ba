/* health_check: one check of one server: connects, says a PROXY header that names nobody where the
 * pool speaks PROXY, shakes hands and talks where its type does, and closes so that the server sees
 * a FIN and never a reset.
 *
 * One at a time per struct, on one loop. Counts nothing and decides nothing: that is health.c. */
#ifndef POOL_HEALTH_CHECK_H
#define POOL_HEALTH_CHECK_H

#include "base/address.h"
#include "config/model.h"
#include "health_talk.h"
#include "io/stream.h"
#include "tls/client.h"

#include <ev.h>

enum check_result {
    CHECK_GOOD,
    CHECK_BAD,     /* the server's fault, as far as can be told */
    CHECK_UNKNOWN, /* ours: no descriptor, no memory, no port */
};

enum check_step { CHECK_IDLE, CHECK_CONNECTING, CHECK_SECURING, CHECK_TALKING, CHECK_CLOSING };

struct check;

/* `reason` says what went wrong (or "connected"), valid during the call. The check may go on
 * closing; check_done follows. */
typedef void check_told(struct check *check, enum check_result result, const char *reason);
typedef void check_done(struct check *check);

struct check {
    struct ev_loop *loop;
    struct address address;
    uint64_t timeout_ms, linger_ms;
    enum proxy_protocol proxy;
    struct origin source;    /* where from */
    const struct talk *talk; /* borrowed */
    struct tls_client *tls;  /* borrowed; NULL: no handshake */
    const char *host;        /* the server's, for TLS; NULL: it has none */
    check_told *on_result;
    check_done *on_done;

    /* the check's own */
    enum check_step step;
    struct stream stream;
    ev_io io;
    ev_timer timer;
    size_t said, discarded;
    struct buffer heard;
};

/* Fills all but the check's own fields beforehand. */
void check_init(struct check *check);

/* Idle only. Both calls may come before it returns. */
void check_begin(struct check *check);

/* Stops at once; no call follows. */
void check_cancel(struct check *check);

static inline bool check_is_idle(const struct check *check)
{
    return check->step == CHECK_IDLE;
}

/* Begun, and its result not yet told. */
static inline bool check_is_open(const struct check *check)
{
    return check->step != CHECK_IDLE && check->step != CHECK_CLOSING;
}

#endif
