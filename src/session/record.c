#include "session/record.h"

#include "base/clock.h"
#include "session/session.h"
#include "session/unknowns.h"

#include <inttypes.h>
#include <stdio.h>

/* --- values ----------------------------------------------------------------------------------- */

/* Left out where unknown. */
static void add_string(struct log_values *l, enum log_field field, const char *value)
{
    if (value != NULL && value[0] != '\0')
        log_values_set(l, field, span_text(value));
}

static void add_number(struct log_values *l, enum log_field field, uint64_t value)
{
    log_values_format(l, field, "%" PRIu64, value);
}

static void add_ms(struct log_values *l, enum log_field field, uint64_t us)
{
    log_values_format(l, field, "%" PRIu64 ".%03u", us / 1000, (unsigned)(us % 1000));
}

static void add_ms_if_known(struct log_values *l, enum log_field field, uint32_t us)
{
    if (us != UINT32_MAX)
        add_ms(l, field, us);
}

static void add_boolean(struct log_values *l, enum log_field field, bool value)
{
    log_values_format(l, field, "%s", value ? "true" : "false");
}

/* --- the fields ------------------------------------------------------------------------------- */

static void add_client(struct log_values *l, const struct ip_address *ip)
{
    char text[ADDRESS_TEXT_MAX] = "unix:";
    struct address client = address_from_ip(ip);
    if (client.length != 0)
        address_format(&client, text);
    add_string(l, LOG_FIELD_client, text);
}

static void add_identity(struct log_values *l, const struct session *s)
{
    char text[ADDRESS_TEXT_MAX];
    clock_format(s->started_ms, text);
    add_string(l, LOG_FIELD_time, text);
    session_format_id(s, text);
    add_string(l, LOG_FIELD_id, text);
    add_string(l, LOG_FIELD_listener, session_model(s)->name);
    add_client(l, &s->client_ip);
}

static const char *inner_protocol_of(const struct session *s)
{
    return s->inner_silent ? "silent" : protocol_name((enum protocol)s->inner_protocol);
}

static const char *protocol_of(const struct session *s)
{
    if (s->is_tls)
        return "tls";
    return s->is_silent ? "silent" : protocol_name((enum protocol)s->protocol);
}

static void add_decision(struct log_values *l, const struct session *s)
{
    add_string(l, LOG_FIELD_protocol, protocol_of(s));
    if (s->inner_known)
        add_string(l, LOG_FIELD_inner_protocol, inner_protocol_of(s));
    if (s->rule == NULL)
        return;
    add_string(l, LOG_FIELD_rule, s->rule->model->name);
    if (s->is_tls)
        add_string(l, LOG_FIELD_tls, s->terminates ? "terminate" : "passthrough");
}

static void add_tls(struct log_values *l, const struct session *s)
{
    if (s->notes != NULL) {
        add_string(l, LOG_FIELD_sni, s->notes->sni);
        add_string(l, LOG_FIELD_alpn, s->notes->alpn);
    }
    if (session_handshake_us(s) != UINT32_MAX) {
        struct tls_facts facts;
        tls_get_facts(&s->client, &facts);
        add_string(l, LOG_FIELD_tls_version, facts.version);
        add_string(l, LOG_FIELD_tls_cipher, facts.cipher);
        add_boolean(l, LOG_FIELD_tls_resumed, facts.resumed);
        if (facts.client_cert != NULL)
            add_string(l, LOG_FIELD_client_cn, facts.client_cert->cn);
    }
    if (s->notes != NULL)
        add_string(l, LOG_FIELD_ja4, s->notes->ja4);
}

static void add_server(struct log_values *l, const struct session *s)
{
    if (s->notes != NULL) {
        add_string(l, LOG_FIELD_fix_sender, s->notes->fix_sender);
        add_string(l, LOG_FIELD_fix_target, s->notes->fix_target);
    }
    if (s->rule != NULL)
        add_string(l, LOG_FIELD_pool, s->rule->model->pool);
    if (s->chosen != NULL)
        add_string(l, LOG_FIELD_server, server_name(s->chosen));
}

static void add_measures(struct log_values *l, const struct session *s)
{
    add_ms_if_known(l, LOG_FIELD_inspect_ms, s->inspect_us);
    add_ms_if_known(l, LOG_FIELD_handshake_ms, session_handshake_us(s));
    add_ms_if_known(l, LOG_FIELD_connect_ms, s->connect_us);
    add_ms(l, LOG_FIELD_duration_ms, clock_monotonic_us() - s->started_us);
    add_number(l, LOG_FIELD_bytes_in, s->relay.lane[DIRECTION_UP].bytes);
    add_number(l, LOG_FIELD_bytes_out, s->relay.lane[DIRECTION_DOWN].bytes);
}

/* Why it ended comes first; that a side had cut itself off is true all the same. */
static void add_outcome(struct log_values *l, const struct session *s, enum end_reason end)
{
    add_string(l, LOG_FIELD_end, end_reason_name(end));
    const char *told = s->notes == NULL || s->notes->detail == NULL ? "" : s->notes->detail;
    const char *cut = s->truncated ? "truncated" : s->server_truncated ? "server truncated" : "";
    char both[SESSION_DETAIL_MAX + 32];
    both[0] = '\0';
    if (told[0] != '\0' && cut[0] != '\0')
        (void)snprintf(both, sizeof both, "%s, %s", told, cut);
    add_string(l, LOG_FIELD_detail, both[0] != '\0' ? both : told[0] != '\0' ? told : cut);
}

/* --- the line --------------------------------------------------------------------------------- */

static void write_line(struct text *ret, const struct log_values *l,
                       const struct snapshot *snapshot)
{
    if (snapshot->config.model->log.format == LOG_FORMAT_JSON)
        log_write_json(ret, l);
    else if (snapshot->log_template != NULL)
        log_write_template(ret, l, snapshot->log_template);
    else
        log_write_text(ret, l);
    text_add_char(ret, '\n');
}

/* What the engine's values say, in the form that the configuration wants. */
static void make_line(struct engine *engine, const struct snapshot *snapshot)
{
    const struct log_values *l = &engine->values;
    struct text *line = &engine->line;
    bool fields = snapshot->config.model->log.access == LOG_TARGET_JOURNALD;
    engine->line_form = fields ? LINE_FIELDS : LINE_TEXT;
    text_clear(line);
    if (fields)
        text_add(line, "MESSAGE=");
    write_line(line, l, snapshot);
    if (fields)
        log_write_fields(line, l);
    if (l->bytes.failed)
        line->failed = true;
}

static const struct model_log *log_of(const struct snapshot *snapshot)
{
    return &snapshot->config.model->log;
}

static void collect(struct log_values *l, const struct session *s)
{
    log_values_clear(l);
    add_identity(l, s);
    add_decision(l, s);
    add_tls(l, s);
    add_server(l, s);
    add_measures(l, s);
}

void record_compose(struct session *s, enum end_reason end)
{
    const struct snapshot *snapshot = s->generation->snapshot;
    text_clear(&s->engine->line);
    if (log_of(snapshot)->access == LOG_TARGET_OFF || !session_model(s)->log || s->folded)
        return;
    collect(&s->engine->values, s);
    add_outcome(&s->engine->values, s, end);
    make_line(s->engine, snapshot);
}

bool record_send(struct engine *engine)
{
    const struct text *line = &engine->line;
    return line->length == 0 || line->failed ||
           line_writer_put(engine->args.log, engine->args.index, engine->line_form,
                           span_of(line->data, line->length));
}

bool record_refused(struct engine *engine, const struct refused_line *refused)
{
    const struct snapshot *snapshot = engine->current->snapshot;
    if (log_of(snapshot)->access == LOG_TARGET_OFF)
        return true;
    struct log_values *l = &engine->values;
    char text[ADDRESS_TEXT_MAX];
    log_values_clear(l);
    clock_format(refused->since_ms, text);
    add_string(l, LOG_FIELD_time, text);
    add_string(l, LOG_FIELD_listener, refused->listener);
    if (refused->client != NULL)
        add_client(l, refused->client);
    add_string(l, LOG_FIELD_end, end_reason_name(limit_end(refused->limit)));
    add_string(l, LOG_FIELD_detail, limit_detail(refused->limit));
    add_number(l, LOG_FIELD_repeated, refused->repeated);
    make_line(engine, snapshot);
    return record_send(engine);
}

/* --- beside the log --------------------------------------------------------------------------- */

static enum tally_result result_of(enum end_reason end)
{
    return end == END_handshake_failed    ? TALLY_FAILED
           : end == END_handshake_timeout ? TALLY_TIMEOUT
                                          : TALLY_CLOSED;
}

void record_count(struct session *s, enum end_reason end)
{
    struct tally *tally = s->engine->tally;
    tally_count_end(tally, session_model(s)->name, s->rule == NULL ? "" : s->rule->model->name,
                    protocol_of(s), end);
    /* A handshake that came to its end was counted then: the session may have lasted for days. */
    if (s->phase == PHASE_HANDSHAKE)
        tally_count_handshake(tally, NULL, false, result_of(end));
}

void record_decision(struct session *s)
{
    struct tally_traffic *row = tally_traffic_of(s->engine->tally, session_model(s)->name,
                                                 s->rule->model->name, protocol_of(s));
    tally_move(s->traffic, row);
    s->traffic = row;
}

static bool was_routed(const struct session *s)
{
    return s->phase == PHASE_QUEUE || s->phase == PHASE_CONNECT || s->phase == PHASE_STARTTLS ||
           s->phase == PHASE_RELAY;
}

void record_enter(struct session *s)
{
    struct ledger *ledger = s->engine->args.ledger;
    struct tls_facts facts = {0};
    if (ledger == NULL || !ledger_is_kept(ledger) || s->entered || !was_routed(s))
        return;
    s->entered = true;
    struct ledger_note note = {.source = &s->client_ip, .at_ms = s->started_ms, .tls = s->is_tls};
    if (s->notes != NULL) {
        note.sni = span_text(s->is_tls ? s->notes->sni : NULL);
        note.sender = span_text(s->notes->fix_sender);
    }
    if (session_handshake_us(s) != UINT32_MAX) {
        tls_get_facts(&s->client, &facts);
        note.tls_version = facts.version;
        note.name = span_text(facts.client_cert == NULL ? NULL : facts.client_cert->cn);
    }
    ledger_put(ledger, s->engine->args.index, &note);
}

static void copy_text(char *ret, size_t size, const char *text)
{
    (void)snprintf(ret, size, "%s", text == NULL ? "" : text);
}

void record_unknown(const struct session *s, struct unknown *ret, struct span bytes)
{
    *ret = (struct unknown){.source = s->client_ip, .last_ms = s->started_ms};
    copy_text(ret->listener, sizeof ret->listener, session_model(s)->name);
    ret->protocol = protocol_of(s);
    if (s->decrypted) {
        ret->protocol = inner_protocol_of(s);
        copy_text(ret->inside, sizeof ret->inside, s->rule->model->name);
    }
    if (s->notes != NULL) {
        copy_text(ret->sni, sizeof ret->sni, s->notes->sni);
        copy_text(ret->sender, sizeof ret->sender, s->notes->fix_sender);
        ret->sni_is_name = s->notes->sni_is_name;
    }
    /* Of what has a name its name says enough. */
    if (strcmp(ret->protocol, protocol_name(PROTOCOL_UNKNOWN)) == 0)
        redact(&ret->bytes, bytes);
}

static const char *state_of(const struct session *s)
{
    static const char *const names[PHASE_COUNT] = {
        [PHASE_NEW] = "new",           [PHASE_PROXY_HEADER] = "proxy_header",
        [PHASE_INSPECT] = "inspect",   [PHASE_HANDSHAKE] = "handshake",
        [PHASE_REDIRECT] = "redirect", [PHASE_ANSWER] = "answer",
        [PHASE_QUEUE] = "queue",       [PHASE_CONNECT] = "connect",
        [PHASE_STARTTLS] = "starttls", [PHASE_RELAY] = "relay",
        [PHASE_CLOSED] = "closed"};
    _Static_assert(COUNT_OF(names) == 11, "every phase has a name");
    return names[s->phase];
}

void record_describe(const struct session *s, struct text *ret)
{
    struct log_values *l = &s->engine->values;
    collect(l, s);
    text_format(ret, "{\"generation\":%" PRIu64 ",\"state\":\"%s\",",
                s->generation->snapshot->generation, state_of(s));
    log_write_members(ret, l);
    text_add_char(ret, '}');
    if (l->bytes.failed)
        ret->failed = true;
}
