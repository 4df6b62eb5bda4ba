/* What is told of a connection whose first bytes are gone is what the rules would have said of
 * them.
 */
#include "route/recall.h"
#include "rules_support.h"
#include "suite.h"

#define SOH    "\x01"
#define ROUNDS 20000u

static unsigned char scratch[CLIENT_HELLO_MAX];

static const char *const clients[] = {
    "8=FIX.4.4" SOH "9=60" SOH "35=A" SOH "49=ACME" SOH "56=VENUE" SOH,
    "8=FIX.4.4" SOH "9=60" SOH "35=A" SOH "49=OTHER" SOH,
    "8=FIX.4.2" SOH "9=60" SOH "35=D" SOH "49=ACME" SOH,
    "8=F",
    "SSH-2.0-x\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "hello",
    "he",
    "other",
    "",
};

/* --- what is at hand, and what is left of it -------------------------------------------------- */

static struct facts facts_of(const char *bytes, const struct address *source)
{
    struct facts facts;
    facts_read(&facts, span_text(bytes), true, true, scratch);
    facts.source = source;
    facts.now = 1000;
    facts.starttls = STARTTLS_NONE;
    facts.terminated = false;
    facts.sni = facts.ja4 = NULL;
    facts.alpn = span_of(NULL, 0);
    facts.client_cert = NULL;
    return facts;
}

/* As a session does it: the protocol, if one was certain, and two tags. */
static struct facts left_of(const struct facts *all, struct recalled *recalled)
{
    static const enum fix_tag noted[] = {FIX_SENDER_COMP_ID, FIX_TARGET_COMP_ID};
    enum protocol protocol = facts_protocol(all);
    struct facts left = {.recalled = recalled, .source = all->source, .now = all->now};
    left.silent = left.final = all->silent;
    for (unsigned i = 0; i < PROTOCOL_COUNT; i++)
        left.protocol[i] = left.silent                    ? VERDICT_NO
                           : protocol == PROTOCOL_UNKNOWN ? VERDICT_MORE
                           : i == protocol                ? VERDICT_YES
                                                          : VERDICT_NO;
    left.fix.complete = left.protocol[PROTOCOL_fix] == VERDICT_NO;
    if (left.fix.complete)
        return left;
    left.fix.message = left.fix.valid = VERDICT_MORE;
    for (size_t i = 0; i < COUNT_OF(noted) && all->fix.message != VERDICT_NO; i++) {
        left.fix.has[noted[i]] = all->fix.has[noted[i]];
        left.fix.field[noted[i]] = all->fix.field[noted[i]];
    }
    return left;
}

/* --- rules ------------------------------------------------------------------------------------ */

static const struct model_fix *random_fix(void)
{
    static const char *const senders[] = {"ACME", "OTHER", "ACME OTHER"};
    struct model_fix *fix = keep(calloc(1, sizeof *fix));
    if (pick(3) != 0)
        fix->sender_comp_id = names_of(senders[pick(COUNT_OF(senders))]);
    else
        fix->begin_string = names_of("FIX.4.4");
    return fix;
}

static struct asked random_ask(const struct asked *negated)
{
    static const char *const protocols[] = {"fix", "ssh", "fix http"},
                             *const prefixes[] = {"he", "hello", "hello other", "8=F", "x"},
                             *const networks[] = {"10.0.0.0/8", "127.0.0.0/8", "10.1.0.0/16"};
    struct asked asked = {.negated = negated};
    switch (pick(6)) {
    case 0:
        asked.protocol = protocols[pick(COUNT_OF(protocols))];
        break;
    case 1:
        asked.source = networks[pick(COUNT_OF(networks))];
        break;
    case 2:
        asked.fix = random_fix();
        break;
    case 3:
        asked.silent = pick(2) == 0 ? 1 : -1;
        break;
    default:
        asked.prefix = prefixes[pick(COUNT_OF(prefixes))];
    }
    return asked;
}

static struct model_rule random_rule(unsigned number)
{
    char name[16];
    struct asked inside = random_ask(NULL);
    struct asked asked = random_ask(pick(3) == 0 ? &inside : NULL);
    snprintf(name, sizeof name, "%u", number);
    struct model_rule rule = rule_of(name, TLS_ACTION_PLAIN, pick(6) == 0 ? NULL : &asked);
    if (pick(8) == 0)
        rule.until = pick(2) == 0 ? 500 : 2000;
    return rule;
}

static struct rules *compile(struct model_rule *models, size_t count)
{
    struct model_rule *kept = keep(calloc(count, sizeof *kept));
    struct model_listener *listener = keep(calloc(1, sizeof *listener));
    memcpy(kept, models, count * sizeof *models);
    *listener = listener_of(kept, count);
    return compiled(listener);
}

/* Some of them, in another order, and new ones among them. */
static void change(struct model_rule *rules, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned other = pick(count);
        struct model_rule moved = rules[i];
        if (pick(3) == 0)
            rules[i] = random_rule(i + 10);
        else if (pick(3) == 0) {
            rules[i] = rules[other];
            rules[other] = moved;
        }
    }
}

/* --- the rule that holds ---------------------------------------------------------------------- */

/* 0: can't be told; 1: told. */
static unsigned check_one(const struct rules *then, const struct rules *now, const char *bytes,
                          const struct address *source)
{
    const struct rule *taken, *real, *told;
    const char *key;
    struct facts all = facts_of(bytes, source);
    if (rules_walk(then, &all, &taken) != WALK_RULE)
        return 0;
    struct recalled recalled = {.budget = RECALL_BUDGET};
    struct facts left = left_of(&all, &recalled);
    recalled_set_rules(&recalled, then, taken, &left);
    enum walk walk = rules_walk_recalled(now, &left, &told, &key);
    if (walk == WALK_MORE) {
        ck_assert_ptr_nonnull(told);
        ck_assert_ptr_nonnull(key);
        return 0;
    }
    ck_assert_msg(rules_walk(now, &all, &real) == walk && real == told,
                  "\"%s\": told %s, and it is %s", bytes, told == NULL ? "none" : told->model->name,
                  real == NULL ? "none" : real->model->name);
    return 1;
}

START_TEST(what_is_told_is_what_the_bytes_would_have_led_to)
{
    struct model_rule models[4];
    struct address source;
    unsigned told = 0;
    ck_assert(address_parse(&source, span_text("10.1.2.3:4"), NULL));
    for (unsigned round = 0; round < ROUNDS / 20; round++) {
        for (unsigned i = 0; i < COUNT_OF(models); i++)
            models[i] = random_rule(i);
        struct rules *then = compile(models, COUNT_OF(models));
        change(models, COUNT_OF(models));
        struct rules *now = compile(models, COUNT_OF(models));
        for (size_t i = 0; i < COUNT_OF(clients); i++)
            told += check_one(then, now, clients[i], &source);
        rules_free(then);
        rules_free(now);
    }
    ck_assert_uint_gt(told, ROUNDS / 20 * COUNT_OF(clients) / 3);
}
END_TEST

START_TEST(rules_that_stay_are_always_told)
{
    struct model_rule models[4];
    struct address source;
    ck_assert(address_parse(&source, span_text("10.1.2.3:4"), NULL));
    for (unsigned round = 0; round < ROUNDS / 20; round++) {
        for (unsigned i = 0; i < COUNT_OF(models); i++) {
            models[i] = random_rule(i);
            models[i].until = 0;
        }
        struct rules *then = compile(models, COUNT_OF(models));
        struct rules *now = compile(models, COUNT_OF(models));
        for (size_t i = 0; i < COUNT_OF(clients); i++) {
            const struct rule *taken;
            struct facts all = facts_of(clients[i], &source);
            if (rules_walk(then, &all, &taken) == WALK_RULE)
                ck_assert_uint_eq(check_one(then, now, clients[i], &source), 1);
        }
        rules_free(then);
        rules_free(now);
    }
}
END_TEST

START_TEST(thousands_of_rules_that_stay_are_told)
{
    static struct model_rule models[10000];
    const struct rule *taken, *told;
    const char *key;
    for (unsigned i = 0; i < COUNT_OF(models); i++) {
        char prefix[16], name[16];
        struct asked asked = {.prefix = prefix};
        snprintf(prefix, sizeof prefix, "k%ux", i);
        snprintf(name, sizeof name, "%u", i);
        models[i] = rule_of(name, TLS_ACTION_PLAIN, i + 1 < COUNT_OF(models) ? &asked : NULL);
    }
    struct rules *then = compile(models, COUNT_OF(models)),
                 *now = compile(models, COUNT_OF(models));
    struct facts all = facts_of("hello", NULL);
    ck_assert_int_eq(rules_walk(then, &all, &taken), WALK_RULE);
    struct recalled recalled = {.budget = RECALL_BUDGET};
    struct facts left = left_of(&all, &recalled);
    recalled_set_rules(&recalled, then, taken, &left);
    ck_assert_int_eq(rules_walk_recalled(now, &left, &told, &key), WALK_RULE);
    ck_assert_uint_eq(told->index, taken->index);
    rules_free(then);
    rules_free(now);
}
END_TEST

START_TEST(without_a_budget_nothing_is_deduced)
{
    struct asked he = {.prefix = "he"};
    struct model_rule model = rule_of("he", TLS_ACTION_PLAIN, &he);
    struct rules *then = compile(&model, 1), *now = compile(&model, 1);
    const struct rule *taken, *told;
    const char *key;
    struct facts all = facts_of("hello", NULL);
    ck_assert_int_eq(rules_walk(then, &all, &taken), WALK_RULE);
    struct recalled recalled = {.budget = 1};
    struct facts left = left_of(&all, &recalled);
    recalled_set_rules(&recalled, then, taken, &left);
    ck_assert_int_eq(rules_walk_recalled(now, &left, &told, &key), WALK_MORE);
    ck_assert_str_eq(told->model->name, "he");
    ck_assert_str_eq(key, "prefix");
    recalled.budget = RECALL_BUDGET;
    ck_assert_int_eq(rules_walk_recalled(now, &left, &told, &key), WALK_RULE);
    rules_free(then);
    rules_free(now);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recall");
    TCase *t = tcase_create("recall");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_told_is_what_the_bytes_would_have_led_to);
    tcase_add_test(t, rules_that_stay_are_always_told);
    tcase_add_test(t, thousands_of_rules_that_stay_are_told);
    tcase_add_test(t, without_a_budget_nothing_is_deduced);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
