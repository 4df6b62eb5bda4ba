/* The index over names gives the same rule as asking every rule in order, and costs next to
 * nothing. */
#include "../../src/route/name_index.h"
#include "rules_support.h"
#include "suite.h"

#define MANY 10000u

/* Few labels, so that names and patterns meet often. */
static const char *random_name(bool pattern)
{
    static const char *const labels[] = {"a", "b", "cc", "www", "example", "x-1"};
    static char name[NAME_MAX_LENGTH + 3];
    unsigned count = 1 + pick(4);
    name[0] = '\0';
    if (pattern && pick(3) == 0)
        strcat(name, "*.");
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            strcat(name, ".");
        strcat(name, labels[pick(COUNT_OF(labels))]);
    }
    return name;
}

/* What the walk is held against: every rule, in order, by the plain definition. */
static const struct model_rule *naive_walk(const struct model_rule *rules, size_t count,
                                           const char *sni, bool near)
{
    for (size_t i = 0; i < count; i++) {
        const struct model_match *match = &rules[i].match;
        bool holds = match->sni.count == 0;
        for (size_t j = 0; j < match->sni.count && !holds; j++)
            holds = sni != NULL && name_matches(match->sni.item[j], span_text(sni));
        if (holds && match->source.count > 0)
            holds = near;
        if (holds && match->negated != NULL)
            holds = sni == NULL || !name_matches(match->negated->sni.item[0], span_text(sni));
        if (holds)
            return &rules[i];
    }
    return NULL;
}

/* One in a few has no name, one in a few asks for something more. */
static struct model_rule random_rule(unsigned number)
{
    char name[32], words[4 * NAME_MAX_LENGTH] = "", other[NAME_MAX_LENGTH + 3];
    struct asked negated = {.sni = other}, asked = {.sni = words};
    unsigned names = pick(8) == 0 ? 0 : 1 + pick(3);
    snprintf(name, sizeof name, "rules[%u]", number);
    snprintf(other, sizeof other, "%s", random_name(true));
    for (unsigned i = 0; i < names; i++) {
        strcat(words, random_name(true));
        strcat(words, " ");
    }
    if (pick(3) == 0 || names == 0)
        asked.source = "10.0.0.0/8";
    if (pick(4) == 0)
        asked.negated = &negated;
    return rule_of(name, TLS_ACTION_PASSTHROUGH, &asked);
}

static void compare_walks(const struct rules *rules, const struct model_rule *models, size_t count)
{
    struct address near, far;
    ck_assert(address_parse(&near, span_text("10.9.8.7:1"), NULL));
    ck_assert(address_parse(&far, span_text("192.0.2.1:1"), NULL));
    for (unsigned i = 0; i < 200; i++) {
        const char *sni = i == 0 ? NULL : random_name(false);
        struct facts facts = tls_facts(sni, "");
        const struct rule *rule = NULL;
        facts.source = i % 2 == 0 ? &near : &far;
        const struct model_rule *wanted = naive_walk(models, count, sni, i % 2 == 0);
        enum walk walk = rules_walk(rules, &facts, &rule);
        ck_assert_int_eq(walk, wanted == NULL ? WALK_NONE : WALK_RULE);
        if (wanted != NULL)
            ck_assert_str_eq(rule->model->name, wanted->name);
    }
}

START_TEST(the_index_gives_what_asking_every_rule_gives)
{
    static struct model_rule models[40];
    for (unsigned round = 0; round < 40; round++) {
        size_t count = 1 + pick(COUNT_OF(models));
        for (unsigned i = 0; i < count; i++)
            models[i] = random_rule(i);
        struct model_listener listener = listener_of(models, count);
        struct rules *rules = compiled(&listener);
        compare_walks(rules, models, count);
        rules_free(rules);
    }
}
END_TEST

/* hostN.example.com, one rule each, some of them wildcards; then a rule for everything. */
static struct model_rule *many_rules(void)
{
    struct model_rule *models = keep(calloc(MANY + 1, sizeof *models));
    for (unsigned i = 0; i < MANY; i++) {
        char name[32], sni[64];
        struct asked asked = {.sni = sni};
        snprintf(name, sizeof name, "rules[%u]", i);
        snprintf(sni, sizeof sni, "%shost%u.example.com", i % 5 == 0 ? "*." : "", i);
        models[i] = rule_of(name, TLS_ACTION_PASSTHROUGH, &asked);
    }
    models[MANY] = rule_of("rest", TLS_ACTION_TERMINATE, NULL);
    return models;
}

START_TEST(ten_thousand_rules_cost_no_ten_thousand_questions)
{
    struct model_rule *models = many_rules();
    struct model_listener listener = listener_of(models, MANY + 1);
    struct rules *rules = compiled(&listener);
    for (unsigned i = 0; i < MANY; i += 7) {
        char sni[64];
        const struct rule *rule = NULL;
        unsigned asked = 0;
        snprintf(sni, sizeof sni, "%shost%u.example.com", i % 5 == 0 ? "a.b." : "", i);
        struct facts facts = tls_facts(sni, "");
        ck_assert_int_eq(rules_walk_trace(rules, &facts, count_step, &asked, &rule), WALK_RULE);
        ck_assert_uint_eq(rule->index, i);
        ck_assert_uint_eq(asked, 1);
    }
    struct facts facts = tls_facts("stranger.example.com", "");
    const struct rule *rule = NULL;
    unsigned asked = 0;
    ck_assert_int_eq(rules_walk_trace(rules, &facts, count_step, &asked, &rule), WALK_RULE);
    ck_assert_str_eq(rule->model->name, "rest");
    ck_assert_uint_eq(asked, 1);
    rules_free(rules);
}
END_TEST

START_TEST(one_rule_may_name_ten_thousand)
{
    static char words[MANY * 24];
    size_t length = 0;
    for (unsigned i = 0; i < MANY; i++)
        length += (size_t)snprintf(words + length, sizeof words - length, "h%u.example.com ", i);
    struct asked asked = {.sni = words};
    struct model_rule models[] = {rule_of("many", TLS_ACTION_PASSTHROUGH, &asked)};
    struct model_listener listener = listener_of(models, 1);
    struct rules *rules = compiled(&listener);
    const struct rule *rule;
    struct facts facts = tls_facts("h9999.example.com", "");
    ck_assert_int_eq(rules_walk(rules, &facts, &rule), WALK_RULE);
    facts = tls_facts("h10000.example.com", "");
    ck_assert_int_eq(rules_walk(rules, &facts, &rule), WALK_NONE);
    rules_free(rules);
}
END_TEST

START_TEST(the_longest_name_with_the_most_labels_is_found)
{
    char name[NAME_MAX_LENGTH + 1];
    struct hits hits = {.count = 0};
    struct name_index *index = NULL;
    unsigned id;
    static const char *suffixes[127];
    static struct name_entry entries[127];
    for (unsigned i = 0; i < NAME_MAX_LENGTH; i++)
        name[i] = i % 2 == 0 ? 'a' : '.';
    name[NAME_MAX_LENGTH] = '\0';
    for (unsigned i = 0; i < 127; i++) {
        char pattern[NAME_MAX_LENGTH + 3];
        snprintf(pattern, sizeof pattern, "%s%s", i == 0 ? "" : "*.", name + 2 * (size_t)i);
        suffixes[i] = text_of(pattern);
        entries[i] = (struct name_entry){suffixes[i], 126 - i};
    }
    ck_assert(name_index_create(&index, entries, COUNT_OF(entries)));
    name_index_find(index, span_text(name), &hits);
    ck_assert_uint_eq(hits.count, 127);
    hits_add(&hits, &(unsigned){500}, 1);
    for (unsigned i = 0; i < 127; i++) {
        ck_assert(hits_next(&hits, &id));
        ck_assert_uint_eq(id, i);
    }
    ck_assert(hits_next(&hits, &id));
    ck_assert_uint_eq(id, 500);
    ck_assert(!hits_next(&hits, &id));
    name_index_free(index);
}
END_TEST

START_TEST(a_number_under_several_fitting_patterns_comes_once)
{
    struct name_entry entries[] = {{"*.example.com", 3},
                                   {"a.example.com", 3},
                                   {"*.com", 1},
                                   {"a.example.com", 7},
                                   {"*.com", 1}};
    struct name_index *index = NULL;
    struct hits hits = {.count = 0};
    unsigned id;
    static const unsigned wanted[] = {1, 3, 7};
    ck_assert(name_index_create(&index, entries, COUNT_OF(entries)));
    name_index_find(index, span_text("a.example.com"), &hits);
    for (unsigned i = 0; i < COUNT_OF(wanted); i++) {
        ck_assert(hits_next(&hits, &id));
        ck_assert_uint_eq(id, wanted[i]);
    }
    ck_assert(!hits_next(&hits, &id));
    ck_assert(!name_index_contains(index, span_text("com")));
    ck_assert(!name_index_contains(index, span_of("", 0)));
    ck_assert(!name_index_contains(NULL, span_text("a.example.com")));
    name_index_free(index);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rules index");
    TCase *c = tcase_create("index");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, the_index_gives_what_asking_every_rule_gives);
    tcase_add_test(c, ten_thousand_rules_cost_no_ten_thousand_questions);
    tcase_add_test(c, one_rule_may_name_ten_thousand);
    tcase_add_test(c, the_longest_name_with_the_most_labels_is_found);
    tcase_add_test(c, a_number_under_several_fitting_patterns_comes_once);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
