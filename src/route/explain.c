#include "route/explain.h"

#include <stdlib.h>

/* One look while it is taken. */
struct looking {
    const struct explain_args *args;
    struct explanation *e;
    struct explain_look *look;
    const struct rules *rules;
    struct span bytes;
    bool inside;
};

/* --- deciding, as a session does -------------------------------------------------------------- */

static void add_handshake_facts(struct looking *l, struct facts *facts)
{
    const struct explain_look *outer = &l->e->outer;
    const struct client_hello *hello = &outer->facts.client_hello;
    facts->terminated = true;
    facts->sni = hello->has_sni && hello->sni_is_name ? hello->sni : NULL;
    facts->alpn = l->e->alpn;
    facts->ja4 = outer->ja4;
}

static void add_facts(struct looking *l)
{
    struct facts *facts = &l->look->facts;
    facts->source = l->e->has_source ? &l->e->source : NULL;
    facts->now = l->args->now;
    facts->starttls = l->e->starttls;
    if (l->inside)
        add_handshake_facts(l, facts);
    if (l->inside || facts->tls != VERDICT_YES || facts->hello != VERDICT_YES)
        return;
    client_hello_ja4(&facts->client_hello, l->args->sha256, l->look->ja4);
    facts->ja4 = l->look->ja4;
}

static enum decision_kind decide(struct looking *l, struct span bytes, enum look_end end)
{
    const struct explain_args *args = l->args;
    facts_read(&l->look->facts, bytes, end != LOOK_GOES_ON, !l->inside, l->look->scratch);
    add_facts(l);
    struct decision_args decision = {
        .rules = l->rules,
        .facts = &l->look->facts,
        .end = end,
        .guards_proxy = networks_guard_proxy(&args->networks) && l->e->proxy == EXPLAIN_PROXY_NONE,
        .starttls_turns = l->e->starttls_turns,
    };
    decision_make(&l->look->decision, &decision);
    return l->look->decision.kind;
}

/* --- what each rule said ---------------------------------------------------------------------- */

struct said {
    bool asked;
    enum verdict answer;
    const char *key;
};

static void note_step(void *context, const struct rule *rule, enum verdict answer, const char *key)
{
    ((struct said *)context)[rule->index] = (struct said){true, answer, key};
}

/* Without room for the notes there is nobody to be found. */
static void note_who_waits(struct looking *l, struct said *said)
{
    const struct rule *rule;
    if (rules_walk_trace(l->rules, &l->look->facts, note_step, said, &rule) != WALK_MORE)
        return;
    for (unsigned i = 0; i < rules_count(l->args->rules); i++) {
        if (!said[i].asked || said[i].answer != VERDICT_MORE)
            continue;
        l->look->waited_for = rules_at(l->args->rules, i);
        l->look->waited_key = said[i].key;
    }
}

static bool is_of_the_kind(const struct looking *l, const struct model_rule *model)
{
    const struct facts *facts = &l->look->facts;
    const char *dialect = starttls_name(facts->starttls);
    if (l->inside)
        return true;
    if ((model->tls != TLS_ACTION_PLAIN) != (facts->tls == VERDICT_YES))
        return false;
    return dialect == NULL ? model->starttls == NULL
                           : model->starttls != NULL && strcmp(model->starttls, dialect) == 0;
}

/* A rule of the kind that was not asked would have said no: the index knew. */
static void add_step(struct looking *l, const struct rule *rule, const struct said *said)
{
    struct explain_step *step = &l->look->steps[l->look->step_count++];
    step->rule = rule;
    step->key = NULL;
    if (!is_of_the_kind(l, rule->model))
        step->answer = EXPLAIN_OTHER_KIND;
    else if (said->asked && said->answer == VERDICT_YES)
        step->answer = EXPLAIN_YES;
    else if (!model_rule_holds(rule->model, l->args->now)) {
        step->answer = EXPLAIN_NOT_IN_FORCE;
        step->key = l->args->now < rule->model->from ? "from" : "until";
    } else {
        step->answer = EXPLAIN_NO;
        step->key = said->asked ? said->key : rules_why_not(l->rules, &l->look->facts, rule);
    }
}

/* The rules of this level in the order of the file, up to the one that decided. Inside, they are
 * those behind the outer rule. */
static void list_steps(struct looking *l, const struct said *said)
{
    const struct rule *outer = l->inside ? l->e->outer.decision.rule : NULL;
    unsigned index = outer == NULL ? 0 : outer->index + 1;
    size_t count = outer == NULL ? l->args->listener->rule_count : outer->model->rule_count;
    for (size_t i = 0; i < count; i++) {
        const struct rule *rule = rules_at(l->args->rules, index);
        add_step(l, rule, &said[index]);
        if (rule == l->look->decision.rule)
            return;
        index += outer == NULL ? 1 + (unsigned)rule->model->rule_count : 1;
    }
}

static void trace(struct looking *l, struct said *said)
{
    const struct rule *rule;
    enum decision_kind kind = l->look->decision.kind;
    if (kind != DECISION_RULE && kind != DECISION_NO_RULE)
        return;
    memset(said, 0, rules_count(l->args->rules) * sizeof *said);
    (void)rules_walk_trace(l->rules, &l->look->facts, note_step, said, &rule);
    list_steps(l, said);
}

/* --- one look --------------------------------------------------------------------------------- */

/* Bisection: a decision that has fallen stays. */
static size_t find_decisive_byte(struct looking *l)
{
    size_t low = 0, high = l->bytes.length;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        bool decided = decide(l, span_first(l->bytes, middle), LOOK_GOES_ON) != DECISION_MORE;
        *(decided ? &high : &low) = middle;
    }
    return high;
}

/* A request is answered, and what lies behind it looked at anew. */
static bool take_request(struct looking *l)
{
    const struct decision *decision = &l->look->decision;
    if (decision->kind != DECISION_TURN)
        return false;
    l->bytes = span_skip(l->bytes, decision->turn.take);
    l->e->starttls_turns++;
    if (decision->turn.step == STARTTLS_TLS)
        l->e->starttls = decision->dialect;
    return true;
}

static void take_look(struct looking *l, struct said *said)
{
    size_t most = l->args->listener->max_inspect_bytes;
    struct span all;
    enum look_end end;
    do {
        all = l->bytes;
        l->bytes = span_first(all, most);
        end = all.length >= most ? LOOK_ENDS_BY_SIZE
              : all.length == 0  ? LOOK_ENDS_BY_DELAY
                                 : LOOK_GOES_ON;
        (void)decide(l, l->bytes, end);
        l->bytes = all;
    } while (take_request(l));
    l->bytes = span_first(all, most);
    l->look->waited = end == LOOK_ENDS_BY_DELAY;
    if (l->look->decision.kind == DECISION_MORE) {
        note_who_waits(l, said);
        l->look->waited = true;
        end = LOOK_ENDS_BY_DELAY;
    }
    l->look->decided_after = l->look->waited ? l->bytes.length : find_decisive_byte(l);
    (void)decide(l, l->bytes, end);
    trace(l, said);
}

static bool look(struct explanation *e, const struct explain_args *args, bool inside)
{
    struct looking l = {.args = args, .e = e, .inside = inside};
    size_t rules = rules_count(args->rules) + 1;
    l.look = inside ? &e->inner : &e->outer;
    l.rules = inside ? e->outer.decision.rule->nested : args->rules;
    l.bytes = inside ? args->inner : span_skip(args->bytes, e->header.length);
    l.look->scratch = malloc(CLIENT_HELLO_MAX);
    l.look->steps = calloc(rules, sizeof *l.look->steps);
    struct said *said = calloc(rules, sizeof *said);
    if (l.look->scratch == NULL || l.look->steps == NULL || said == NULL) {
        free(said);
        return false;
    }
    take_look(&l, said);
    free(said);
    return true;
}

/* --- before and between the looks ------------------------------------------------------------- */

static void refuse_header(struct explanation *e, const char *reason)
{
    e->header.length = 0;
    e->proxy = EXPLAIN_PROXY_MISSING;
    e->reason = reason;
}

static void read_header(struct explanation *e, const struct explain_args *args)
{
    switch (proxy_header_parse(&e->header, args->bytes)) {
    case VERDICT_YES:
        e->proxy = EXPLAIN_PROXY_TAKEN;
        if (e->header.has_addresses)
            e->source = e->header.source;
        break;
    case VERDICT_NO:
        refuse_header(e, "the connection does not begin with a PROXY header");
        break;
    case VERDICT_BROKEN:
        refuse_header(e, e->header.reason);
        break;
    case VERDICT_MORE:
        refuse_header(e, "no whole PROXY header within inspect_delay");
        break;
    }
}

static void meet_proxy(struct explanation *e, const struct explain_args *args)
{
    if (args->source == NULL || !networks_expect_proxy(&args->networks, args->source))
        return;
    if (args->made_up)
        e->proxy = EXPLAIN_PROXY_GIVEN;
    else
        read_header(e, args);
}

static bool is_offered(const struct client_hello *hello, const char *wanted)
{
    size_t at = 0;
    struct span name;
    while (client_hello_next_alpn(hello, &at, &name)) {
        if (span_is(name, wanted))
            return true;
    }
    return false;
}

/* Our order counts; no offer at all goes on without (RFC 7301 §3.2). */
static void negotiate_alpn(struct explanation *e, const struct explain_args *args)
{
    const struct model_rule *rule = e->outer.decision.rule->model;
    const struct model_tls *policy = rule->policy != NULL ? rule->policy : &args->listener->tls;
    const struct client_hello *hello = &e->outer.facts.client_hello;
    if (policy->alpn.count == 0 || hello->alpn.length == 0)
        return;
    for (size_t i = 0; i < policy->alpn.count; i++) {
        if (!is_offered(hello, policy->alpn.item[i]))
            continue;
        e->alpn = span_text(policy->alpn.item[i]);
        return;
    }
    e->alpn_refused = true;
}

static bool look_inside(struct explanation *e, const struct explain_args *args)
{
    const struct decision *decision = &e->outer.decision;
    if (decision->kind != DECISION_RULE || decision->rule->model->tls != TLS_ACTION_TERMINATE)
        return true;
    negotiate_alpn(e, args);
    if (decision->rule->nested == NULL || !args->has_inner || e->alpn_refused)
        return true;
    e->was_asked_inside = true;
    return look(e, args, true);
}

static void look_at_request(struct explanation *e)
{
    const struct rule *rule = explanation_rule(e);
    if (rule != NULL && rule->model->redirect)
        e->redirect = http_head_parse(&e->request, e->outer.facts.bytes);
}

bool explain(struct explanation *ret, const struct explain_args *args)
{
    *ret = (struct explanation){.has_source = args->source != NULL};
    if (ret->has_source)
        ret->source = *args->source;
    meet_proxy(ret, args);
    if (ret->proxy == EXPLAIN_PROXY_MISSING)
        return true;
    if (ret->has_source) /* who is not known cannot be turned away */
        ret->admission = networks_admit(&args->networks, &ret->source);
    if (ret->admission != ADMISSION_GRANTED)
        return true;
    ret->was_asked = true;
    if (!look(ret, args, false))
        return false;
    look_at_request(ret);
    return look_inside(ret, args);
}

static void look_release(struct explain_look *look)
{
    free(look->scratch);
    free(look->steps);
}

void explanation_release(struct explanation *e)
{
    look_release(&e->outer);
    look_release(&e->inner);
}

const struct rule *explanation_rule(const struct explanation *e)
{
    const struct explain_look *last = e->was_asked_inside ? &e->inner : &e->outer;
    return e->was_asked && last->decision.kind == DECISION_RULE ? last->decision.rule : NULL;
}
