/* HANDSHAKE: TLS is terminated here, with the policy of the rule that was chosen. */
#include "base/clock.h"
#include "session/session.h"

static const char *expected_name(const struct session *s)
{
    return s->notes != NULL && s->notes->sni_is_name ? s->notes->sni : NULL;
}

void phase_handshake_begin(struct session *s)
{
    s->terminates = true;
    if (s->notes != NULL)
        session_note_text(&s->notes->alpn, span_of(NULL, 0)); /* from here on: what is negotiated */
    session_set_deadline(s, session_model(s)->handshake_timeout_ms);
    handshakes_enter(s);
}

void phase_handshake_step(struct session *s, int client_events, int server_events)
{
    (void)client_events;
    (void)server_events;
    bool first = list_empty(&s->queue), waits = !list_empty(&s->engine->handshakes);
    s->fetched = first && waits && !stream_is_plain(&s->client) && tls_fetch(&s->client);
    if (first)
        engine_queue_handshake(s->engine, &s->queue);
}

/* In its first turn: those who wait for one cost no memory of the TLS library. */
static bool start(struct session *s)
{
    struct error error;
    struct tls_policy *policy = s->listener->targets[s->rule->index].policy;
    int fd = s->client.fd;
    if (!stream_is_plain(&s->client) ||
        tls_accept(&s->client, policy, s->engine->args.index, fd, expected_name(s), &error))
        return true;
    session_fail(s, END_internal, "%s", error.text);
    return false;
}

static void finish(struct session *s)
{
    handshakes_leave(s);
    uint32_t took_us = session_phase_us(s, clock_monotonic_us());
    struct tls_facts facts;
    tls_get_facts(&s->client, &facts);
    tally_count_time(s->engine->tally, TALLY_HANDSHAKE, took_us);
    tally_count_handshake(s->engine->tally, facts.version, facts.resumed, TALLY_DONE);
    struct notes *notes = session_notes(s);
    if (notes != NULL) {
        notes->handshake_us = took_us;
        session_note_text(&notes->alpn, facts.alpn);
    }
    s->decrypted = s->rule->nested != NULL || connect_goes_by_sender(s, s->rule);
    if (s->decrypted)
        tls_flush(&s->client); /* an answer may not come: the nested rules may say no */
    session_enter(s, s->decrypted ? PHASE_INSPECT : PHASE_CONNECT);
}

void phase_handshake_turn(struct session *s)
{
    const char *fault;
    s->fetched = false;
    if (!start(s))
        return;
    switch (tls_handshake(&s->client)) {
    case TLS_DONE:
        finish(s);
        break;
    case TLS_AGAIN:
        break;
    case TLS_FAILED:
        fault = stream_fault(&s->client);
        session_fail(s, END_handshake_failed, "%s", fault == NULL ? "unknown" : fault);
        break;
    case TLS_CLIENT_CLOSED:
        session_fail(s, END_client_closed, "within the handshake");
        break;
    case TLS_CLIENT_RESET:
        session_fail(s, END_client_reset, "within the handshake");
        break;
    }
}

void phase_handshake_expire(struct session *s)
{
    if (s->waits_for_handshake)
        session_fail(s, END_handshake_timeout, "limits.max_handshakes");
    else
        session_end(s, END_handshake_timeout);
}
