/* Rules with `starttls`: which hello they see, and whether any could match before it has come. */
#include "rules_support.h"
#include "suite.h"

static const struct asked near = {.source = "10.0.0.0/8"}, far = {.source = "192.0.2.0/24"};
static const struct asked db = {.sni = "db.example.com"}, direct = {.alpn = "postgresql"};
static const struct asked not_near = {.negated = &near}, not_db = {.negated = &db};
static const struct asked far_db = {.source = "192.0.2.0/24", .sni = "db.example.com"};
static const struct asked postgres = {.protocol = "postgres"}, silent = {.silent = 1};
static const struct asked not_postgres = {.negated = &postgres};

static struct model_rule starttls_rule(const char *name, const struct asked *asked)
{
    struct model_rule rule = rule_of(name, TLS_ACTION_PASSTHROUGH, asked);
    rule.starttls = text_of("postgres");
    return rule;
}

static struct rules *compile(const struct model_rule *rules, size_t count)
{
    struct model_rule *kept = keep(calloc(count, sizeof *kept));
    struct model_listener *listener = keep(calloc(1, sizeof *listener));
    memcpy(kept, rules, count * sizeof *kept);
    *listener = listener_of(kept, count);
    return compiled(listener);
}

static const char *taken(const struct rules *rules, const struct facts *facts)
{
    const struct rule *rule = NULL;
    enum walk walk = rules_walk(rules, facts, &rule);
    return walk == WALK_RULE ? rule->model->name : walk == WALK_MORE ? "more" : "none";
}

START_TEST(a_hello_behind_a_request_and_one_from_the_first_byte_see_different_rules)
{
    struct model_rule all[] = {rule_of("direct", TLS_ACTION_PASSTHROUGH, NULL),
                               starttls_rule("db", &db), starttls_rule("rest", &not_db),
                               rule_of("plain", TLS_ACTION_PLAIN, NULL)};
    struct rules *rules = compile(all, COUNT_OF(all));
    struct facts facts = tls_facts("db.example.com", "");
    ck_assert_str_eq(taken(rules, &facts), "direct");
    facts.starttls = STARTTLS_postgres;
    ck_assert_str_eq(taken(rules, &facts), "db");
    facts = tls_facts("other.example.com", "");
    facts.starttls = STARTTLS_postgres;
    ck_assert_str_eq(taken(rules, &facts), "rest");
    rules_free(rules);
}
END_TEST

START_TEST(a_hello_that_no_starttls_rule_takes_is_for_nobody)
{
    struct model_rule all[] = {starttls_rule("db", &db),
                               rule_of("direct", TLS_ACTION_PASSTHROUGH, NULL),
                               rule_of("plain", TLS_ACTION_PLAIN, NULL)};
    struct rules *rules = compile(all, COUNT_OF(all));
    struct facts facts = tls_facts("other.example.com", "");
    facts.starttls = STARTTLS_postgres;
    ck_assert_str_eq(taken(rules, &facts), "none");
    rules_free(rules);
}
END_TEST

START_TEST(behind_a_request_plain_bytes_are_for_nobody)
{
    struct model_rule all[] = {starttls_rule("db", NULL), rule_of("plain", TLS_ACTION_PLAIN, NULL)};
    struct rules *rules = compile(all, COUNT_OF(all));
    struct facts facts = plain_facts("8=FIX", false);
    ck_assert_str_eq(taken(rules, &facts), "plain");
    facts.starttls = STARTTLS_postgres;
    ck_assert_str_eq(taken(rules, &facts), "none");
    facts.tls = VERDICT_MORE;
    ck_assert_str_eq(taken(rules, &facts), "more");
    facts.final = true;
    ck_assert_str_eq(taken(rules, &facts), "none");
    rules_free(rules);
}
END_TEST

START_TEST(nested_rules_see_what_is_inside_whatever_came_before)
{
    struct model_rule inner[] = {rule_of("inner", TLS_ACTION_PLAIN, NULL)};
    struct model_rule outer = rule_of("outer", TLS_ACTION_TERMINATE, NULL);
    outer.starttls = text_of("postgres");
    outer.pool = NULL;
    outer.rules = inner;
    outer.rule_count = 1;
    struct rules *rules = compile(&outer, 1);
    struct facts facts = plain_facts("x", false);
    facts.starttls = STARTTLS_postgres;
    facts.terminated = true;
    ck_assert_str_eq(taken(rules_at(rules, 0)->nested, &facts), "inner");
    rules_free(rules);
}
END_TEST

static const struct {
    const char *name;
    const struct asked *asked;
    bool could;
} hopes[] = {
    {"anything", NULL, true},
    {"a name is still to come", &db, true},
    {"so is an offer", &direct, true},
    {"and what is not a name", &not_db, true},
    {"this source", &near, true},
    {"another source", &far, false},
    {"another source, whatever the name", &far_db, false},
    {"not this source", &not_near, false},
    {"encrypted bytes are of no protocol", &postgres, false},
    {"and so not of this one", &not_postgres, true},
    {"a client that asks is not silent", &silent, false},
};

START_TEST(a_request_is_answered_only_where_a_rule_could_match)
{
    struct model_rule all[] = {starttls_rule(hopes[_i].name, hopes[_i].asked),
                               rule_of("direct", TLS_ACTION_PASSTHROUGH, NULL),
                               rule_of("plain", TLS_ACTION_PLAIN, NULL)};
    struct rules *rules = compile(all, COUNT_OF(all));
    struct address source;
    ck_assert(address_parse(&source, span_text("10.1.2.3:4"), NULL));
    for (unsigned final = 0; final < 2; final++) {
        struct facts facts = plain_facts("\1\2\3", final == 1);
        facts.source = &source;
        facts.protocol[PROTOCOL_postgres] = VERDICT_YES;
        ck_assert_msg(rules_could_starttls(rules, &facts, STARTTLS_postgres) == hopes[_i].could,
                      "%s", hopes[_i].name);
        ck_assert(!rules_could_starttls(rules, &facts, STARTTLS_COUNT));
    }
    rules_free(rules);
}
END_TEST

START_TEST(without_a_starttls_rule_none_could_match)
{
    struct model_rule all[] = {rule_of("direct", TLS_ACTION_PASSTHROUGH, NULL),
                               rule_of("plain", TLS_ACTION_PLAIN, NULL)};
    struct rules *rules = compile(all, COUNT_OF(all));
    struct facts facts = plain_facts("\1\2\3", false);
    ck_assert(!rules_could_starttls(rules, &facts, STARTTLS_postgres));
    rules_free(rules);
}
END_TEST

START_TEST(rules_shadow_each_other_only_where_they_see_the_same)
{
    struct model_rule all[] = {
        rule_of("direct", TLS_ACTION_PASSTHROUGH, NULL), starttls_rule("first", NULL),
        rule_of("plain", TLS_ACTION_PLAIN, NULL), starttls_rule("second", &db)};
    struct model_listener listener = listener_of(all, COUNT_OF(all));
    struct problems *problems = no_problems();
    struct rules *rules = NULL;
    ck_assert(rules_compile(&rules, &listener, problems));
    ck_assert_str_eq(
        lines_of(problems),
        "test.json: warning: listeners.l.second: never reached: first above takes every "
        "connection that it matches\n");
    problems_free(problems);
    rules_free(rules);
}
END_TEST

START_TEST(an_unknown_dialect_is_an_error)
{
    struct model_rule rule = starttls_rule("rule", NULL);
    rule.starttls = text_of("gopher");
    struct model_listener listener = listener_of(&rule, 1);
    struct problems *problems = no_problems();
    struct rules *rules = NULL;
    ck_assert(!rules_compile(&rules, &listener, problems));
    ck_assert_ptr_nonnull(strstr(lines_of(problems), "listeners.l.rule.starttls: "));
    problems_free(problems);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rules with starttls");
    TCase *c = tcase_create("starttls");
    tcase_add_test(c, a_hello_behind_a_request_and_one_from_the_first_byte_see_different_rules);
    tcase_add_test(c, a_hello_that_no_starttls_rule_takes_is_for_nobody);
    tcase_add_test(c, behind_a_request_plain_bytes_are_for_nobody);
    tcase_add_test(c, nested_rules_see_what_is_inside_whatever_came_before);
    tcase_add_loop_test(c, a_request_is_answered_only_where_a_rule_could_match, 0, COUNT_OF(hopes));
    tcase_add_test(c, without_a_starttls_rule_none_could_match);
    tcase_add_test(c, rules_shadow_each_other_only_where_they_see_the_same);
    tcase_add_test(c, an_unknown_dialect_is_an_error);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
