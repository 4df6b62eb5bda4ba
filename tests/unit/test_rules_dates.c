/* Rules that hold for a time: at which second they come and go, which ones they shadow, and what
 * explain says of them. The clock is the test's. */
#include "rules_support.h"
#include "suite.h"

#include "base/clock.h"
#include "route/explain.h"

#define NOON UINT64_C(1900000000)

static struct model_rule dated(const char *name, enum tls_action tls, const struct asked *asked,
                               uint64_t from, uint64_t until)
{
    struct model_rule rule = rule_of(name, tls, asked);
    rule.from = from;
    rule.until = until;
    return rule;
}

static const struct asked fix = {.protocol = "fix"}, db = {.sni = "db.example.com"};
static const struct asked named = {.sni = "*.example.com"};

static const char *taken(const struct rules *rules, struct facts facts, uint64_t now)
{
    const struct rule *rule = NULL;
    facts.now = now;
    enum walk walk = rules_walk(rules, &facts, &rule);
    return walk == WALK_RULE ? rule->model->name : walk == WALK_MORE ? "more" : "none";
}

START_TEST(a_rule_holds_from_its_first_second_to_the_last_one_before_its_end)
{
    struct model_rule all[] = {dated("old", TLS_ACTION_PLAIN, NULL, 0, NOON),
                               dated("day", TLS_ACTION_PLAIN, NULL, NOON, NOON + 10),
                               dated("new", TLS_ACTION_PLAIN, NULL, NOON + 20, 0)};
    struct model_listener listener = listener_of(all, COUNT_OF(all));
    struct rules *rules = compiled(&listener);
    struct facts facts = plain_facts("x", false);
    ck_assert_str_eq(taken(rules, facts, 0), "old");
    ck_assert_str_eq(taken(rules, facts, NOON - 1), "old");
    ck_assert_str_eq(taken(rules, facts, NOON), "day");
    ck_assert_str_eq(taken(rules, facts, NOON + 9), "day");
    ck_assert_str_eq(taken(rules, facts, NOON + 10), "none");
    ck_assert_str_eq(taken(rules, facts, NOON + 19), "none");
    ck_assert_str_eq(taken(rules, facts, NOON + 20), "new");
    ck_assert_str_eq(taken(rules, facts, UINT64_MAX), "new");
    rules_free(rules);
}
END_TEST

START_TEST(a_rule_that_the_index_finds_by_name_is_dated_like_any_other)
{
    struct model_rule all[] = {dated("exact", TLS_ACTION_PASSTHROUGH, &db, 0, NOON),
                               dated("wild", TLS_ACTION_PASSTHROUGH, &named, NOON, NOON + 1),
                               rule_of("rest", TLS_ACTION_PASSTHROUGH, NULL)};
    struct model_listener listener = listener_of(all, COUNT_OF(all));
    struct rules *rules = compiled(&listener);
    struct facts facts = tls_facts("db.example.com", "");
    ck_assert_str_eq(taken(rules, facts, NOON - 1), "exact");
    ck_assert_str_eq(taken(rules, facts, NOON), "wild");
    ck_assert_str_eq(taken(rules, facts, NOON + 1), "rest");
    rules_free(rules);
}
END_TEST

START_TEST(a_rule_that_ends_while_it_needs_more_is_not_waited_for)
{
    struct model_rule all[] = {dated("fix", TLS_ACTION_PLAIN, &fix, 0, NOON),
                               rule_of("rest", TLS_ACTION_PLAIN, NULL)};
    struct model_listener listener = listener_of(all, COUNT_OF(all));
    struct rules *rules = compiled(&listener);
    struct facts facts = plain_facts("8=F", false);
    facts.protocol[PROTOCOL_fix] = VERDICT_MORE;
    ck_assert_str_eq(taken(rules, facts, NOON - 1), "more");
    ck_assert_str_eq(taken(rules, facts, NOON), "rest");
    rules_free(rules);
}
END_TEST

START_TEST(a_request_for_tls_is_answered_only_while_its_rule_holds)
{
    struct model_rule rule = dated("pg", TLS_ACTION_PASSTHROUGH, NULL, NOON, NOON + 1);
    rule.starttls = text_of("postgres");
    struct model_listener listener = listener_of(&rule, 1);
    struct rules *rules = compiled(&listener);
    struct facts facts = plain_facts("x", false);
    for (unsigned i = 0; i < 3; i++) {
        facts.now = NOON - 1 + i;
        ck_assert_int_eq(rules_could_starttls(rules, &facts, STARTTLS_postgres), i == 1);
    }
    rules_free(rules);
}
END_TEST

/* --- warnings --------------------------------------------------------------------------------- */

static const struct {
    uint64_t wide_from, wide_until, narrow_from, narrow_until;
    bool shadowed;
} windows[] = {
    {0, 0, 0, 0, true},
    {0, 0, NOON, NOON + 1, true},
    {NOON, 0, NOON, 0, true},
    {0, NOON + 9, NOON, NOON + 9, true},
    {NOON, NOON + 9, NOON + 1, NOON + 8, true},
    {0, NOON, 0, 0, false},
    {NOON, 0, 0, 0, false},
    {0, NOON + 9, 0, NOON + 10, false},
    {NOON, NOON + 9, NOON - 1, NOON + 9, false},
    {NOON, NOON + 9, NOON + 20, NOON + 30, false},
};

START_TEST(a_rule_shadows_only_what_holds_no_longer_than_itself)
{
    struct model_rule all[] = {
        dated("wide", TLS_ACTION_PLAIN, NULL, windows[_i].wide_from, windows[_i].wide_until),
        dated("narrow", TLS_ACTION_PLAIN, &fix, windows[_i].narrow_from, windows[_i].narrow_until)};
    struct model_listener listener = listener_of(all, COUNT_OF(all));
    struct problems *problems = no_problems();
    struct rules *rules;
    problems_set_now(problems, NOON - 5);
    ck_assert(rules_compile(&rules, &listener, problems));
    ck_assert_msg((strstr(lines_of(problems), "never reached") != NULL) == windows[_i].shadowed,
                  "%s", lines_of(problems));
    ck_assert_uint_eq(problems_warnings(problems), windows[_i].shadowed);
    rules_free(rules);
    problems_free(problems);
}
END_TEST

START_TEST(a_rule_that_is_past_is_warned_of)
{
    for (unsigned i = 0; i < 2; i++) {
        struct model_rule rule = dated("rule", TLS_ACTION_PLAIN, NULL, 0, NOON);
        struct model_listener listener = listener_of(&rule, 1);
        struct problems *problems = no_problems();
        struct rules *rules;
        problems_set_now(problems, NOON - 1 + i);
        ck_assert(rules_compile(&rules, &listener, problems));
        ck_assert_uint_eq(problems_warnings(problems), i);
        if (i == 1)
            ck_assert_ptr_nonnull(strstr(lines_of(problems),
                                         "warning: listeners.l.rule.until: the rule is past: it "
                                         "has not held since 2030-03-17T17:46:40Z"));
        rules_free(rules);
        problems_free(problems);
    }
}
END_TEST

/* --- explain ---------------------------------------------------------------------------------- */

START_TEST(explain_tells_which_date_keeps_a_rule_out)
{
    struct model_rule all[] = {dated("old", TLS_ACTION_PLAIN, NULL, 0, NOON),
                               dated("new", TLS_ACTION_PLAIN, NULL, NOON + 1, 0),
                               rule_of("rest", TLS_ACTION_PLAIN, NULL)};
    struct model_listener listener = listener_of(all, COUNT_OF(all));
    listener.max_inspect_bytes = 1024;
    struct rules *rules = compiled(&listener);
    struct explain_args args = {
        .listener = &listener, .rules = rules, .bytes = span_text("x"), .now = NOON};
    struct explanation e;
    ck_assert(explain(&e, &args));
    ck_assert_uint_eq(e.outer.step_count, 3);
    ck_assert_int_eq(e.outer.steps[0].answer, EXPLAIN_NOT_IN_FORCE);
    ck_assert_str_eq(e.outer.steps[0].key, "until");
    ck_assert_int_eq(e.outer.steps[1].answer, EXPLAIN_NOT_IN_FORCE);
    ck_assert_str_eq(e.outer.steps[1].key, "from");
    ck_assert_str_eq(explanation_rule(&e)->model->name, "rest");
    explanation_release(&e);
    args.now = NOON + 1;
    ck_assert(explain(&e, &args));
    ck_assert_str_eq(explanation_rule(&e)->model->name, "new");
    explanation_release(&e);
    rules_free(rules);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rules: dates");
    TCase *t = tcase_create("dates");
    tcase_add_test(t, a_rule_holds_from_its_first_second_to_the_last_one_before_its_end);
    tcase_add_test(t, a_rule_that_the_index_finds_by_name_is_dated_like_any_other);
    tcase_add_test(t, a_rule_that_ends_while_it_needs_more_is_not_waited_for);
    tcase_add_test(t, a_request_for_tls_is_answered_only_while_its_rule_holds);
    tcase_add_loop_test(t, a_rule_shadows_only_what_holds_no_longer_than_itself, 0,
                        (int)COUNT_OF(windows));
    tcase_add_test(t, a_rule_that_is_past_is_warned_of);
    tcase_add_test(t, explain_tells_which_date_keeps_a_rule_out);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
