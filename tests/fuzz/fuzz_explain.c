/* What explain says is what a session does: the same bytes through decision_make(), look by look.
 */
#include "fuzz.h"

#include "config/config.h"
#include "route/explain.h"

static const char configuration[] =
    "{\"listeners\":{\"l\":{\"bind\":\"127.0.0.1:1\",\"inspect_limits\":{\"max_bytes\":\"1k\"},"
    "\"tls\":{\"certificates\":[{\"cert\":\"c\",\"key\":\"k\"}]},\"rules\":["
    "{\"match\":{\"sni\":[\"a.example.com\",\"*.example.org\"]},\"tls\":\"passthrough\","
    "\"pool\":\"p\"},"
    "{\"starttls\":\"postgres\",\"tls\":\"terminate\",\"match\":{\"sni\":\"*.example.com\"},"
    "\"pool\":\"p\"},"
    "{\"match\":{\"not\":{\"alpn\":\"h2\"}},\"tls\":\"terminate\",\"pool\":\"p\"},"
    "{\"match\":{\"prefix\":\"GET /secret\"},\"reject\":true,\"until\":\"2027-01-01T00:00:00Z\"},"
    "{\"match\":{\"protocol\":\"http\"},\"redirect\":\"https\"},"
    "{\"match\":{\"fix\":{\"SenderCompID\":\"A\"}},\"pool\":\"p\"},"
    "{\"match\":{\"protocol\":[\"fix\",\"mqtt\",\"socks5\"]},\"pool\":\"p\"},"
    "{\"match\":{\"silent\":true},\"pool\":\"p\"}]}},"
    "\"pools\":{\"p\":{\"servers\":[\"127.0.0.1:2\"]}}}";

#define END UINT64_C(1798761600) /* of the rule with a date */

static unsigned char scratch[CLIENT_HELLO_MAX];
static struct config config;
static struct rules *rules;

static void prepare(void)
{
    if (rules != NULL)
        return;
    PROMISE(config_read_text(&config, "fuzz", "/", configuration, sizeof configuration - 1));
    PROMISE(rules_compile(&rules, &config.model->listeners[0], config.problems));
}

/* A session, as far as it decides. */
struct session {
    struct span bytes;
    uint64_t now;
    unsigned turns;
    enum starttls starttls;
};

static struct decision look(const struct session *s, size_t seen, enum look_end end)
{
    static struct facts facts;
    static char ja4[JA4_TEXT_MAX];
    struct decision decision;
    facts_read(&facts, span_first(s->bytes, seen), end != LOOK_GOES_ON, true, scratch);
    facts.now = s->now;
    facts.starttls = s->starttls;
    facts.ja4 = NULL;
    if (facts.tls == VERDICT_YES && facts.hello == VERDICT_YES) {
        client_hello_ja4(&facts.client_hello, fuzz_no_hash, ja4);
        facts.ja4 = ja4;
    }
    decision_make(&decision,
                  &(struct decision_args){
                      .rules = rules, .facts = &facts, .end = end, .starttls_turns = s->turns});
    return decision;
}

/* The client says all it has, byte by byte, then waits. */
static struct decision live(struct session *s, size_t *ret_seen)
{
    size_t most = config.model->listeners[0].max_inspect_bytes;
    struct decision decision = {.kind = DECISION_MORE};
    *ret_seen = 0;
    while (*ret_seen < s->bytes.length && *ret_seen < most) {
        ++*ret_seen;
        decision = look(s, *ret_seen, *ret_seen == most ? LOOK_ENDS_BY_SIZE : LOOK_GOES_ON);
        if (decision.kind == DECISION_TURN) {
            s->bytes = span_skip(s->bytes, decision.turn.take);
            s->turns++;
            if (decision.turn.step == STARTTLS_TLS)
                s->starttls = decision.dialect;
            return live(s, ret_seen);
        }
        if (decision.kind != DECISION_MORE)
            return decision;
    }
    return look(s, *ret_seen, LOOK_ENDS_BY_DELAY);
}

static void check_steps(const struct explanation *e)
{
    for (size_t i = 0; i < e->outer.step_count; i++) {
        const struct explain_step *step = &e->outer.steps[i];
        bool last = i + 1 == e->outer.step_count;
        PROMISE((step->answer == EXPLAIN_YES) == (step->rule == e->outer.decision.rule));
        PROMISE(step->answer != EXPLAIN_YES || last);
        PROMISE((step->key != NULL) ==
                (step->answer == EXPLAIN_NO || step->answer == EXPLAIN_NOT_IN_FORCE));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 2000)
        return 0;
    prepare();
    struct explain_args args = {.listener = &config.model->listeners[0],
                                .rules = rules,
                                .now = END - 1 + (data[0] & 1),
                                .bytes = span_of(data + 1, size - 1),
                                .sha256 = fuzz_no_hash};
    struct session session = {.bytes = args.bytes, .now = args.now};
    struct explanation e;
    size_t seen;
    PROMISE(explain(&e, &args));
    struct decision decision = live(&session, &seen);
    PROMISE(e.outer.decision.kind == decision.kind && e.outer.decision.rule == decision.rule &&
            e.outer.decision.alert == decision.alert);
    PROMISE(e.starttls == session.starttls && e.starttls_turns == session.turns);
    PROMISE(e.outer.decided_after == seen);
    PROMISE(explanation_rule(&e) == decision.rule);
    check_steps(&e);
    explanation_release(&e);
    return 0;
}
