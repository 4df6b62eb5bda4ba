/* REDIRECT: the client is sent to https. The head of its request is looked at in place until it is
 * whole; whatever is no such request is rejected. ANSWER: the response goes out, then our FIN, and
 * what the client still sends (a body that nobody asked for) is read and dropped for a while, as
 * closing over it would reset the connection and could take the answer away. */
#include "inspect/http_head.h"
#include "session/session.h"

#include <stdio.h>
#include <sys/socket.h>

/* How long the client may take to hear the answer and to close. */
#define ANSWER_MS 5000u

/* Reads of dropped bytes per readiness: others are served in between. */
#define DROPS_MAX 8u

/* --- REDIRECT --------------------------------------------------------------------------------- */

void phase_redirect_begin(struct session *s)
{
    s->peeked = 0;
    session_set_deadline(s, session_model(s)->handshake_timeout_ms);
    phase_redirect_step(s, EV_READ, 0);
}

/* The response is made while the head is still in the scratch; then the head is taken. */
static bool make_answer(struct session *s, const struct http_head *head)
{
    struct relay_lane *down = &s->relay.lane[DIRECTION_DOWN];
    struct text answer = {0};
    http_head_add_redirect(&answer, head, (uint64_t)ev_now(s->engine->loop));
    bool good = !answer.failed && buffer_append(&down->held, span_of(answer.data, answer.length));
    if (good) {
        down->bytes += answer.length;
        session_note_detail(s, "redirected to https://%.120s", head->host);
    } else {
        session_fail(s, END_internal, "out of memory");
    }
    text_release(&answer);
    return good;
}

static void answer(struct session *s, const struct http_head *head)
{
    if (!make_answer(s, head))
        return;
    peek_done(s);
    ssize_t taken = recv(s->client.fd, s->engine->scratch, head->length, MSG_DONTWAIT);
    if (taken != (ssize_t)head->length) {
        session_fail(s, END_internal, "the request cannot be read again");
        return;
    }
    s->relay.lane[DIRECTION_UP].bytes += head->length;
    session_enter(s, PHASE_ANSWER);
}

static void refuse(struct session *s, const char *reason)
{
    session_fail(s, END_rejected, "no request to redirect: %s", reason);
}

static void await_more(struct session *s, enum peek peek, size_t seen)
{
    if (peek == PEEK_FINISHED && seen == 0)
        session_end(s, END_client_closed);
    else if (peek == PEEK_FINISHED)
        refuse(s, "the client finished within it");
    else if (seen >= peek_most_bytes(s))
        refuse(s, "its head is larger than inspect_limits.max_bytes");
    else
        peek_wait_for(s, seen + 1);
}

void phase_redirect_step(struct session *s, int client_events, int server_events)
{
    (void)client_events;
    (void)server_events;
    struct span bytes;
    struct http_head head;
    enum peek peek = peek_look(s, &bytes);
    if (peek == PEEK_ENDED || peek == PEEK_NOTHING_NEW)
        return;
    switch (http_head_parse(&head, bytes)) {
    case VERDICT_YES:
        answer(s, &head);
        break;
    case VERDICT_MORE:
        await_more(s, peek, bytes.length);
        break;
    default:
        refuse(s, head.reason);
        break;
    }
}

void phase_redirect_expire(struct session *s)
{
    refuse(s, "no whole one within timeouts.handshake");
}

/* --- ANSWER ----------------------------------------------------------------------------------- */

/* true: all of it is out, and the FIN behind it. */
static bool send_answer(struct session *s)
{
    struct stream *const sides[2] = {&s->client, &s->server};
    struct relay_tools tools = engine_relay_tools(s->engine);
    if (s->client.finished)
        return true;
    struct relay_result result = relay_flush(&s->relay, DIRECTION_DOWN, sides, &tools);
    if (result.status != RELAY_GOES_ON) {
        session_end(s, END_client_reset);
        return false;
    }
    return !relay_lane_blocked(&s->relay.lane[DIRECTION_DOWN]) &&
           stream_finish(&s->client) == STREAM_OK;
}

/* Also while the answer waits for room: a client may read only when it has sent all. */
static void drop_input(struct session *s)
{
    struct relay_lane *up = &s->relay.lane[DIRECTION_UP];
    for (unsigned i = 0; i < DROPS_MAX && !up->ended; i++) {
        size_t count = 0;
        enum stream_status status =
            stream_read(&s->client, s->engine->scratch, SCRATCH_BYTES, &count);
        up->bytes += count;
        up->ended = status != STREAM_OK && status != STREAM_AGAIN;
        if (status != STREAM_OK)
            return;
    }
}

void phase_answer_begin(struct session *s)
{
    session_set_deadline(s, ANSWER_MS);
    phase_answer_step(s, EV_READ, 0);
}

void phase_answer_step(struct session *s, int client_events, int server_events)
{
    (void)client_events;
    (void)server_events;
    drop_input(s);
    if (send_answer(s) && s->relay.lane[DIRECTION_UP].ended)
        session_end(s, END_server_closed);
}

int phase_answer_waits(const struct session *s)
{
    return (s->relay.lane[DIRECTION_UP].ended ? 0 : EV_READ) | (s->client.finished ? 0 : EV_WRITE);
}

void phase_answer_expire(struct session *s)
{
    session_end(s, s->client.finished ? END_server_closed : END_idle_timeout);
}
