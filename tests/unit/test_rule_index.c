/* The index over what rules ask for leaves out no rule that would have answered yes or more, and
 * next to all that would have said no. */
#include "../../src/route/match.h"
#include "rules_support.h"
#include "suite.h"

#define MANY 10000u

#define LOGON                                                                                      \
    "8=FIX.4.4\0019=67\00135=A\00149=FIRM1\00156=VENUE\00134=1\00152=20260101-00:00:00\00198=0"    \
    "\001108=30\00110=000\001"

static const char *one_of(const char *const *words, size_t count)
{
    return words[pick((unsigned)count)];
}

#define ONE_OF(words) one_of(words, COUNT_OF(words))

static const char *const networks[] = {"10.0.0.0/8",   "10.9.0.0/16",    "10.9.8.7",
                                       "192.0.2.0/24", "2001:db8::/32",  "0.0.0.0/0",
                                       "::/0",         "10.9.8.0/27 ::1"};
static const char *const firms[] = {"FIRM1", "FIRM2", "FIRM1 FIRM3", "VENUE", "firm1"};
static const char *const protocols[] = {"fix", "http", "ssh", "http ssh", "mqtt", "fix postgres"};
static const char *const prefixes[] = {"8=FIX", "GET", "X", "SSH-2.0-"};

static void ask_fix(struct model_fix *fix)
{
    *fix = (struct model_fix){.present = true};
    if (pick(2) == 0)
        fix->sender_comp_id = names_of(ONE_OF(firms));
    if (pick(3) == 0)
        fix->target_comp_id = names_of(ONE_OF(firms));
    if (pick(6) == 0)
        fix->username = names_of("someone");
    if (pick(4) == 0)
        fix->has_valid = fix->valid = true;
}

static void ask_something(struct asked *asked, struct model_fix *fix)
{
    *asked = (struct asked){.silent = pick(12) == 0 ? 1 : 0};
    if (pick(3) == 0)
        asked->source = ONE_OF(networks);
    if (pick(3) == 0)
        asked->protocol = ONE_OF(protocols);
    if (pick(5) == 0)
        asked->prefix = ONE_OF(prefixes);
    if (pick(3) == 0) {
        ask_fix(fix);
        asked->fix = fix;
    }
}

static struct model_rule random_rule(unsigned number)
{
    char name[32];
    struct asked asked, negated;
    struct model_fix fix, other;
    snprintf(name, sizeof name, "rules[%u]", number);
    ask_something(&asked, &fix);
    ask_something(&negated, &other);
    if (pick(4) == 0)
        asked.negated = &negated;
    struct model_rule rule = rule_of(name, TLS_ACTION_PLAIN, &asked);
    return rule;
}

/* Every rule in order, by its match alone. */
static enum walk ask_each(const struct match *matches, size_t count, const struct facts *facts,
                          size_t *ret)
{
    struct question question = {.facts = facts};
    for (*ret = 0; *ret < count; (*ret)++) {
        enum verdict answer = match_ask(&matches[*ret], &question);
        if (answer != VERDICT_NO)
            return answer == VERDICT_YES ? WALK_RULE : WALK_MORE;
    }
    return WALK_NONE;
}

static void compare(const struct rules *rules, const struct model_rule *models,
                    const struct match *matches, size_t count, const struct facts *facts)
{
    const struct rule *rule = NULL;
    size_t wanted;
    enum walk expected = ask_each(matches, count, facts, &wanted);
    ck_assert_int_eq(rules_walk(rules, facts, &rule), expected);
    if (expected == WALK_RULE)
        ck_assert_str_eq(rule->model->name, models[wanted].name);
    for (size_t i = 0; i < count; i++) {
        struct question question = {.facts = facts};
        const char *key = rules_why_not(rules, facts, rules_at(rules, (unsigned)i));
        ck_assert_int_eq(key != NULL, match_ask(&matches[i], &question) == VERDICT_NO);
    }
}

static void compare_connections(const struct rules *rules, const struct model_rule *models,
                                const struct match *matches, size_t count)
{
    static const char *const sent[] = {LOGON, "GET / HTTP/1.1\r\n\r\n", "SSH-2.0-x\r\n", "X", ""};
    static const char *const sources[] = {"10.9.8.7:1", "10.1.1.1:1", "192.0.2.9:1",
                                          "[2001:db8::7]:1", "[::1]:1"};
    unsigned char scratch[CLIENT_HELLO_MAX];
    for (unsigned i = 0; i < 60; i++) {
        struct facts facts;
        struct address source;
        struct span bytes = span_text(ONE_OF(sent));
        bytes = span_first(bytes, i % 2 == 0 ? bytes.length : pick((unsigned)bytes.length + 1));
        ck_assert(address_parse(&source, span_text(ONE_OF(sources)), NULL));
        facts_read(&facts, bytes, pick(2) == 0, true, scratch);
        facts.source = pick(9) == 0 ? NULL : &source;
        if (facts.tls == VERDICT_NO || facts.final)
            compare(rules, models, matches, count, &facts);
    }
}

START_TEST(the_index_gives_what_asking_every_rule_gives)
{
    static struct model_rule models[30];
    static struct match matches[30];
    struct alpn_table none = {0};
    struct problems *problems = no_problems();
    ck_assert(alpn_table_finish(&none));
    for (unsigned round = 0; round < 300; round++) {
        size_t count = 1 + pick(COUNT_OF(models));
        for (unsigned i = 0; i < count; i++) {
            models[i] = random_rule(i);
            ck_assert(match_compile(&matches[i], &models[i].match, MATCH_PLAIN, &none, problems));
        }
        struct model_listener listener = listener_of(models, count);
        struct rules *rules = compiled(&listener);
        compare_connections(rules, models, matches, count);
        rules_free(rules);
        for (unsigned i = 0; i < count; i++)
            match_release(&matches[i]);
    }
    alpn_table_release(&none);
    problems_free(problems);
}
END_TEST

/* A third each for a CompID, for a network and for a protocol nobody speaks; then the rest. */
static struct model_rule *many_rules(void)
{
    struct model_rule *models = keep(calloc(MANY + 1, sizeof *models));
    for (unsigned i = 0; i < MANY; i++) {
        char name[32], text[64];
        struct model_fix fix = {.present = true};
        struct asked asked = {.silent = 0};
        snprintf(name, sizeof name, "rules[%u]", i);
        snprintf(text, sizeof text, i % 3 == 0 ? "FIRM%u" : "172.%u.%u.0/24", i / 256, i % 256);
        fix.sender_comp_id = names_of(text);
        if (i % 3 == 0)
            asked.fix = &fix;
        else if (i % 3 == 1)
            asked.source = text;
        else
            asked.protocol = "mqtt amqp";
        models[i] = rule_of(name, TLS_ACTION_PLAIN, &asked);
    }
    models[MANY] = rule_of("rest", TLS_ACTION_PLAIN, NULL);
    return models;
}

START_TEST(ten_thousand_rules_cost_no_ten_thousand_questions)
{
    struct model_rule *models = many_rules();
    struct model_listener listener = listener_of(models, MANY + 1);
    struct rules *rules = compiled(&listener);
    unsigned char scratch[CLIENT_HELLO_MAX];
    static const struct {
        const char *sent, *source, *rule;
        unsigned asked;
    } cases[] = {
        {LOGON, "192.0.2.1:1", "rules[258]", 1},   /* the first FIRM1: 258 / 256 */
        {LOGON, "172.2.2.9:1", "rules[258]", 1},   /* ... stands before 172.2.2.0/24 */
        {"GET /", "172.2.2.9:1", "rules[514]", 1}, /* its network */
        {"GET /", "192.0.2.1:1", "rest", 1},       /* none of them */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct facts facts;
        struct address source;
        const struct rule *rule = NULL;
        unsigned asked = 0;
        ck_assert(address_parse(&source, span_text(cases[i].source), NULL));
        facts_read(&facts, span_text(cases[i].sent), false, true, scratch);
        facts.source = &source;
        ck_assert_int_eq(rules_walk_trace(rules, &facts, count_step, &asked, &rule), WALK_RULE);
        ck_assert_str_eq(rule->model->name, cases[i].rule);
        ck_assert_uint_eq(asked, cases[i].asked);
    }
    rules_free(rules);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rule index");
    TCase *c = tcase_create("index");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, the_index_gives_what_asking_every_rule_gives);
    tcase_add_test(c, ten_thousand_rules_cost_no_ten_thousand_questions);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
