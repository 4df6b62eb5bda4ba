#include "session/outlook.h"

#include "route/recall.h"

#include <stddef.h>
#include <string.h>

/* One session before one listener. */
struct sight {
    const struct session *s;
    const struct listener *listener; /* of the other configuration */
    const struct rule *outer;        /* of the session's own: the one that took the connection */
    struct facts *facts;             /* the engine's */
    struct recalled recalled;
    struct address client;
    struct tls_facts tls;
    struct outlook *ret;
};

/* --- answers ---------------------------------------------------------------------------------- */

static void say_unknown(struct sight *sight, const char *reason)
{
    sight->ret->kind = OUTLOOK_UNKNOWN;
    sight->ret->reason = reason;
}

static void say_end(struct sight *sight, const char *end)
{
    sight->ret->kind = OUTLOOK_OTHER;
    sight->ret->end = end;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

enum tls_action outlook_tls(const struct session *s)
{
    return !s->is_tls      ? TLS_ACTION_PLAIN
           : s->terminates ? TLS_ACTION_TERMINATE
                           : TLS_ACTION_PASSTHROUGH;
}

static void say_rule(struct sight *sight, const struct rule *rule, enum tls_action tls)
{
    const struct model_rule *now = sight->s->rule->model, *then = rule->model;
    bool same = tls == outlook_tls(sight->s) && same_text(now->pool, then->pool) &&
                now->reject == then->reject && now->redirect == then->redirect;
    sight->ret->kind = same ? OUTLOOK_SAME : OUTLOOK_OTHER;
    sight->ret->rule = rule;
    sight->ret->tls = tls;
}

/* --- what is known ---------------------------------------------------------------------------- */

static void recall_fix(struct sight *sight, bool could_be)
{
    struct fix_logon *fix = &sight->facts->fix;
    const struct notes *notes = sight->s->notes;
    const char *sender = notes == NULL ? NULL : notes->fix_sender,
               *target = notes == NULL ? NULL : notes->fix_target;
    fix->complete = !could_be;
    if (!could_be)
        return;
    fix->message = sender != NULL || target != NULL ? VERDICT_YES : VERDICT_MORE;
    fix->valid = VERDICT_MORE;
    fix->has[FIX_SENDER_COMP_ID] = sender != NULL;
    fix->field[FIX_SENDER_COMP_ID] = span_text(sender);
    fix->has[FIX_TARGET_COMP_ID] = target != NULL;
    fix->field[FIX_TARGET_COMP_ID] = span_text(target);
}

/* What a client of one protocol sends makes no other probe say yes. */
static void recall_plain(struct sight *sight, bool silent, enum protocol protocol)
{
    struct facts *facts = sight->facts;
    facts->silent = facts->final = silent;
    for (unsigned i = 0; i < PROTOCOL_COUNT; i++)
        facts->protocol[i] = silent                         ? VERDICT_NO
                             : protocol == PROTOCOL_UNKNOWN ? VERDICT_MORE
                             : i == protocol                ? VERDICT_YES
                                                            : VERDICT_NO;
    recall_fix(sight, facts->protocol[PROTOCOL_fix] != VERDICT_NO);
}

static void begin(struct sight *sight)
{
    struct facts *facts = sight->facts;
    memset(facts, 0, sizeof *facts); /* NO to everything */
    sight->recalled = (struct recalled){.budget = RECALL_BUDGET};
    facts->recalled = &sight->recalled;
    facts->source = &sight->client;
    facts->now = (uint64_t)ev_now(sight->s->engine->loop);
    facts->fix.complete = true;
}

static const struct model_tls *policy_of(const struct listener *listener, const struct rule *rule)
{
    return rule->model->policy != NULL ? rule->model->policy : &listener->model->tls;
}

/* Where the policy has names, who offered some agreed on one. */
static void recall_hello(struct sight *sight)
{
    const struct session *s = sight->s;
    const struct notes *notes = s->notes;
    struct facts *facts = sight->facts;
    facts->tls = facts->hello = VERDICT_YES;
    facts->starttls = (enum starttls)s->starttls;
    facts->sni = notes->sni_is_name ? notes->sni : NULL;
    facts->alpn = span_text(notes->alpn);
    facts->ja4 = notes->ja4;
    sight->recalled.alpn_in_part =
        notes->alpn != NULL ||
        (s->terminates && policy_of(s->listener, sight->outer)->alpn.count == 0);
}

static bool same_list(const struct string_list *a, const struct string_list *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->item[i], b->item[i]) == 0;
    return same;
}

/* What the handshake would tell, as far as the other policy leads to the same one. */
static void recall_handshake(struct sight *sight, const struct model_tls *other)
{
    const struct session *s = sight->s;
    struct facts *facts = sight->facts;
    const struct model_tls *own = policy_of(s->listener, sight->outer);
    bool shaken = session_handshake_us(s) != UINT32_MAX;
    bool asks = other->client_auth.mode != CLIENT_AUTH_NONE;
    bool asked = shaken && own->client_auth.mode != CLIENT_AUTH_NONE;
    sight->recalled.cert_unknown =
        asks && !(asked && same_text(own->client_auth.ca, other->client_auth.ca) &&
                  same_text(own->client_auth.crl, other->client_auth.crl));
    sight->recalled.alpn_in_part = !shaken || !same_list(&own->alpn, &other->alpn);
    if (shaken) {
        tls_get_facts(&s->client, &sight->tls);
        facts->client_cert = asks ? sight->tls.client_cert : NULL;
        facts->alpn = sight->recalled.alpn_in_part ? span_of(NULL, 0) : sight->tls.alpn;
    }
}

static void recall_inner(struct sight *sight, const struct model_tls *policy)
{
    const struct session *s = sight->s;
    begin(sight);
    recall_handshake(sight, policy);
    sight->facts->terminated = true;
    sight->facts->sni = s->notes->sni_is_name ? s->notes->sni : NULL;
    sight->facts->ja4 = s->notes->ja4;
    recall_plain(sight, s->inner_silent,
                 s->inner_known ? (enum protocol)s->inner_protocol : PROTOCOL_UNKNOWN);
}

/* --- asking ----------------------------------------------------------------------------------- */

/* NULL: it was answered. */
static const struct rule *walk(struct sight *sight, const struct rules *rules)
{
    const struct rule *rule;
    const char *key;
    switch (rules_walk_recalled(rules, sight->facts, &rule, &key)) {
    case WALK_RULE:
        return rule;
    case WALK_NONE:
        say_end(sight, "no rule");
        return NULL;
    default:
        say_unknown(sight, "the first bytes are not kept");
        sight->ret->unclear = rule == NULL ? NULL : rule->model->name;
        sight->ret->key = key;
        return NULL;
    }
}

static void ask_inside(struct sight *sight, const struct rule *outer)
{
    const struct session *s = sight->s;
    recall_inner(sight, policy_of(sight->listener, outer));
    if (s->rule != sight->outer)
        recalled_set_rules(&sight->recalled, sight->outer->nested, s->rule, sight->facts);
    const struct rule *rule = walk(sight, outer->nested);
    if (rule != NULL)
        say_rule(sight, rule, TLS_ACTION_TERMINATE);
}

static void ask_outside(struct sight *sight)
{
    recalled_set_rules(&sight->recalled, sight->s->listener->rules, sight->outer, sight->facts);
    const struct rule *rule = walk(sight, sight->listener->rules);
    if (rule != NULL && rule->nested != NULL)
        ask_inside(sight, rule);
    else if (rule != NULL)
        say_rule(sight, rule, rule->model->tls);
}

/* --- before the rules ------------------------------------------------------------------------- */

static const struct listener *find_listener(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        if (strcmp(snapshot->listeners[i].model->name, name) == 0)
            return &snapshot->listeners[i];
    return NULL;
}

/* A rule's index is followed by those of the rules inside it. */
static const struct rule *outer_of(const struct session *s)
{
    const struct rule *outer = NULL;
    size_t at = 0;
    while (at <= s->rule->index) {
        outer = rules_at(s->listener->rules, (unsigned)at);
        at = outer->index + outer->model->rule_count + 1;
    }
    return outer;
}

static bool same_networks(const struct cidr_list *a, const struct cidr_list *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = memcmp(&a->item[i], &b->item[i], sizeof a->item[i]) == 0;
    return same;
}

/* Of a client behind a proxy only its own address is known, of any other only that it sent no
 * header that counted. */
static const char *doubt_of_proxy(const struct sight *sight)
{
    const struct session *s = sight->s;
    const struct networks *networks = &sight->listener->networks;
    if (same_networks(&s->listener->model->accept_proxy, &sight->listener->model->accept_proxy))
        return NULL;
    bool may_be_header = !s->is_tls && !s->is_silent && s->protocol == PROTOCOL_UNKNOWN;
    if (s->trusted_proxy || networks_expect_proxy(networks, &sight->client) ||
        (networks_guard_proxy(networks) && may_be_header))
        return "accept_proxy is another";
    return NULL;
}

/* Bytes in which a client asks for TLS are plain where no rule answers them, and the other way
 * round. */
static bool is_asked_otherwise(const struct sight *sight, enum starttls dialect)
{
    const struct session *s = sight->s;
    if (s->is_tls)
        return s->starttls == dialect &&
               !rules_could_starttls(sight->listener->rules, sight->facts, dialect);
    return sight->facts->protocol[PROTOCOL_postgres] != VERDICT_NO &&
           !rules_could_starttls(s->listener->rules, sight->facts, dialect) &&
           rules_could_starttls(sight->listener->rules, sight->facts, dialect);
}

static const char *doubt_of_starttls(const struct sight *sight)
{
    for (unsigned i = STARTTLS_NONE + 1; i < STARTTLS_COUNT; i++)
        if (is_asked_otherwise(sight, (enum starttls)i))
            return "starttls is answered by other rules";
    return NULL;
}

static const char *doubt_of_session(const struct session *s)
{
    bool deciding = s->rule == NULL || s->phase == PHASE_HANDSHAKE || s->phase == PHASE_INSPECT;
    if (deciding && (s->rule == NULL || s->rule->nested != NULL))
        return "it is not decided yet";
    return s->is_tls && s->notes == NULL ? "its names were not noted" : NULL;
}

static const char *doubt_of(const struct sight *sight)
{
    const char *doubt = doubt_of_proxy(sight);
    return doubt != NULL ? doubt : doubt_of_starttls(sight);
}

static void look(struct sight *sight)
{
    const struct session *s = sight->s;
    begin(sight);
    if (s->is_tls)
        recall_hello(sight);
    else
        recall_plain(sight, s->is_silent, (enum protocol)s->protocol);
    const char *doubt = doubt_of(sight);
    if (doubt != NULL)
        say_unknown(sight, doubt);
    else if (networks_admit(&sight->listener->networks, &sight->client) != ADMISSION_GRANTED)
        say_end(sight, "denied");
    else
        ask_outside(sight);
}

void outlook_find(const struct session *s, const struct snapshot *other, struct outlook *ret)
{
    struct sight sight = {.s = s,
                          .listener = find_listener(other, session_model(s)->name),
                          .facts = s->engine->facts,
                          .client = address_from_ip(&s->client_ip),
                          .ret = ret};
    *ret = (struct outlook){.kind = OUTLOOK_SAME};
    const char *doubt = doubt_of_session(s);
    if (sight.listener == NULL) {
        say_end(&sight, "listener gone");
    } else if (doubt != NULL) {
        say_unknown(&sight, doubt);
    } else {
        sight.outer = outer_of(s);
        look(&sight);
    }
}
