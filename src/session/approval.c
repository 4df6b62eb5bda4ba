/* A server of TLS 1.3 judges our certificate when the handshake is over for us, and the client's
 * first bytes are under way by then. If it turns us away, it has not looked at them, and another
 * server may be tried as after a refused connection. So they are kept, where a server has asked who
 * we are: up to APPROVAL_KEPT_MAX of them, until it sends bytes or a ticket, and for
 * connect_timeout at most. */
#include "proxy_out.h"
#include "tls/client.h"

bool approval_is_due(const struct session *s)
{
    const struct tries *tries = connect_tries(s);
    return tries != NULL && tries->on_approval;
}

void approval_end(struct session *s)
{
    server_note_connected(s->chosen);
    connect_forget_tries(s);
    proxy_out_forget(s);
}

/* What another server was sent goes out once more, in front of all else. */
static bool send_again(struct session *s)
{
    struct tries *tries = connect_tries(s);
    return tries == NULL || buffer_length(&tries->kept) == 0 ||
           buffer_append(&s->relay.lane[DIRECTION_UP].held, buffer_span(&tries->kept));
}

bool approval_begin(struct session *s)
{
    bool open = !stream_is_plain(&s->server) && tls_is_on_approval(&s->server) &&
                connect_make_tries(s) != NULL;
    if (connect_tries(s) != NULL)
        connect_tries(s)->on_approval = open;
    if (!send_again(s))
        session_fail(s, END_internal, "out of memory");
    return open;
}

/* Where they are more than fit the scratch, it has been read into more than once. */
void approval_keep(struct session *s, uint64_t moved)
{
    struct buffer *kept = &connect_tries(s)->kept;
    if (moved == 0)
        return;
    if (moved > APPROVAL_KEPT_MAX - buffer_length(kept) ||
        !buffer_append(kept, span_of(s->engine->scratch, (size_t)moved)))
        approval_end(s);
}

void approval_look(struct session *s)
{
    if (s->relay.lane[DIRECTION_DOWN].bytes > 0 || !tls_is_on_approval(&s->server))
        approval_end(s);
}

bool approval_try_another(struct session *s)
{
    if (!approval_is_due(s) || s->relay.lane[DIRECTION_DOWN].bytes > 0 ||
        !tls_was_turned_away(&s->server))
        return false;
    struct relay_lane *up = &s->relay.lane[DIRECTION_UP];
    relay_release(&s->relay, s->engine->pipes);
    up->refused = up->finished = false; /* that was this server */
    connect_tries(s)->on_approval = s->settled = false;
    connect_try_another(s, "tls", stream_fault(&s->server));
    return true;
}
