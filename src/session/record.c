#include "session/record.h"

#include "base/clock.h"
#include "session/session.h"

#include <inttypes.h>
#include <stdio.h>

/* --- one writer for both formats -------------------------------------------------------------- */

struct line {
    struct text *text;
    bool json;
    bool any;
};

static void begin_field(struct line *l, const char *key)
{
    if (l->any)
        text_add_char(l->text, l->json ? ',' : ' ');
    l->any = true;
    if (l->json)
        text_add_char(l->text, '"');
    text_add(l->text, key);
    text_add(l->text, l->json ? "\":" : "=");
}

static void add_span(struct line *l, const char *key, struct span value)
{
    begin_field(l, key);
    if (l->json)
        text_add_json(l->text, value);
    else
        text_add_plain(l->text, value);
}

/* Left out where unknown. */
static void add_string(struct line *l, const char *key, const char *value)
{
    if (value != NULL && value[0] != '\0')
        add_span(l, key, span_text(value));
}

static void add_number(struct line *l, const char *key, uint64_t value)
{
    begin_field(l, key);
    text_format(l->text, "%" PRIu64, value);
}

static void add_ms(struct line *l, const char *key, uint64_t us)
{
    begin_field(l, key);
    text_format(l->text, "%" PRIu64 ".%03u", us / 1000, (unsigned)(us % 1000));
}

static void add_ms_if_known(struct line *l, const char *key, uint32_t us)
{
    if (us != UINT32_MAX)
        add_ms(l, key, us);
}

static void add_boolean(struct line *l, const char *key, bool value)
{
    begin_field(l, key);
    text_add(l->text, value ? "true" : "false");
}

/* --- the fields, in the order of the reference ------------------------------------------------ */

static void add_client(struct line *l, const struct ip_address *ip)
{
    char text[ADDRESS_TEXT_MAX] = "unix:";
    struct address client = address_from_ip(ip);
    if (client.length != 0)
        address_format(&client, text);
    add_string(l, "client", text);
}

static void add_identity(struct line *l, const struct session *s)
{
    char text[ADDRESS_TEXT_MAX];
    clock_format(s->started_ms, text);
    add_string(l, "time", text);
    session_format_id(s, text);
    add_string(l, "id", text);
    add_string(l, "listener", session_model(s)->name);
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

static void add_decision(struct line *l, const struct session *s)
{
    add_string(l, "protocol", protocol_of(s));
    if (s->inner_known)
        add_string(l, "inner_protocol", inner_protocol_of(s));
    if (s->rule == NULL)
        return;
    add_string(l, "rule", s->rule->model->name);
    if (s->is_tls)
        add_string(l, "tls", s->terminates ? "terminate" : "passthrough");
}

static void add_tls(struct line *l, const struct session *s)
{
    if (s->notes != NULL) {
        add_string(l, "sni", s->notes->sni);
        add_string(l, "alpn", s->notes->alpn);
    }
    if (s->handshake_us != UINT32_MAX) {
        struct tls_facts facts;
        tls_get_facts(&s->client, &facts);
        add_string(l, "tls_version", facts.version);
        add_string(l, "tls_cipher", facts.cipher);
        add_boolean(l, "tls_resumed", facts.resumed);
        if (facts.client_cert != NULL)
            add_string(l, "client_cn", facts.client_cert->cn);
    }
    if (s->notes != NULL)
        add_string(l, "ja4", s->notes->ja4);
}

static void add_server(struct line *l, const struct session *s)
{
    if (s->notes != NULL) {
        add_string(l, "fix_sender", s->notes->fix_sender);
        add_string(l, "fix_target", s->notes->fix_target);
    }
    if (s->rule != NULL)
        add_string(l, "pool", s->rule->model->pool);
    if (s->chosen != NULL)
        add_string(l, "server", server_name(s->chosen));
}

static void add_measures(struct line *l, const struct session *s)
{
    add_ms_if_known(l, "inspect_ms", s->inspect_us);
    add_ms_if_known(l, "handshake_ms", s->handshake_us);
    add_ms_if_known(l, "connect_ms", s->connect_us);
    add_ms(l, "duration_ms", clock_monotonic_us() - s->started_us);
    add_number(l, "bytes_in", s->relay.lane[DIRECTION_UP].bytes);
    add_number(l, "bytes_out", s->relay.lane[DIRECTION_DOWN].bytes);
}

static void add_outcome(struct line *l, const struct session *s, enum end_reason end)
{
    add_measures(l, s);
    add_string(l, "end", end_reason_name(end));
    const char *detail = s->notes == NULL ? NULL : s->notes->detail;
    bool told = detail != NULL && detail[0] != '\0';
    add_string(l, "detail",
               told                  ? detail
               : s->truncated        ? "truncated"
               : s->server_truncated ? "server truncated"
                                     : NULL);
}

/* --- the line --------------------------------------------------------------------------------- */

static struct line begin_line(struct engine *engine, const struct model_log *log)
{
    struct line l = {.text = &engine->line, .json = log->format == LOG_FORMAT_JSON};
    text_clear(l.text);
    if (l.json)
        text_add_char(l.text, '{');
    return l;
}

static void end_line(struct line *l)
{
    text_add(l->text, l->json ? "}\n" : "\n");
}

static const struct model_log *log_of(const struct generation *generation)
{
    return &generation->snapshot->config.model->log;
}

void record_compose(struct session *s, enum end_reason end)
{
    const struct model_log *log = log_of(s->generation);
    text_clear(&s->engine->line);
    if (log->access == LOG_TARGET_OFF || !session_model(s)->log || s->folded)
        return;
    struct line l = begin_line(s->engine, log);
    add_identity(&l, s);
    add_decision(&l, s);
    add_tls(&l, s);
    add_server(&l, s);
    add_outcome(&l, s, end);
    end_line(&l);
}

bool record_send(struct engine *engine)
{
    const struct text *line = &engine->line;
    return line->length == 0 || line->failed ||
           line_writer_put(engine->args.log, engine->args.index, span_of(line->data, line->length));
}

bool record_refused(struct engine *engine, const struct refused_line *refused)
{
    const struct model_log *log = log_of(engine->current);
    if (log->access == LOG_TARGET_OFF)
        return true;
    struct line l = begin_line(engine, log);
    char text[ADDRESS_TEXT_MAX];
    clock_format(refused->since_ms, text);
    add_string(&l, "time", text);
    add_string(&l, "listener", refused->listener);
    if (refused->client != NULL)
        add_client(&l, refused->client);
    add_string(&l, "end", end_reason_name(limit_end(refused->limit)));
    add_string(&l, "detail", limit_detail(refused->limit));
    add_number(&l, "repeated", refused->repeated);
    end_line(&l);
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
    struct line l = {.text = ret, .json = true};
    text_add_char(ret, '{');
    add_identity(&l, s);
    begin_field(&l, "generation");
    text_format(ret, "%" PRIu64, s->generation->snapshot->generation);
    begin_field(&l, "state");
    text_add_json(ret, span_text(state_of(s)));
    add_decision(&l, s);
    add_tls(&l, s);
    add_server(&l, s);
    add_measures(&l, s);
    text_add_char(ret, '}');
}
