/* STARTTLS: TLS that begins inside another protocol.
 *
 * With the client it belongs to INSPECT: the request is taken from the kernel and answered, and the
 * looking goes on for the hello. With a server (passthrough) it is a phase of its own, between
 * CONNECT and RELAY: not a byte of the client's goes out before the server has agreed to TLS. */
#include "io/socket.h"
#include "session/session.h"

#include <errno.h>
#include <sys/socket.h>

/* --- with the client -------------------------------------------------------------------------- */

/* Was sent before the answer, so TLS would not protect it, whoever sent it (CVE-2021-23214). */
static bool fail_early(struct session *s, const struct starttls_turn *turn)
{
    socket_set_reset(s->client.fd);
    session_fail(s, END_handshake_failed, "bytes in clear behind the %s", turn->what);
    return false;
}

/* Takes what was looked at; what came meanwhile is early, too. */
static bool take(struct session *s, const struct starttls_turn *turn)
{
    unsigned char next;
    ssize_t taken = recv(s->client.fd, s->engine->scratch, turn->take, MSG_DONTWAIT);
    if (taken != (ssize_t)turn->take) {
        session_fail(s, END_internal, "the %s cannot be read again", turn->what);
        return false;
    }
    if (recv(s->client.fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        return fail_early(s, turn);
    return true;
}

static bool answer(struct session *s, const struct starttls_turn *turn)
{
    ssize_t sent =
        send(s->client.fd, turn->say.data, turn->say.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == (ssize_t)turn->say.length)
        return true;
    session_end(s, END_client_reset); /* so few bytes always fit into a connection that stands */
    return false;
}

static bool play(struct session *s, struct span bytes, const struct starttls_turn *turn)
{
    if (bytes.length > turn->take)
        return fail_early(s, turn);
    return take(s, turn) && answer(s, turn);
}

bool starttls_answer(struct session *s, struct span bytes, enum starttls dialect,
                     const struct starttls_turn *turn)
{
    s->protocol = (uint8_t)protocol_detect(bytes);
    if (!play(s, bytes, turn))
        return false;
    s->starttls_turns++;
    if (turn->step == STARTTLS_TLS)
        s->starttls = (unsigned)dialect & 3u;
    peek_done(s);
    return true;
}

/* --- with a server ---------------------------------------------------------------------------- */

/* Longer than any answer. */
#define ANSWER_MAX 512u

/* Nothing of the client's has gone out: another server may agree. */
static void refuse(struct session *s, const char *why)
{
    connect_try_another(s, "starttls", why);
}

/* Reads what the server has said behind what is held. false: this server is out. */
static bool hear(struct session *s)
{
    struct buffer *heard = &s->relay.lane[DIRECTION_DOWN].held;
    size_t count = 0;
    enum stream_status status = stream_read(&s->server, s->engine->scratch, ANSWER_MAX, &count);
    if (status == STREAM_AGAIN)
        return true;
    if (status != STREAM_OK)
        refuse(s, "it closed the connection before TLS was agreed");
    else if (!buffer_append(heard, span_of(s->engine->scratch, count)))
        session_fail(s, END_internal, "out of memory");
    else if (buffer_length(heard) > ANSWER_MAX)
        refuse(s, "its answer is too long");
    else
        return true;
    return false;
}

/* Sends what is held for the server: a PROXY header, our requests. The client is not read. */
static bool say(struct session *s)
{
    struct stream *const sides[2] = {&s->client, &s->server};
    struct relay_tools tools = engine_relay_tools(s->engine);
    struct relay_result result = relay_flush(&s->relay, DIRECTION_UP, sides, &tools);
    if (result.status == RELAY_GOES_ON)
        return true;
    refuse(s, "it closed the connection before TLS was agreed");
    return false;
}

/* TLS is agreed: whatever the server has said beyond that was in clear (CVE-2021-23222). */
static void agree(struct session *s)
{
    unsigned char next;
    struct buffer *heard = &s->relay.lane[DIRECTION_DOWN].held;
    bool more = recv(s->server.fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
    if (more || buffer_length(heard) > 0) {
        refuse(s, "bytes in clear behind its answer");
        return;
    }
    buffer_release(heard);
    connect_has_settled(s);
}

/* One turn of the dialect. true: there may be another at once. */
static bool converse(struct session *s)
{
    struct buffer *heard = &s->relay.lane[DIRECTION_DOWN].held;
    struct starttls_turn turn =
        starttls_server((enum starttls)s->starttls, buffer_span(heard), s->starttls_turns);
    if (turn.step == STARTTLS_MORE)
        return false;
    if (turn.step == STARTTLS_NO) {
        refuse(s, turn.what);
        return false;
    }
    s->starttls_turns++;
    buffer_consume(heard, turn.take);
    if (!buffer_append(&s->relay.lane[DIRECTION_UP].held, turn.say)) {
        session_fail(s, END_internal, "out of memory");
        return false;
    }
    if (!say(s))
        return false;
    if (turn.step == STARTTLS_SAY)
        return true;
    agree(s);
    return false;
}

bool phase_starttls_is_due(const struct session *s)
{
    return s->starttls != STARTTLS_NONE && !s->terminates;
}

void phase_starttls_begin(struct session *s)
{
    s->starttls_turns = 0;
    const struct pool *pool = s->listener->targets[s->rule->index].pool;
    session_set_deadline(s, pool_model(pool)->connect_timeout_ms);
    while (converse(s))
        ;
}

void phase_starttls_step(struct session *s, int client_events, int server_events)
{
    (void)client_events;
    if ((server_events & EV_WRITE) != 0 && !say(s))
        return;
    if ((server_events & EV_READ) == 0 || !hear(s))
        return;
    while (converse(s))
        ;
}

void phase_starttls_expire(struct session *s)
{
    refuse(s, "no answer about TLS in time");
}
