#include "rules_support.h"
#include "suite.h"

/* The rule's name, or what the walk said instead. */
static const char *taken(const struct rules *rules, const struct facts *facts)
{
    const struct rule *rule = NULL;
    switch (rules_walk(rules, facts, &rule)) {
    case WALK_RULE:
        return rule->model->name;
    case WALK_NONE:
        ck_assert_ptr_null(rule);
        return "none";
    case WALK_MORE:
        ck_assert_ptr_null(rule);
        return "more";
    }
    return "?";
}

static const struct asked fix = {.protocol = "fix"}, http = {.protocol = "http"};
static const struct asked silent = {.silent = 1}, not_fix = {.negated = &fix};
static const struct asked db = {.sni = "db.example.com"}, wild = {.sni = "*.example.com"};

/* --- which rules are asked ------------------------------------------------------------------- */

static struct rules *combined(void)
{
    struct model_rule rules[] = {
        rule_of("db", TLS_ACTION_PASSTHROUGH, &db),
        rule_of("fix", TLS_ACTION_PLAIN, &fix),
        rule_of("tls", TLS_ACTION_TERMINATE, NULL),
        rule_of("plain", TLS_ACTION_PLAIN, NULL),
    };
    struct model_rule *kept = keep(calloc(COUNT_OF(rules), sizeof *kept));
    struct model_listener *listener = keep(calloc(1, sizeof *listener));
    memcpy(kept, rules, sizeof rules);
    *listener = listener_of(kept, COUNT_OF(rules));
    return compiled(listener);
}

START_TEST(a_tls_connection_is_asked_of_rules_with_tls_only)
{
    struct rules *rules = combined();
    struct facts facts = tls_facts("db.example.com", "");
    ck_assert_str_eq(taken(rules, &facts), "db");
    facts = tls_facts("other.example.com", "");
    ck_assert_str_eq(taken(rules, &facts), "tls");
    facts = tls_facts(NULL, "");
    ck_assert_str_eq(taken(rules, &facts), "tls");
    rules_free(rules);
}
END_TEST

START_TEST(a_plain_connection_is_asked_of_rules_without_tls_only)
{
    struct rules *rules = combined();
    struct facts facts = plain_facts("8", false);
    facts.protocol[PROTOCOL_fix] = VERDICT_MORE;
    ck_assert_str_eq(taken(rules, &facts), "more");
    facts.protocol[PROTOCOL_fix] = VERDICT_YES;
    ck_assert_str_eq(taken(rules, &facts), "fix");
    facts.protocol[PROTOCOL_fix] = VERDICT_NO;
    ck_assert_str_eq(taken(rules, &facts), "plain");
    rules_free(rules);
}
END_TEST

START_TEST(tls_bytes_never_reach_a_plain_rule)
{
    struct model_rule all[] = {rule_of("plain", TLS_ACTION_PLAIN, NULL)};
    struct model_listener listener = listener_of(all, 1);
    struct rules *rules = compiled(&listener);
    struct facts facts = tls_facts("db.example.com", "");
    ck_assert_str_eq(taken(rules, &facts), "none");
    facts.final = true;
    ck_assert_str_eq(taken(rules, &facts), "none");
    rules_free(rules);
}
END_TEST

static const struct {
    enum verdict tls, hello;
    bool final;
    const char *answer;
} kinds[] = {
    {VERDICT_MORE, VERDICT_NO, false, "more"},    {VERDICT_MORE, VERDICT_NO, true, "plain"},
    {VERDICT_YES, VERDICT_MORE, false, "more"},   {VERDICT_YES, VERDICT_MORE, true, "none"},
    {VERDICT_YES, VERDICT_BROKEN, false, "none"}, {VERDICT_YES, VERDICT_BROKEN, true, "none"},
    {VERDICT_YES, VERDICT_YES, false, "tls"},     {VERDICT_NO, VERDICT_NO, false, "plain"},
};

START_TEST(the_kind_of_the_bytes_comes_first)
{
    struct rules *rules = combined();
    struct facts facts = {.tls = kinds[_i].tls, .hello = kinds[_i].hello, .final = kinds[_i].final};
    ck_assert_str_eq(taken(rules, &facts), kinds[_i].answer);
    rules_free(rules);
}
END_TEST

/* --- order ----------------------------------------------------------------------------------- */

START_TEST(the_first_rule_that_matches_wins)
{
    struct model_rule all[] = {rule_of("wild", TLS_ACTION_PASSTHROUGH, &wild),
                               rule_of("db", TLS_ACTION_PASSTHROUGH, &db)};
    struct model_listener listener = listener_of(all, 2);
    struct rules *rules = compiled(&listener);
    struct facts facts = tls_facts("db.example.com", "");
    ck_assert_str_eq(taken(rules, &facts), "wild");
    rules_free(rules);
}
END_TEST

START_TEST(a_rule_that_needs_more_is_not_overtaken)
{
    struct model_rule all[] = {rule_of("http", TLS_ACTION_PLAIN, &http),
                               rule_of("fix", TLS_ACTION_PLAIN, &fix)};
    struct model_listener listener = listener_of(all, 2);
    struct rules *rules = compiled(&listener);
    struct facts facts = plain_facts("8=FIX.4.4|", false);
    facts.protocol[PROTOCOL_http] = VERDICT_MORE;
    facts.protocol[PROTOCOL_fix] = VERDICT_YES;
    ck_assert_str_eq(taken(rules, &facts), "more");
    facts.protocol[PROTOCOL_http] = VERDICT_NO;
    ck_assert_str_eq(taken(rules, &facts), "fix");
    facts.protocol[PROTOCOL_http] = VERDICT_MORE;
    facts.final = true;
    ck_assert_str_eq(taken(rules, &facts), "fix");
    rules_free(rules);
}
END_TEST

START_TEST(an_earlier_rule_that_matches_does_not_wait_for_a_later_one)
{
    struct model_rule all[] = {rule_of("fix", TLS_ACTION_PLAIN, &fix),
                               rule_of("http", TLS_ACTION_PLAIN, &http)};
    struct model_listener listener = listener_of(all, 2);
    struct rules *rules = compiled(&listener);
    struct facts facts = plain_facts("8=FIX.4.4|", false);
    facts.protocol[PROTOCOL_fix] = VERDICT_YES;
    facts.protocol[PROTOCOL_http] = VERDICT_MORE;
    ck_assert_str_eq(taken(rules, &facts), "fix");
    rules_free(rules);
}
END_TEST

START_TEST(at_the_end_not_holds_for_what_was_never_decided)
{
    struct model_rule all[] = {rule_of("not", TLS_ACTION_PLAIN, &not_fix),
                               rule_of("plain", TLS_ACTION_PLAIN, NULL)};
    struct model_listener listener = listener_of(all, 2);
    struct rules *rules = compiled(&listener);
    struct facts facts = plain_facts("8=F", false);
    facts.protocol[PROTOCOL_fix] = VERDICT_MORE;
    ck_assert_str_eq(taken(rules, &facts), "more");
    facts.final = true;
    ck_assert_str_eq(taken(rules, &facts), "not");
    rules_free(rules);
}
END_TEST

START_TEST(a_silent_client_is_taken_at_the_end_only)
{
    struct model_rule all[] = {rule_of("silent", TLS_ACTION_PLAIN, &silent),
                               rule_of("plain", TLS_ACTION_PLAIN, NULL)};
    struct model_listener listener = listener_of(all, 2);
    struct rules *rules = compiled(&listener);
    struct facts facts = {.tls = VERDICT_MORE};
    ck_assert_str_eq(taken(rules, &facts), "more");
    facts = plain_facts("x", false);
    ck_assert_str_eq(taken(rules, &facts), "plain");
    facts = (struct facts){.tls = VERDICT_MORE, .final = true, .silent = true};
    ck_assert_str_eq(taken(rules, &facts), "silent");
    rules_free(rules);
}
END_TEST

START_TEST(no_rule_is_an_answer_as_soon_as_all_said_no)
{
    struct model_rule all[] = {rule_of("fix", TLS_ACTION_PLAIN, &fix)};
    struct model_listener listener = listener_of(all, 1);
    struct rules *rules = compiled(&listener);
    struct facts facts = plain_facts("GET / HTTP/1.1", false);
    ck_assert_str_eq(taken(rules, &facts), "none");
    rules_free(rules);
}
END_TEST

/* The real inspection, byte by byte: decided on the first byte that allows it. */
START_TEST(a_decision_falls_on_the_first_byte_that_allows_it)
{
    static unsigned char scratch[CLIENT_HELLO_MAX];
    static const char logon[] = "8=FIX.4.4\0019=65\00135=A\001";
    struct rules *rules = combined();
    for (size_t have = 0; have < sizeof logon; have++) {
        struct facts facts = {0};
        facts_read(&facts, span_of(logon, have), false, true, scratch);
        const char *answer = taken(rules, &facts);
        ck_assert_str_eq(answer, facts.protocol[PROTOCOL_fix] == VERDICT_YES ? "fix" : "more");
        facts_read(&facts, span_of(logon, have), true, true, scratch);
        ck_assert(strcmp(taken(rules, &facts), "more") != 0);
    }
    struct facts facts = {0};
    facts_read(&facts, span_of(logon, sizeof logon - 1), false, true, scratch);
    ck_assert_str_eq(taken(rules, &facts), "fix");
    facts_read(&facts, span_text("x"), false, true, scratch);
    ck_assert_str_eq(taken(rules, &facts), "plain");
    facts_read(&facts, span_text("\x16\x03\x01"), false, true, scratch);
    ck_assert_str_eq(taken(rules, &facts), "more");
    facts_read(&facts, span_text("\x16\x03\x01"), true, true, scratch);
    ck_assert_str_eq(taken(rules, &facts), "plain");
    rules_free(rules);
}
END_TEST

/* --- nested rules ---------------------------------------------------------------------------- */

static struct model_rule terminating(struct model_rule *inner, size_t count)
{
    struct model_rule rule = rule_of("outer", TLS_ACTION_TERMINATE, NULL);
    rule.pool = NULL;
    rule.rules = inner;
    rule.rule_count = count;
    return rule;
}

START_TEST(nested_rules_ask_the_handshake_and_the_decrypted_bytes)
{
    struct asked h2 = {.alpn = "h2"}, name = {.sni = "*.example.com", .protocol = "fix"};
    struct asked near = {.source = "10.0.0.0/8"};
    struct model_rule inner[] = {rule_of("h2", TLS_ACTION_PLAIN, &h2),
                                 rule_of("name", TLS_ACTION_PLAIN, &name),
                                 rule_of("near", TLS_ACTION_PLAIN, &near)};
    struct model_rule all[] = {terminating(inner, COUNT_OF(inner))};
    struct model_listener listener = listener_of(all, 1);
    struct rules *rules = compiled(&listener);
    const struct rules *nested = rules_at(rules, 0)->nested;
    struct facts facts = plain_facts("", false);
    struct address source;
    ck_assert_ptr_nonnull(nested);
    ck_assert(address_parse(&source, span_text("10.1.1.1:5"), NULL));
    facts.terminated = true;
    facts.source = &source;
    facts.alpn = span_text("h2");
    ck_assert_str_eq(taken(nested, &facts), "h2");
    facts.alpn = span_text("http/1.1");
    facts.sni = "a.example.com";
    facts.protocol[PROTOCOL_fix] = VERDICT_MORE;
    ck_assert_str_eq(taken(nested, &facts), "more");
    facts.protocol[PROTOCOL_fix] = VERDICT_YES;
    ck_assert_str_eq(taken(nested, &facts), "name");
    facts.sni = NULL;
    ck_assert_str_eq(taken(nested, &facts), "near");
    rules_free(rules);
}
END_TEST

START_TEST(no_match_in_nested_rules_is_none)
{
    struct model_rule inner[] = {rule_of("fix", TLS_ACTION_PLAIN, &fix)};
    struct model_rule all[] = {terminating(inner, 1), rule_of("rest", TLS_ACTION_PLAIN, NULL)};
    struct model_listener listener = listener_of(all, 2);
    struct rules *rules = compiled(&listener);
    struct facts facts = plain_facts("GET", false);
    facts.terminated = true;
    ck_assert_str_eq(taken(rules_at(rules, 0)->nested, &facts), "none");
    rules_free(rules);
}
END_TEST

START_TEST(indices_are_dense_and_count_nested_rules)
{
    struct model_rule inner[] = {rule_of("a", TLS_ACTION_PLAIN, &fix),
                                 rule_of("b", TLS_ACTION_PLAIN, NULL)};
    struct model_rule all[] = {rule_of("first", TLS_ACTION_PASSTHROUGH, &db), terminating(inner, 2),
                               rule_of("last", TLS_ACTION_PLAIN, NULL)};
    static const char *const order[] = {"first", "outer", "a", "b", "last"};
    struct model_listener listener = listener_of(all, COUNT_OF(all));
    struct rules *rules = compiled(&listener);
    ck_assert_uint_eq(rules_count(rules), COUNT_OF(order));
    for (unsigned i = 0; i < COUNT_OF(order); i++) {
        ck_assert_uint_eq(rules_at(rules, i)->index, i);
        ck_assert_str_eq(rules_at(rules, i)->model->name, order[i]);
    }
    ck_assert_ptr_null(rules_at(rules, 0)->nested);
    ck_assert_ptr_null(rules_at(rules, COUNT_OF(order)));
    rules_free(rules);
}
END_TEST

/* --- watching -------------------------------------------------------------------------------- */

static void note(void *context, const struct rule *rule, enum verdict answer, const char *key)
{
    (void)key;
    static const char *const words[] = {"no", "yes", "more", "broken"};
    char *all = context;
    snprintf(all + strlen(all), 200 - strlen(all), "%s=%s ", rule->model->name, words[answer]);
}

START_TEST(a_watched_walk_shows_each_rule_that_was_asked)
{
    static const struct asked x = {.prefix = "X"};
    struct model_rule all[] = {
        rule_of("x", TLS_ACTION_PLAIN, &x), rule_of("fix", TLS_ACTION_PLAIN, &fix),
        rule_of("tls", TLS_ACTION_TERMINATE, NULL), rule_of("plain", TLS_ACTION_PLAIN, NULL)};
    struct model_listener listener = listener_of(all, COUNT_OF(all));
    struct rules *rules = compiled(&listener);
    struct facts facts = plain_facts("G", false);
    const struct rule *rule;
    char steps[200] = "";
    ck_assert_int_eq(rules_walk_trace(rules, &facts, note, steps, &rule), WALK_RULE);
    ck_assert_str_eq(steps, "x=no plain=yes "); /* the index has left out fix ... */
    ck_assert_str_eq(rules_why_not(rules, &facts, rules_at(rules, 1)), "protocol"); /* ... for it */
    steps[0] = '\0';
    facts.protocol[PROTOCOL_fix] = VERDICT_MORE;
    ck_assert_int_eq(rules_walk_trace(rules, &facts, note, steps, &rule), WALK_MORE);
    ck_assert_str_eq(steps, "x=no fix=more ");
    steps[0] = '\0';
    facts = tls_facts("x.example.com", "");
    ck_assert_int_eq(rules_walk_trace(rules, &facts, note, steps, &rule), WALK_RULE);
    ck_assert_str_eq(steps, "tls=yes ");
    rules_free(rules);
}
END_TEST

/* --- what is refused, and what is warned of -------------------------------------------------- */

static const struct asked tls_protocol = {.protocol = "fix tls"}, typo = {.protocol = "htpp"};
static const struct asked odd = {.protocol = "gopher-plus"};
static const struct asked not_db = {.negated = &db};

static const struct {
    enum tls_action tls;
    const struct asked *asked;
    const char *line;
} refused[] = {
    {TLS_ACTION_PLAIN, &tls_protocol,
     "rules[0].match.protocol[1]: \"tls\" is not a plain protocol"},
    {TLS_ACTION_PLAIN, &typo,
     "rules[0].match.protocol[0]: no protocol named \"htpp\" (did you mean \"http\"?)\n"},
    {TLS_ACTION_PLAIN, &odd, "rules[0].match.protocol[0]: no protocol named \"gopher-plus\"\n"},
};

START_TEST(what_a_rule_cannot_ask_is_an_error_at_its_place)
{
    struct model_rule all[] = {rule_of("rules[0]", refused[_i].tls, refused[_i].asked)};
    struct model_listener listener = listener_of(all, 1);
    struct problems *problems = no_problems();
    struct rules *rules = NULL;
    ck_assert(!rules_compile(&rules, &listener, problems));
    ck_assert_ptr_null(rules);
    ck_assert_uint_eq(problems_errors(problems), 1);
    ck_assert_msg(strstr(lines_of(problems), refused[_i].line) != NULL, "%s", lines_of(problems));
    problems_free(problems);
}
END_TEST

START_TEST(all_errors_are_reported_at_once)
{
    struct model_rule all[] = {rule_of("rules[0]", TLS_ACTION_PLAIN, &typo),
                               rule_of("rules[1]", TLS_ACTION_PLAIN, &odd),
                               rule_of("rules[2]", TLS_ACTION_PLAIN, &typo)};
    struct model_listener listener = listener_of(all, 3);
    struct problems *problems = no_problems();
    struct rules *rules;
    ck_assert(!rules_compile(&rules, &listener, problems));
    ck_assert_uint_eq(problems_errors(problems), 3);
    problems_free(problems);
}
END_TEST

static const struct asked deep_wild = {.sni = "a.b.example.com *.db.example.com"};
static const struct asked elsewhere = {.sni = "db.example.org"};
static const struct asked near_fix = {.protocol = "fix", .source = "10.0.0.0/8"};

static const struct {
    enum tls_action first_tls, second_tls;
    const struct asked *first, *second;
    bool warned;
} shadows[] = {
    {TLS_ACTION_PLAIN, TLS_ACTION_PLAIN, NULL, &fix, true},
    {TLS_ACTION_PLAIN, TLS_ACTION_PLAIN, &fix, NULL, false},
    {TLS_ACTION_PLAIN, TLS_ACTION_PLAIN, &fix, &near_fix, true},
    {TLS_ACTION_PLAIN, TLS_ACTION_PLAIN, &near_fix, &fix, false},
    {TLS_ACTION_PLAIN, TLS_ACTION_TERMINATE, NULL, NULL, false},
    {TLS_ACTION_TERMINATE, TLS_ACTION_PLAIN, NULL, NULL, false},
    {TLS_ACTION_TERMINATE, TLS_ACTION_PASSTHROUGH, NULL, &db, true},
    {TLS_ACTION_TERMINATE, TLS_ACTION_PASSTHROUGH, &wild, &db, true},
    {TLS_ACTION_TERMINATE, TLS_ACTION_PASSTHROUGH, &wild, &deep_wild, true},
    {TLS_ACTION_TERMINATE, TLS_ACTION_PASSTHROUGH, &wild, &elsewhere, false},
    {TLS_ACTION_TERMINATE, TLS_ACTION_PASSTHROUGH, &db, &wild, false},
    {TLS_ACTION_TERMINATE, TLS_ACTION_PASSTHROUGH, &db, &db, true},
    {TLS_ACTION_TERMINATE, TLS_ACTION_PASSTHROUGH, &db, NULL, false},
    {TLS_ACTION_TERMINATE, TLS_ACTION_PASSTHROUGH, &not_db, &not_db, true},
};

START_TEST(a_rule_that_an_earlier_one_shadows_is_warned_of)
{
    struct model_rule all[] = {rule_of("rules[0]", shadows[_i].first_tls, shadows[_i].first),
                               rule_of("rules[1]", shadows[_i].second_tls, shadows[_i].second)};
    struct model_listener listener = listener_of(all, 2);
    struct problems *problems = no_problems();
    struct rules *rules = NULL;
    ck_assert(rules_compile(&rules, &listener, problems));
    ck_assert_uint_eq(problems_warnings(problems), shadows[_i].warned ? 1 : 0);
    if (shadows[_i].warned)
        ck_assert_ptr_nonnull(strstr(lines_of(problems), "rules[1]: never reached: rules[0] "));
    rules_free(rules);
    problems_free(problems);
}
END_TEST

START_TEST(nested_rules_shadow_each_other_too)
{
    struct model_rule inner[] = {rule_of("all", TLS_ACTION_PLAIN, NULL),
                                 rule_of("late", TLS_ACTION_PLAIN, &fix)};
    struct model_rule all[] = {terminating(inner, 2)};
    struct model_listener listener = listener_of(all, 1);
    struct problems *problems = no_problems();
    struct rules *rules = NULL;
    ck_assert(rules_compile(&rules, &listener, problems));
    ck_assert_uint_eq(problems_warnings(problems), 1);
    ck_assert_ptr_nonnull(strstr(lines_of(problems), "late: never reached: all "));
    rules_free(rules);
    problems_free(problems);
}
END_TEST

START_TEST(a_tls_rule_that_asks_for_a_protocol_is_warned_of)
{
    struct model_rule all[] = {rule_of("rules[0]", TLS_ACTION_PASSTHROUGH, &fix),
                               rule_of("rules[1]", TLS_ACTION_PASSTHROUGH, &silent)};
    struct model_listener listener = listener_of(all, 2);
    struct problems *problems = no_problems();
    struct rules *rules = NULL;
    ck_assert(rules_compile(&rules, &listener, problems));
    ck_assert_uint_eq(problems_warnings(problems), 2);
    ck_assert_ptr_nonnull(strstr(lines_of(problems), "rules[0].match.protocol: "));
    ck_assert_ptr_nonnull(strstr(lines_of(problems), "rules[1].match.silent: "));
    rules_free(rules);
    problems_free(problems);
}
END_TEST

START_TEST(a_rule_over_raw_bytes_needs_the_very_next_one)
{
    struct asked text = {.prefix = "8=FIXX"}, protocol = {.protocol = "fix"};
    struct asked not_text = {.negated = &text};
    const struct asked *const asked[] = {&text, &not_text};
    struct facts facts = plain_facts("8=FIX.4", false);
    facts.fix = (struct fix_logon){.message = VERDICT_MORE, .need = 5000};
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        struct model_rule rules[] = {rule_of("rules[0]", TLS_ACTION_PLAIN, asked[i])};
        struct model_listener listener = listener_of(rules, 1);
        struct rules *compiled_rules = compiled(&listener);
        ck_assert_uint_eq(rules_need(compiled_rules, &facts), 8);
        rules_free(compiled_rules);
    }
    struct model_rule rules[] = {rule_of("rules[0]", TLS_ACTION_PLAIN, &protocol)};
    struct model_listener listener = listener_of(rules, 1);
    struct rules *compiled_rules = compiled(&listener);
    ck_assert_uint_eq(rules_need(compiled_rules, &facts), 5000);
    rules_free(compiled_rules);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rules");
    TCase *c = tcase_create("rules");
    tcase_add_test(c, a_tls_connection_is_asked_of_rules_with_tls_only);
    tcase_add_test(c, a_plain_connection_is_asked_of_rules_without_tls_only);
    tcase_add_test(c, tls_bytes_never_reach_a_plain_rule);
    tcase_add_loop_test(c, the_kind_of_the_bytes_comes_first, 0, COUNT_OF(kinds));
    tcase_add_test(c, the_first_rule_that_matches_wins);
    tcase_add_test(c, a_rule_that_needs_more_is_not_overtaken);
    tcase_add_test(c, an_earlier_rule_that_matches_does_not_wait_for_a_later_one);
    tcase_add_test(c, at_the_end_not_holds_for_what_was_never_decided);
    tcase_add_test(c, a_silent_client_is_taken_at_the_end_only);
    tcase_add_test(c, no_rule_is_an_answer_as_soon_as_all_said_no);
    tcase_add_test(c, a_decision_falls_on_the_first_byte_that_allows_it);
    tcase_add_test(c, nested_rules_ask_the_handshake_and_the_decrypted_bytes);
    tcase_add_test(c, no_match_in_nested_rules_is_none);
    tcase_add_test(c, indices_are_dense_and_count_nested_rules);
    tcase_add_test(c, a_watched_walk_shows_each_rule_that_was_asked);
    tcase_add_loop_test(c, what_a_rule_cannot_ask_is_an_error_at_its_place, 0, COUNT_OF(refused));
    tcase_add_test(c, all_errors_are_reported_at_once);
    tcase_add_loop_test(c, a_rule_that_an_earlier_one_shadows_is_warned_of, 0, COUNT_OF(shadows));
    tcase_add_test(c, nested_rules_shadow_each_other_too);
    tcase_add_test(c, a_tls_rule_that_asks_for_a_protocol_is_warned_of);
    tcase_add_test(c, a_rule_over_raw_bytes_needs_the_very_next_one);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
