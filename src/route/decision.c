#include "route/decision.h"

#include "inspect/proxy_header.h"
#include "inspect/tls_record.h"

/* Each stage answers whether the decision has fallen. */
typedef bool stage_function(struct decision *d, const struct decision_args *args);

static bool is_final(const struct decision_args *args)
{
    return args->end != LOOK_GOES_ON;
}

static bool decide(struct decision *d, enum decision_kind kind, const char *reason)
{
    d->kind = kind;
    d->reason = reason;
    return true;
}

/* The next byte can change this, whatever the rules need. */
static bool wait_for_a_byte(struct decision *d, const struct facts *facts)
{
    d->kind = DECISION_MORE;
    d->need = facts->bytes.length + 1;
    return true;
}

/* Sources outside accept_proxy may not pretend to be a proxy. */
static bool refuse_pretender(struct decision *d, const struct decision_args *args)
{
    const struct facts *facts = args->facts;
    if (!args->guards_proxy || facts->terminated || facts->starttls != STARTTLS_NONE ||
        facts->bytes.length == 0)
        return false;
    enum verdict verdict = proxy_header_probe(facts->bytes);
    if (verdict == VERDICT_NO || (verdict == VERDICT_MORE && is_final(args)))
        return false;
    if (verdict == VERDICT_MORE)
        return wait_for_a_byte(d, facts);
    return decide(d, DECISION_PROXY_PRETENDED, "a PROXY header from a source outside accept_proxy");
}

/* A request for TLS that a rule could take is answered; where none could, it is plain bytes. */
static bool meet_request(struct decision *d, const struct decision_args *args)
{
    const struct facts *facts = args->facts;
    bool may_be = false;
    if (facts->terminated || facts->starttls != STARTTLS_NONE || facts->bytes.length == 0)
        return false;
    for (unsigned i = STARTTLS_NONE + 1; i < STARTTLS_COUNT; i++) {
        d->dialect = (enum starttls)i;
        d->turn = starttls_client(d->dialect, facts->bytes, args->starttls_turns);
        if (d->turn.step == STARTTLS_NO || !rules_could_starttls(args->rules, facts, d->dialect))
            continue;
        if (d->turn.step != STARTTLS_MORE)
            return decide(d, DECISION_TURN, NULL);
        may_be = !is_final(args);
    }
    return may_be && wait_for_a_byte(d, facts);
}

/* An incomplete hello with nothing more to come: no rule is asked. */
static bool end_incomplete_hello(struct decision *d, enum look_end end)
{
    d->is_tls = true;
    if (end == LOOK_ENDS_BY_DELAY)
        return decide(d, DECISION_TIMEOUT, "the ClientHello is incomplete");
    if (end == LOOK_ENDS_BY_FIN)
        return decide(d, DECISION_CLIENT_LEFT, "within the ClientHello");
    d->alert = TLS_ALERT_RECORD_OVERFLOW;
    return decide(d, DECISION_HELLO_REFUSED,
                  "the ClientHello is larger than inspect_limits.max_bytes");
}

/* A request was answered: silence is no answer to that, and once TLS was agreed nothing but a
 * ClientHello is. */
static bool await_hello(struct decision *d, const struct decision_args *args)
{
    const struct facts *facts = args->facts;
    bool agreed = facts->starttls != STARTTLS_NONE, nothing = facts->bytes.length == 0;
    if (facts->terminated || args->starttls_turns == 0 || facts->tls == VERDICT_YES ||
        (!agreed && !nothing))
        return false;
    if (nothing)
        return decide(d, DECISION_TIMEOUT, "nothing came behind the request for TLS");
    bool may_be_tls = tls_record_probe(facts->bytes) == VERDICT_MORE;
    if (may_be_tls && !is_final(args))
        return decide(d, DECISION_MORE, NULL);
    if (may_be_tls)
        return end_incomplete_hello(d, args->end);
    return decide(d, DECISION_HELLO_REFUSED, "no ClientHello behind the request for TLS");
}

/* No rule is asked about a hello that is malformed or not whole. */
static bool check_hello(struct decision *d, const struct decision_args *args)
{
    const struct facts *facts = args->facts;
    if (facts->tls != VERDICT_YES || facts->hello == VERDICT_YES)
        return false;
    if (facts->hello == VERDICT_MORE)
        return is_final(args) ? end_incomplete_hello(d, args->end) : decide(d, DECISION_MORE, NULL);
    d->is_tls = true;
    d->alert = facts->client_hello.alert;
    return decide(d, DECISION_HELLO_REFUSED, facts->client_hello.reason);
}

static bool ask_rules(struct decision *d, const struct decision_args *args)
{
    static const enum decision_kind kinds[] = {
        [WALK_RULE] = DECISION_RULE, [WALK_NONE] = DECISION_NO_RULE, [WALK_MORE] = DECISION_MORE};
    enum walk walk = rules_walk(args->rules, args->facts, &d->rule);
    const char *why = walk == WALK_NONE ? rules_why_none(args->rules, args->facts) : NULL;
    return decide(d, kinds[walk], why);
}

void decision_make(struct decision *ret, const struct decision_args *args)
{
    static stage_function *const stages[] = {refuse_pretender, meet_request, await_hello,
                                             check_hello, ask_rules};
    *ret = (struct decision){.need = rules_need(args->rules, args->facts)};
    for (size_t i = 0; i < COUNT_OF(stages) && !stages[i](ret, args); i++)
        ;
}
