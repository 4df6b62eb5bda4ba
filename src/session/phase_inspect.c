/* INSPECT: what is this connection, and which rule takes it?
 *
 * Outer bytes are looked at in the kernel; decrypted ones (nested rules) are read and held, as the
 * first bytes the relay will send. Either way the same facts and the same walk decide, on the first
 * byte that allows it. */
#include "base/clock.h"
#include "route/decision.h"
#include "session/record.h"
#include "session/session.h"
#include "session/unknowns.h"

#include <stdio.h>
#include <sys/socket.h>

/* --- what is noted for the log ---------------------------------------------------------------- */

static void note_hello(struct session *s, const struct client_hello *hello, const char *ja4)
{
    struct notes *notes = session_notes(s);
    if (notes == NULL)
        return;
    struct span sni = hello->sni_is_name ? span_text(hello->sni) : hello->sni_raw;
    session_note_text(&notes->sni, sni);
    notes->sni_is_name = hello->sni_is_name;
    snprintf(notes->ja4, sizeof notes->ja4, "%s", ja4);
    size_t at = 0;
    struct span alpn;
    if (client_hello_next_alpn(hello, &at, &alpn))
        session_note_text(&notes->alpn, alpn);
}

static void note_fix(struct session *s, const struct fix_logon *fix)
{
    bool any = fix->message != VERDICT_NO &&
               (fix->has[FIX_SENDER_COMP_ID] || fix->has[FIX_TARGET_COMP_ID]);
    struct notes *notes = any ? session_notes(s) : NULL;
    if (notes == NULL)
        return;
    session_note_text(&notes->fix_sender, fix->field[FIX_SENDER_COMP_ID]);
    session_note_text(&notes->fix_target, fix->field[FIX_TARGET_COMP_ID]);
}

static void note_inner_protocol(struct session *s, const struct facts *facts)
{
    s->inner_protocol = (uint8_t)facts_protocol(facts);
    s->inner_silent = facts->silent;
    s->inner_known = facts->silent || facts->bytes.length > 0;
    note_fix(s, &facts->fix);
}

/* What all probes say of the bytes at hand, whether or not a rule asked. */
static void note_protocol(struct session *s, const struct facts *facts)
{
    if (facts->tls == VERDICT_YES) {
        s->is_tls = true;
        return;
    }
    if (s->decrypted) {
        note_inner_protocol(s, facts);
        return;
    }
    s->protocol = (uint8_t)facts_protocol(facts);
    s->is_silent = s->doubtful = facts->silent;
    note_fix(s, &facts->fix);
}

void inspect_note_first_bytes(struct session *s, struct span bytes)
{
    struct facts *facts = s->engine->facts;
    facts_read(facts, bytes, true, false, s->engine->hello_scratch);
    note_inner_protocol(s, facts);
}

/* --- deciding --------------------------------------------------------------------------------- */

static void leave_inspection(struct session *s)
{
    if (s->inspect_us == UINT32_MAX) {
        s->inspect_us = session_phase_us(s, clock_monotonic_us());
        tally_count_time(s->engine->tally, TALLY_INSPECT, s->inspect_us);
    }
    undecided_leave(s);
    if (!s->decrypted)
        peek_done(s);
}

static void take_rule(struct session *s, const struct rule *rule)
{
    s->rule = rule;
    record_decision(s);
    leave_inspection(s);
    if (rule->model->reject)
        session_end(s, END_rejected);
    else if (rule->model->redirect)
        session_enter(s, PHASE_REDIRECT);
    else if (rule->model->tls == TLS_ACTION_TERMINATE && !s->decrypted)
        session_enter(s, PHASE_HANDSHAKE);
    else
        session_enter(s, PHASE_CONNECT);
}

/* One look at the bytes, and what the facts of it point to. */
struct look {
    struct span bytes;
    enum look_end end;
    struct facts *facts; /* the engine's */
    const struct rules *rules;
    struct address client;
    struct tls_facts tls;
    char ja4[JA4_TEXT_MAX];
};

static void add_session_facts(struct session *s, struct look *look)
{
    struct facts *facts = look->facts;
    look->client = address_from_ip(&s->client_ip);
    facts->source = &look->client;
    facts->now = (uint64_t)ev_now(s->engine->loop); /* the loop's own: costs nothing */
    facts->starttls = (enum starttls)s->starttls;
    facts->terminated = s->decrypted;
    facts->sni = facts->ja4 = NULL;
    facts->client_cert = NULL;
    facts->alpn = span_of(NULL, 0);
    if (s->decrypted) {
        tls_get_facts(&s->client, &look->tls);
        facts->alpn = look->tls.alpn;
        facts->client_cert = look->tls.client_cert;
        facts->ja4 = s->notes == NULL ? NULL : s->notes->ja4;
        facts->sni = s->notes != NULL && s->notes->sni_is_name ? s->notes->sni : NULL;
    } else if (facts->tls == VERDICT_YES && facts->hello == VERDICT_YES) {
        client_hello_ja4(&facts->client_hello, tls_sha256, look->ja4);
        facts->ja4 = look->ja4;
    }
}

static void begin_look(struct session *s, struct look *look)
{
    look->facts = s->engine->facts;
    look->rules = s->decrypted ? s->rule->nested : s->listener->rules;
    facts_read(look->facts, look->bytes, look->end != LOOK_GOES_ON, !s->decrypted,
               s->engine->hello_scratch);
    add_session_facts(s, look);
}

/* The pool wants to know who the FIX client is, and its Logon may still be coming. */
static bool must_hear_the_sender(const struct session *s, const struct look *look,
                                 const struct decision *decision)
{
    const struct fix_logon *fix = &look->facts->fix;
    return decision->kind == DECISION_RULE && look->facts->tls == VERDICT_NO &&
           connect_goes_by_sender(s, decision->rule) && look->end == LOOK_GOES_ON &&
           fix->message != VERDICT_NO && !fix->complete && !fix->has[FIX_SENDER_COMP_ID];
}

static void make_decision(struct session *s, const struct look *look, struct decision *ret)
{
    if (look->rules == NULL) { /* decrypted, and the rule was chosen before */
        *ret = (struct decision){.kind = DECISION_RULE, .rule = s->rule};
        return;
    }
    struct decision_args args = {
        .rules = look->rules,
        .facts = look->facts,
        .end = look->end,
        .guards_proxy = networks_guard_proxy(&s->listener->networks) && !s->trusted_proxy,
        .starttls_turns = s->starttls_turns,
    };
    decision_make(ret, &args);
}

static void note_unknown(struct session *s, struct span bytes)
{
    struct unknown seen;
    if (s->engine->args.unknowns == NULL)
        return;
    record_unknown(s, &seen, bytes);
    unknowns_note(s->engine->args.unknowns, &seen);
}

static void leave_unknown(struct session *s, struct span bytes, const char *reason)
{
    note_unknown(s, bytes);
    if (reason != NULL)
        session_fail(s, END_no_rule, "%s", reason);
    else
        session_end(s, END_no_rule);
}

static void carry_out_walk(struct session *s, const struct look *look,
                           const struct decision *decision)
{
    note_protocol(s, look->facts);
    if (look->facts->tls == VERDICT_YES)
        note_hello(s, &look->facts->client_hello, look->ja4);
    if (decision->kind == DECISION_RULE)
        take_rule(s, decision->rule);
    else
        leave_unknown(s, look->bytes, decision->reason);
}

/* A TLS peer expects an alert where it is refused. */
static void refuse_hello(struct session *s, const struct decision *decision)
{
    unsigned char record[7];
    if (decision->alert != 0) {
        size_t length = tls_alert_record(record, decision->alert);
        (void)send(s->client.fd, record, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    session_fail(s, END_handshake_failed, "%s", decision->reason);
}

static void tell_who_left(struct session *s, const struct decision *decision)
{
    bool reset = socket_connect_result(s->client.fd) != 0;
    session_fail(s, reset ? END_client_reset : END_client_closed, "%s", decision->reason);
}

static void carry_out(struct session *s, const struct look *look, const struct decision *decision)
{
    s->is_tls = s->is_tls || decision->is_tls;
    switch (decision->kind) {
    case DECISION_RULE:
    case DECISION_NO_RULE:
        carry_out_walk(s, look, decision);
        break;
    case DECISION_PROXY_PRETENDED:
        session_fail(s, END_bad_proxy_header, "%s", decision->reason);
        break;
    case DECISION_HELLO_REFUSED:
        refuse_hello(s, decision);
        break;
    case DECISION_TIMEOUT:
        session_fail(s, END_inspect_timeout, "%s", decision->reason);
        break;
    case DECISION_CLIENT_LEFT:
        tell_who_left(s, decision);
        break;
    case DECISION_MORE:
    case DECISION_TURN:
        break;
    }
}

/* true: undecided, `*ret_need` bytes may tell more. */
static bool decide(struct session *s, struct span bytes, enum look_end end, size_t *ret_need)
{
    struct look look = {.bytes = bytes, .end = end};
    struct decision decision;
    begin_look(s, &look);
    make_decision(s, &look, &decision);
    *ret_need = decision.need;
    if (must_hear_the_sender(s, &look, &decision)) {
        *ret_need = facts_need(look.facts);
        return true;
    }
    if (decision.kind == DECISION_MORE)
        return true;
    if (decision.kind == DECISION_TURN) {
        *ret_need = 1; /* what follows is looked at anew */
        return starttls_answer(s, bytes, decision.dialect, &decision.turn);
    }
    carry_out(s, &look, &decision);
    return false;
}

/* --- outer bytes ------------------------------------------------------------------------------ */

static void look_at_outer(struct session *s, bool at_deadline)
{
    struct span bytes;
    enum peek peek = peek_look(s, &bytes);
    if (peek == PEEK_ENDED || (peek == PEEK_NOTHING_NEW && !at_deadline))
        return;
    bool full = bytes.length >= session_model(s)->max_inspect_bytes ||
                bytes.length >= SCRATCH_BYTES;
    enum look_end end = peek == PEEK_FINISHED ? LOOK_ENDS_BY_FIN
                        : at_deadline         ? LOOK_ENDS_BY_DELAY
                        : full                ? LOOK_ENDS_BY_SIZE
                                              : LOOK_GOES_ON;
    size_t need;
    struct engine *engine = s->engine;
    engine->heard = bytes;
    if (decide(s, bytes, end, &need))
        peek_wait_for(s, need);
    engine->heard = span_of(NULL, 0);
}

/* --- decrypted bytes -------------------------------------------------------------------------- */

/* Reads what is there behind what is held. false: the session was ended. */
static bool read_decrypted(struct session *s, bool *ret_ended)
{
    struct relay_lane *up = &s->relay.lane[DIRECTION_UP];
    size_t most = session_model(s)->max_inspect_bytes;
    *ret_ended = false;
    while (buffer_length(&up->held) < most) {
        size_t count = 0;
        enum stream_status status =
            stream_read(&s->client, s->engine->scratch, SCRATCH_BYTES, &count);
        if (status == STREAM_AGAIN)
            return true;
        if (status == STREAM_EOF) {
            up->ended = *ret_ended = true;
            return true;
        }
        if (status != STREAM_OK) {
            const char *fault = stream_fault(&s->client);
            session_fail(s, END_client_reset, "%s", fault == NULL ? "" : fault);
            return false;
        }
        up->bytes += count;
        tally_add(&s->traffic->bytes[DIRECTION_UP], count);
        if (!buffer_append(&up->held, span_of(s->engine->scratch, count))) {
            session_fail(s, END_internal, "out of memory");
            return false;
        }
    }
    return true;
}

static void look_at_decrypted(struct session *s, bool at_deadline)
{
    bool ended;
    if (!read_decrypted(s, &ended))
        return;
    struct span bytes = buffer_span(&s->relay.lane[DIRECTION_UP].held);
    if (ended && bytes.length == 0) {
        session_end(s, END_client_closed);
        return;
    }
    if (bytes.length == 0 && !at_deadline)
        return;
    enum look_end end = ended                                                 ? LOOK_ENDS_BY_FIN
                        : at_deadline                                         ? LOOK_ENDS_BY_DELAY
                        : bytes.length >= session_model(s)->max_inspect_bytes ? LOOK_ENDS_BY_SIZE
                                                                              : LOOK_GOES_ON;
    size_t need;
    (void)decide(s, bytes, end, &need);
}

/* --- the phase -------------------------------------------------------------------------------- */

static void look(struct session *s, bool at_deadline)
{
    if (s->decrypted)
        look_at_decrypted(s, at_deadline);
    else
        look_at_outer(s, at_deadline);
}

void phase_inspect_begin(struct session *s)
{
    s->peeked = 0;
    if (!s->counted && !admission_admit(s))
        return;
    session_set_deadline(s, session_model(s)->inspect_delay_ms);
    look(s, false);
    /* Most are decided by their first look and never are in the quota's books. */
    if (s->phase == PHASE_INSPECT)
        undecided_enter(s);
}

void phase_inspect_step(struct session *s, int client_events, int server_events)
{
    (void)client_events;
    (void)server_events;
    look(s, false);
}

void phase_inspect_expire(struct session *s)
{
    look(s, true);
}
