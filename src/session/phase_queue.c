/* QUEUE: every server that could serve the session is at its max_sessions; it waits for a slot.
 *
 * The slot is granted under the pool's lock by whoever gives one back, mostly on another worker,
 * and comes by mail. Until then the client's bytes stay in the kernel. That they lie there must not
 * keep the loop awake: SO_RCVLOWAT is kept above what is there, so that readiness means more bytes
 * or the end. A client that finishes while it waits has left: a slot kept for it would be lost on
 * the others. One that had finished before is waiting for an answer, and keeps its place. */
#include "io/mailbox.h"
#include "session/session.h"

#include <stdlib.h>
#include <sys/ioctl.h>

struct waiting {
    struct pool_waiter waiter;
    struct mail mail;
    struct mailbox *mailbox; /* of the session's worker */
    struct session *session; /* NULL: has ended, and only the mail is still to come */
    bool delivered;
    bool finished; /* the client, before it began to wait: nothing is left to be seen of it */
};

/* In the session's worker: the slot is there. */
static void deliver(struct mail *mail, void *owner)
{
    (void)owner;
    struct waiting *w = CONTAINER_OF(mail, struct waiting, mail);
    if (w->session == NULL) {
        free(w);
        return;
    }
    w->delivered = true;
    session_take_turn(w->session);
}

/* In any thread. */
static void granted(struct pool_waiter *waiter)
{
    struct waiting *w = CONTAINER_OF(waiter, struct waiting, waiter);
    mailbox_send(w->mailbox, &w->mail);
}

static struct waiting *create(struct session *s)
{
    struct notes *notes = session_notes(s);
    struct waiting *w = notes == NULL ? NULL : calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->waiter.key = connect_key(s);
    w->waiter.tried = notes->tries == NULL ? NULL : notes->tries->servers;
    w->waiter.tried_count = notes->tries == NULL ? 0 : notes->tries->count;
    w->waiter.granted = granted;
    w->mail.deliver = deliver;
    w->mailbox = s->engine->args.mailbox;
    w->session = s;
    return w;
}

bool phase_queue_join(struct session *s)
{
    struct pool *pool = connect_pool(s);
    struct waiting *w = pool_model(pool)->queue_max == 0 ? NULL : create(s);
    if (w == NULL)
        return false;
    switch (pool_wait(pool, &w->waiter)) {
    case POOL_WAIT_QUEUED:
        s->notes->waiting = w;
        return true;
    case POOL_WAIT_GRANTED:
        s->chosen = w->waiter.server;
        break;
    case POOL_WAIT_REFUSED:
        break;
    }
    free(w);
    return s->chosen != NULL;
}

void phase_queue_leave(struct session *s)
{
    struct waiting *w = s->notes == NULL ? NULL : s->notes->waiting;
    if (w == NULL)
        return;
    s->notes->waiting = NULL;
    w->session = NULL;
    if (pool_leave(connect_pool(s), &w->waiter))
        free(w);
    else
        server_release(w->waiter.server); /* the mail is on its way, and frees */
}

/* --- the client meanwhile --------------------------------------------------------------------- */

static void say_goodbye(struct session *s)
{
    bool reset = socket_connect_result(s->client.fd) != 0;
    session_fail(s, reset ? END_client_reset : END_client_closed, "waiting for a server");
}

/* Nothing is taken out of the kernel. */
static void look_at_client(struct session *s)
{
    int pending = 0;
    if (socket_peer_finished(s->client.fd)) {
        say_goodbye(s);
        return;
    }
    (void)ioctl(s->client.fd, FIONREAD, &pending);
    if (pending <= (int)s->peeked && pending > 0) { /* awake without reason: see peek.c */
        s->resting = true;
        return;
    }
    s->peeked = (uint32_t)pending;
    s->low_water = true;
    socket_set_low_water(s->client.fd, (size_t)pending + 1);
}

int phase_queue_watches(const struct session *s)
{
    return s->resting || s->notes->waiting->finished ? 0 : EV_READ;
}

/* --- the phase -------------------------------------------------------------------------------- */

void phase_queue_begin(struct session *s)
{
    struct waiting *w = s->notes->waiting;
    session_set_deadline(s, pool_model(connect_pool(s))->queue_timeout_ms);
    s->peeked = 0;
    w->finished = s->relay.lane[DIRECTION_UP].ended || socket_peer_finished(s->client.fd);
    if (!w->finished)
        look_at_client(s);
    else if (socket_connect_result(s->client.fd) != 0)
        session_fail(s, END_client_reset, "waiting for a server");
}

void phase_queue_step(struct session *s, int client_events, int server_events)
{
    (void)client_events;
    (void)server_events;
    struct waiting *w = s->notes->waiting;
    if (!w->delivered) {
        look_at_client(s);
        return;
    }
    s->notes->waiting = NULL;
    s->chosen = w->waiter.server;
    free(w);
    peek_done(s);
    session_enter(s, PHASE_CONNECT);
}

void phase_queue_expire(struct session *s)
{
    session_end(s, END_queue_timeout);
}
