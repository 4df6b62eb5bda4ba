#include "../../src/route/match.h"
#include "muxgate-config.h"
#include "rules_support.h"
#include "suite.h"

#define NO   VERDICT_NO
#define YES  VERDICT_YES
#define MORE VERDICT_MORE

static struct alpn_table table;

/* Compiles the match and asks it. */
static enum verdict ask_at(enum match_place place, const struct asked *asked,
                           const struct facts *facts)
{
    struct model_match model = match_of("m", asked);
    struct problems *problems = no_problems();
    struct question question = {.facts = facts};
    struct match match;
    size_t at = 0;
    struct span name;
    bool ok = match_compile(&match, &model, place, &table, problems);
    ck_assert_msg(ok, "%s", lines_of(problems));
    if (place == MATCH_TLS && facts->client_hello.has_sni && facts->client_hello.sni_is_name)
        question.sni = span_text(facts->client_hello.sni);
    if (place == MATCH_NESTED)
        question.sni = span_text(facts->sni);
    while (place == MATCH_TLS && client_hello_next_alpn(&facts->client_hello, &at, &name))
        alpn_table_mark(&table, name, &question.offered);
    enum verdict answer = match_ask(&match, &question);
    match_release(&match);
    problems_free(problems);
    return answer;
}

/* Facts for which "silent" answers as wanted, and the protocols fix and http likewise. */
static struct facts facts_for(enum verdict silent, enum verdict fix, enum verdict http)
{
    struct facts facts = plain_facts(silent == NO ? "x" : "", false);
    facts.silent = silent == YES;
    facts.protocol[PROTOCOL_fix] = fix;
    facts.protocol[PROTOCOL_http] = http;
    return facts;
}

static const struct {
    enum verdict a, b, and, or ;
} logic[] = {
    {NO, NO, NO, NO},     {NO, MORE, NO, MORE},     {NO, YES, NO, YES},
    {MORE, NO, NO, MORE}, {MORE, MORE, MORE, MORE}, {MORE, YES, MORE, YES},
    {YES, NO, NO, YES},   {YES, MORE, MORE, YES},   {YES, YES, YES, YES},
};

START_TEST(keys_are_and_where_no_beats_more)
{
    struct asked both = {.silent = 1, .protocol = "fix"};
    struct facts facts = facts_for(logic[_i].a, logic[_i].b, NO);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &both, &facts), logic[_i].and);
}
END_TEST

START_TEST(values_are_or_where_yes_beats_more)
{
    struct asked either = {.protocol = "fix http"};
    struct facts facts = facts_for(NO, logic[_i].a, logic[_i].b);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &either, &facts), logic[_i].or);
}
END_TEST

START_TEST(not_turns_the_and_inside_round)
{
    struct asked both = {.silent = 1, .protocol = "fix"};
    struct asked neither = {.negated = &both};
    static const enum verdict turned[] = {[NO] = YES, [YES] = NO, [MORE] = MORE};
    struct facts facts = facts_for(logic[_i].a, logic[_i].b, NO);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &neither, &facts), turned[logic[_i].and ]);
}
END_TEST

START_TEST(at_the_end_more_is_no_before_not_is_applied)
{
    struct asked fix = {.protocol = "fix"};
    struct asked not_fix = {.negated = &fix};
    struct asked not_not_fix = {.negated = &not_fix};
    struct facts facts = plain_facts("8=F", false);
    facts.protocol[PROTOCOL_fix] = MORE;
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &fix, &facts), MORE);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &not_fix, &facts), MORE);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &not_not_fix, &facts), MORE);
    facts.final = true;
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &fix, &facts), NO);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &not_fix, &facts), YES);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &not_not_fix, &facts), NO);
}
END_TEST

START_TEST(a_match_without_keys_holds_at_once)
{
    struct asked nothing = {0};
    struct facts facts = plain_facts("", false);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &nothing, &facts), YES);
    ck_assert_int_eq(ask_at(MATCH_NESTED, NULL, &facts), YES);
}
END_TEST

static const struct {
    bool byte, final;
    enum verdict yes, no;
} silences[] = {
    {false, false, MORE, MORE},
    {true, false, NO, YES},
    {true, true, NO, YES},
    {false, true, YES, NO},
};

START_TEST(silent_is_decided_by_the_first_byte_or_the_end)
{
    struct asked silent = {.silent = 1}, loud = {.silent = -1};
    struct facts facts = plain_facts(silences[_i].byte ? "x" : "", silences[_i].final);
    facts.silent = silences[_i].final && !silences[_i].byte;
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &silent, &facts), silences[_i].yes);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &loud, &facts), silences[_i].no);
}
END_TEST

static const struct {
    const char *patterns, *name;
    enum verdict answer;
} names[] = {
    {"db.example.com", "db.example.com", YES},
    {"db.example.com", "DB.Example.COM.", YES},
    {"db.example.com", "a.db.example.com", NO},
    {"db.example.com", "b.example.com", NO},
    {"*.example.com", "a.example.com", YES},
    {"*.example.com", "a.b.c.example.com", YES},
    {"*.example.com", "example.com", NO},
    {"*.example.com", "aexample.com", NO},
    {"*.com", "example.com", YES},
    {"a.example.com *.example.org", "x.example.org", YES},
    {"a.example.com *.example.org", "a.example.com", YES},
    {"a.example.com *.example.org", "a.example.org.uk", NO},
    {"*.example.com", NULL, NO},
    {"example.com", NULL, NO},
};

START_TEST(sni_is_exact_or_stands_for_labels_in_front)
{
    struct asked asked = {.sni = names[_i].patterns};
    struct asked others = {.negated = &asked};
    struct facts facts = tls_facts(names[_i].name, "");
    ck_assert_int_eq(ask_at(MATCH_TLS, &asked, &facts), names[_i].answer);
    ck_assert_int_eq(ask_at(MATCH_TLS, &others, &facts), names[_i].answer == YES ? NO : YES);
}
END_TEST

START_TEST(a_name_that_is_none_matches_no_pattern)
{
    struct asked asked = {.sni = "*.0.0.1 127.0.0.1"};
    struct facts facts = tls_facts("127.0.0.1", "");
    facts.client_hello.sni_is_name = false;
    ck_assert_int_eq(ask_at(MATCH_TLS, &asked, &facts), NO);
}
END_TEST

START_TEST(alpn_outside_is_any_offered_one)
{
    struct asked h2 = {.alpn = "h2"}, either = {.alpn = "acme-tls/1 http/1.1"};
    struct facts facts = tls_facts(NULL, "\x08http/1.1\x03h2c");
    ck_assert_int_eq(ask_at(MATCH_TLS, &h2, &facts), NO);
    ck_assert_int_eq(ask_at(MATCH_TLS, &either, &facts), YES);
    facts = tls_facts(NULL, "");
    ck_assert_int_eq(ask_at(MATCH_TLS, &either, &facts), NO);
}
END_TEST

START_TEST(the_bytes_of_tls_are_of_no_protocol)
{
    struct asked fix = {.protocol = "fix"}, silent = {.silent = 1};
    struct facts facts = tls_facts(NULL, "");
    facts.protocol[PROTOCOL_fix] = MORE;
    ck_assert_int_eq(ask_at(MATCH_TLS, &fix, &facts), NO);
    ck_assert_int_eq(ask_at(MATCH_TLS, &silent, &facts), NO);
}
END_TEST

static const struct {
    const char *networks, *source;
    enum verdict answer;
} sources[] = {
    {"10.0.0.0/8", "10.255.0.1:1", YES},
    {"10.0.0.0/8", "11.0.0.1:1", NO},
    {"10.0.0.0/8 192.0.2.7", "192.0.2.7:1", YES},
    {"10.0.0.0/8 192.0.2.7", "192.0.2.8:1", NO},
    {"2001:db8::/32", "[2001:db8::1]:9", YES},
    {"2001:db8::/32", "[2001:db9::1]:9", NO},
    {"0.0.0.0/0", "[::1]:9", NO},
    {"0.0.0.0/0", NULL, NO},
};

START_TEST(source_is_in_any_of_the_networks)
{
    struct asked asked = {.source = sources[_i].networks};
    struct address source;
    struct facts facts = plain_facts("", false);
    if (sources[_i].source != NULL) {
        ck_assert(address_parse(&source, span_text(sources[_i].source), NULL));
        facts.source = &source;
    }
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), sources[_i].answer);
}
END_TEST

static const struct {
    const char *prefixes, *bytes;
    enum verdict answer;
} beginnings[] = {
    {"HELO", "", MORE},         {"HELO", "HE", MORE},    {"HELO", "HELO", YES},
    {"HELO", "HELO you", YES},  {"HELO", "he", NO},      {"HELO", "HEX", NO},
    {"HELO HE", "H", MORE},     {"HELO HE", "HEX", YES}, {"HELO EHLO", "EH", MORE},
    {"HELO EHLO", "EHLO", YES}, {"HELO EHLO", "X", NO},
};

START_TEST(a_prefix_is_answered_by_the_byte_that_decides_it)
{
    struct asked asked = {.prefix = beginnings[_i].prefixes};
    struct facts facts = plain_facts(beginnings[_i].bytes, false);
    enum verdict answer = beginnings[_i].answer;
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), answer);
    ck_assert_int_eq(ask_at(MATCH_NESTED, &asked, &facts), answer);
    facts.final = true;
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), answer == MORE ? NO : answer);
}
END_TEST

START_TEST(a_prefix_in_hexadecimal_holds_any_byte)
{
    struct asked asked = {.prefix_hex = "00fF 0a"};
    struct facts facts = plain_facts("", false);
    facts.bytes = span_of("\0\xff", 1);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), MORE);
    facts.bytes = span_of("\0\xff", 2);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), YES);
    facts.bytes = span_of("\0\xfe", 2);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), NO);
    facts.bytes = span_of("\n", 1);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), YES);
}
END_TEST

START_TEST(the_bytes_of_tls_have_no_prefix)
{
    struct asked text = {.prefix = "\x16"}, hex = {.prefix_hex = "16"};
    struct facts facts = tls_facts(NULL, "");
    ck_assert_int_eq(ask_at(MATCH_TLS, &text, &facts), NO);
    ck_assert_int_eq(ask_at(MATCH_TLS, &hex, &facts), NO);
}
END_TEST

/* --- fix ------------------------------------------------------------------------------------- */

/* BodyLength and CheckSum are right. */
#define LOGON                                                                                      \
    "8=FIX.4.4\0019=60\00135=A\00149=ME\00156=YOU\00150=desk\001553=bob\00149=OTHER\00134=1\001"   \
    "98=0\001108=30\001"
static char logon[200];

/* The Logon's first `length` bytes as the facts hold them. */
static struct facts logon_facts(size_t length, bool final)
{
    static unsigned char scratch[CLIENT_HELLO_MAX];
    static struct facts facts;
    facts_read(&facts, span_of(logon, length), final, false, scratch);
    return facts;
}

static size_t behind(const char *field)
{
    return (size_t)(strstr(logon, field) - logon) + strlen(field);
}

static const struct {
    const char *sender, *target, *sub, *user, *begin;
    int valid;           /* 0: not asked; 1: true; -1: false */
    const char *decides; /* the field with whose end it is answered */
    enum verdict answer;
} logons[] = {
    {.sender = "ME", .decides = "\00149=ME\001", .answer = YES},
    {.sender = "X ME", .decides = "\00149=ME\001", .answer = YES},
    {.sender = "me", .decides = "\00149=ME\001", .answer = NO},
    {.sender = "OTHER", .decides = "\00149=ME\001", .answer = NO},
    {.target = "YOU", .decides = "\00156=YOU\001", .answer = YES},
    {.target = "YO", .decides = "\00156=YOU\001", .answer = NO},
    {.sub = "desk", .decides = "\00150=desk\001", .answer = YES},
    {.user = "bob", .decides = "\001553=bob\001", .answer = YES},
    {.user = "bob", .sender = "ME", .decides = "\001553=bob\001", .answer = YES},
    {.user = "bob", .sender = "YOU", .decides = "\00149=ME\001", .answer = NO},
    {.begin = "FIX.4.4", .decides = "\00135=A\001", .answer = YES},
    {.begin = "FIX.4.2", .decides = "8=FIX.4.4\001", .answer = NO},
    {.decides = "\00135=A\001", .answer = YES},
    {.valid = 1, .decides = NULL, .answer = YES},
    {.valid = -1, .decides = NULL, .answer = NO},
    {.valid = 1, .sender = "YOU", .decides = "\00149=ME\001", .answer = NO},
};

static struct string_list values(const char *words)
{
    return names_of(words == NULL ? "" : words);
}

START_TEST(a_logon_is_answered_with_the_last_asked_tag)
{
    struct model_fix fix = {.present = true,
                            .sender_comp_id = values(logons[_i].sender),
                            .target_comp_id = values(logons[_i].target),
                            .sender_sub_id = values(logons[_i].sub),
                            .username = values(logons[_i].user),
                            .begin_string = values(logons[_i].begin),
                            .has_valid = logons[_i].valid != 0,
                            .valid = logons[_i].valid == 1};
    struct asked asked = {.fix = &fix};
    size_t decides = logons[_i].decides == NULL ? strlen(logon) : behind(logons[_i].decides);
    for (size_t length = 0; length <= strlen(logon); length++) {
        struct facts facts = logon_facts(length, false);
        enum verdict answer = length < decides ? MORE : logons[_i].answer;
        ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), answer);
        ck_assert_int_eq(ask_at(MATCH_NESTED, &asked, &facts), answer);
    }
}
END_TEST

START_TEST(a_tag_that_is_missing_is_no_at_the_end_of_the_message)
{
    struct model_fix fix = {.present = true, .begin_string = values("FIX.4.4")};
    struct asked asked = {.fix = &fix};
    struct facts facts = logon_facts(strlen(logon), false);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), YES);
    memcpy(strstr(logon, "50=desk"), "51=desk", 7);
    fix.sender_sub_id = values("desk");
    facts = logon_facts(strlen(logon) - 1, false);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), MORE);
    facts = logon_facts(strlen(logon), false);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), NO);
}
END_TEST

START_TEST(what_is_no_logon_is_no_whatever_is_asked)
{
    struct model_fix invalid = {.present = true, .has_valid = true}, any = {.present = true};
    struct asked asked_invalid = {.fix = &invalid}, asked_any = {.fix = &any};
    memcpy(strstr(logon, "35=A"), "35=5", 4);
    struct facts facts = logon_facts(strlen(logon), false);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked_invalid, &facts), NO);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked_any, &facts), NO);
    facts = plain_facts("GET / HTTP/1.1", false);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked_any, &facts), NO);
    facts = tls_facts(NULL, "");
    ck_assert_int_eq(ask_at(MATCH_TLS, &asked_any, &facts), NO);
}
END_TEST

START_TEST(a_logon_that_stays_incomplete_is_not_valid)
{
    struct model_fix invalid = {.present = true, .has_valid = true};
    struct asked asked = {.fix = &invalid};
    struct facts facts = logon_facts(behind("\00149=ME\001"), true);
    ck_assert_int_eq(ask_at(MATCH_PLAIN, &asked, &facts), YES);
}
END_TEST

START_TEST(a_fix_match_covers_what_asks_for_less)
{
    struct model_fix any = {.present = true}, me = {.present = true};
    struct model_fix both = {.present = true}, valid = {.present = true, .has_valid = true};
    me.sender_comp_id = values("ME");
    both.sender_comp_id = values("YOU ME");
    valid.sender_comp_id = values("ME");
    const struct {
        const struct model_fix *wide, *narrow;
        bool covers;
    } fixes[] = {{&any, &me, true},     {&me, &any, false},  {&both, &me, true},
                 {&me, &both, false},   {&me, &valid, true}, {&valid, &me, false},
                 {&valid, &valid, true}};
    for (size_t i = 0; i < COUNT_OF(fixes); i++) {
        struct asked wide_asked = {.fix = fixes[i].wide}, narrow_asked = {.fix = fixes[i].narrow};
        struct model_match wide_model = match_of("w", &wide_asked);
        struct model_match narrow_model = match_of("n", &narrow_asked);
        struct problems *problems = no_problems();
        struct match wide, narrow;
        uint64_t budget = 1000;
        ck_assert(match_compile(&wide, &wide_model, MATCH_NESTED, &table, problems));
        ck_assert(match_compile(&narrow, &narrow_model, MATCH_NESTED, &table, problems));
        ck_assert_int_eq(match_covers(&wide, &narrow, &budget), fixes[i].covers);
        match_release(&wide);
        match_release(&narrow);
        problems_free(problems);
    }
}
END_TEST

START_TEST(ja4_is_exact_or_ends_in_a_star)
{
    struct asked exact = {.ja4 = "t13d_b"}, wild = {.ja4 = "q13* t13d_*"}, other = {.ja4 = "t13"};
    struct facts facts = tls_facts(NULL, "");
    ck_assert_int_eq(ask_at(MATCH_TLS, &wild, &facts), NO);
    facts.ja4 = "t13d_b";
    ck_assert_int_eq(ask_at(MATCH_TLS, &exact, &facts), YES);
    ck_assert_int_eq(ask_at(MATCH_TLS, &wild, &facts), YES);
    ck_assert_int_eq(ask_at(MATCH_TLS, &other, &facts), NO);
}
END_TEST

static const struct model_fix any_logon = {.present = true};
static const struct asked one_network = {.source = "10.1.0.0/16"}, fix_only = {.protocol = "fix"};
static const struct asked a_logon = {.fix = &any_logon};

static const struct {
    struct asked wide, narrow;
    bool covers;
} pairs[] = {
    {{0}, {.protocol = "fix"}, true},
    {{0}, {0}, true},
    {{.protocol = "fix"}, {0}, false},
    {{.protocol = "fix http"}, {.protocol = "http"}, true},
    {{.protocol = "fix"}, {.protocol = "fix http"}, false},
    {{.protocol = "fix"}, {.protocol = "fix", .source = "10.0.0.0/8"}, true},
    {{.source = "10.0.0.0/8"}, {.source = "10.1.0.0/16 10.2.0.1"}, true},
    {{.source = "10.0.0.0/9"}, {.source = "10.128.0.0/9"}, false},
    {{.source = "10.0.0.0/9"}, {.source = "10.0.0.0/8"}, false},
    {{.source = "0.0.0.0/0"}, {.source = "::/0"}, false},
    {{.source = "10.0.0.0/9 10.128.0.0/9"}, {.source = "10.0.0.0/8"}, true},
    {{.source = "10.0.0.0/9 10.192.0.0/10"}, {.source = "10.0.0.0/8"}, false},
    {{.source = "128.0.0.0/1 0.0.0.0/1"}, {.source = "0.0.0.0/0"}, true},
    {{.source = "2001:db8::/33 2001:db8:8000::/33"}, {.source = "2001:db8::/32"}, true},
    {{.source = "0.0.0.0/0 ::/0"}, {0}, false}, /* a UNIX socket's clients have no address */
    {{.sni = "*.example.com"}, {.sni = "a.example.com *.b.example.com"}, true},
    {{.sni = "*.example.com"}, {.sni = "*.example.com"}, true},
    {{.sni = "*.b.example.com"}, {.sni = "*.example.com"}, false},
    {{.sni = "*.example.com"}, {.sni = "example.com"}, false},
    {{.sni = "example.com"}, {.sni = "*.example.com"}, false},
    {{.alpn = "h2 http/1.1"}, {.alpn = "h2"}, true},
    {{.alpn = "h2"}, {.alpn = "h2 http/1.1"}, false},
    {{.silent = 1}, {.silent = 1}, true},
#ifdef HAVE_PCRE2
    {{.regex = "^a ^b"}, {.regex = "^b"}, true},
    {{.regex = "^a"}, {.regex = "^ab"}, false},
#endif
    {{.ja4 = "t13*"}, {.ja4 = "t13d* t13"}, true},
    {{.ja4 = "t13d*"}, {.ja4 = "t13*"}, false},
    {{.prefix = "a b"}, {.prefix = "ab b"}, true},
    {{.prefix = "ab"}, {.prefix = "a"}, false},
    {{.prefix_hex = "0a"}, {.prefix_hex = "0A0b"}, true},
    {{.prefix_hex = "0a"}, {.prefix_hex = "0b"}, false},
    {{.prefix = "8="}, {.prefix_hex = "383d35"}, true},
    {{.prefix_hex = "38 39"}, {.prefix = "9="}, true},
    {{.prefix = "8=F"}, {.prefix_hex = "383d"}, false},
    {{.prefix = "8"}, {.prefix = "9", .prefix_hex = "38"}, true},
    {{.prefix = "8", .prefix_hex = "39"}, {.prefix = "8"}, false},
    {{.protocol = "http fix"}, {.fix = &any_logon}, true},
    {{.protocol = "http"}, {.fix = &any_logon}, false},
    {{.fix = &any_logon}, {.protocol = "fix"}, false},
    {{.protocol = "fix"}, {.fix = &any_logon, .protocol = "http"}, true},
    {{.negated = &a_logon}, {.negated = &fix_only}, true},
    {{.negated = &fix_only}, {.negated = &a_logon}, false},
    {{.silent = 1}, {.silent = -1}, false},
    {{.negated = &fix_only}, {.negated = &fix_only}, true},
    {{.negated = &fix_only}, {0}, false},
    {{.negated = &fix_only}, {.negated = &one_network}, false},
};

START_TEST(a_match_covers_another_only_where_it_is_certain)
{
    struct model_match wide_model = match_of("w", &pairs[_i].wide);
    struct model_match narrow_model = match_of("n", &pairs[_i].narrow);
    struct problems *problems = no_problems();
    struct match wide, narrow;
    uint64_t budget = 1000, none = 0;
    ck_assert(match_compile(&wide, &wide_model, MATCH_NESTED, &table, problems));
    ck_assert(match_compile(&narrow, &narrow_model, MATCH_NESTED, &table, problems));
    ck_assert_int_eq(match_covers(&wide, &narrow, &budget), pairs[_i].covers);
    ck_assert_uint_lt(budget, 1000);
    ck_assert(!match_covers(&wide, &narrow, &none));
    match_release(&wide);
    match_release(&narrow);
    problems_free(problems);
}
END_TEST

START_TEST(a_table_of_alpn_names_sorts_and_keeps_each_once)
{
    struct alpn_set one = {{0}}, other = {{0}};
    ck_assert_uint_eq(table.count, 3);
    alpn_table_mark(&table, span_text("h2"), &one);
    alpn_table_mark(&table, span_text("h"), &other);
    alpn_table_mark(&table, span_text("h22"), &other);
    alpn_table_mark(&table, span_of("", 0), &other);
    ck_assert(!alpn_set_meets(&one, &other));
    ck_assert(alpn_set_meets(&one, &one));
}
END_TEST

START_TEST(a_listener_may_ask_for_a_thousand_alpn_names_and_not_for_more)
{
    struct alpn_table many = {0};
    for (unsigned i = 0; i <= ALPN_NAMES_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%u", i);
        ck_assert(alpn_table_add(&many, text_of(name)));
    }
    ck_assert(!alpn_table_finish(&many));
    many.count = ALPN_NAMES_MAX;
    ck_assert(alpn_table_finish(&many));
    alpn_table_release(&many);
}
END_TEST

static void make_logon(void)
{
    unsigned sum = 0;
    snprintf(logon, sizeof logon, "%s", LOGON);
    for (const char *c = logon; *c != '\0'; c++)
        sum += (unsigned char)*c;
    snprintf(logon + strlen(logon), 8, "10=%03u\001", sum % 256);
}

static void set_up(void)
{
    make_logon();
    static const char *const known[] = {"http/1.1", "h2", "acme-tls/1", "h2"};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        ck_assert(alpn_table_add(&table, known[i]));
    ck_assert(alpn_table_finish(&table));
}

static void tear_down(void)
{
    alpn_table_release(&table);
}

/* --- client_cert ------------------------------------------------------------------------------ */

static const struct {
    const char *cn, *san;
    enum verdict answer;
} cert_cases[] = {
    {"", NULL, YES}, /* any certificate */
    {"desk-1", NULL, YES},
    {"desk-2 desk-1", NULL, YES},
    {"desk-2", NULL, NO},
    {"Desk-1", NULL, NO},
    {NULL, "desk.example.com", YES},
    {NULL, "*.example.com", YES},
    {NULL, "other.example.com trader@example.com", YES},
    {NULL, "Trader@example.com", NO},
    {"desk-1", "desk.example.com", YES}, /* both must hold */
    {"desk-2", "desk.example.com", NO},
    {"desk-1", "other.example.com", NO},
    {NULL, "desk-1", NO}, /* the common name is no alternative name */
    {"desk.example.com", NULL, NO},
};

static struct client_cert *desk_cert(void)
{
    static struct san sans[2];
    static struct client_cert desk = {.san = sans, .san_count = 2};
    sans[0] = (struct san){SAN_DNS, text_of("desk.example.com")};
    sans[1] = (struct san){SAN_EMAIL, text_of("trader@example.com")};
    desk.cn = text_of("desk-1");
    return &desk;
}

START_TEST(a_clients_names_are_asked_behind_the_handshake)
{
    struct asked asked = {.cn = cert_cases[_i].cn, .san = cert_cases[_i].san};
    struct asked not_asked = {.negated = &asked};
    struct facts facts = plain_facts("", false);
    facts.terminated = true;
    facts.client_cert = desk_cert();
    ck_assert_int_eq(ask_at(MATCH_NESTED, &asked, &facts), cert_cases[_i].answer);
    ck_assert_int_eq(ask_at(MATCH_NESTED, &not_asked, &facts),
                     cert_cases[_i].answer == YES ? NO : YES);
    facts.client_cert = NULL; /* it has shown none */
    ck_assert_int_eq(ask_at(MATCH_NESTED, &asked, &facts), NO);
}
END_TEST

static const struct {
    struct asked asked;
    const char *line;
} bad_names[] = {
    {{.cn = "*desk"}, "m.client_cert.cn[0]: a * stands for whole labels of a host name"},
    {{.cn = "desk *."}, "m.client_cert.cn[1]: a * stands for whole labels of a host name"},
    {{.san = "desk.example.com desk@"},
     "m.client_cert.san[1]: no DNS name, e-mail address, URI or IP address"},
};

START_TEST(what_is_no_name_of_a_client_is_told)
{
    struct model_match model = match_of("m", &bad_names[_i].asked);
    struct problems *problems = no_problems();
    struct match match;
    ck_assert(!match_compile(&match, &model, MATCH_NESTED, &table, problems));
    const char *lines = lines_of(problems);
    ck_assert_msg(strstr(lines, bad_names[_i].line) != NULL, "%s", lines);
    match_release(&match);
    problems_free(problems);
}
END_TEST

static const struct {
    const char *wide_cn, *wide_san, *narrow_cn, *narrow_san;
    bool covers;
} wider[] = {
    {"", NULL, "a", NULL, true},
    {"a b", NULL, "b", NULL, true},
    {"a", NULL, "a b", NULL, false},
    {"a", NULL, "", NULL, false},
    {"*.example.com", NULL, "a.example.com", NULL, true},
    {"*.example.com", NULL, "*.example.com", NULL, true},
    {"a.example.com", NULL, "*.example.com", NULL, false},
    {NULL, "*.example.com", NULL, "*.a.example.com b.example.com", true},
    {NULL, "a@example.com", NULL, "a@example.com", true},
    {NULL, "a@example.com", "x", NULL, false},
    {"x", NULL, "x", "a@example.com", true},
};

START_TEST(the_wider_of_two_client_certs_is_found)
{
    struct asked wide = {.cn = wider[_i].wide_cn, .san = wider[_i].wide_san};
    struct asked narrow = {.cn = wider[_i].narrow_cn, .san = wider[_i].narrow_san};
    struct model_match models[] = {match_of("m", &wide), match_of("m", &narrow)};
    struct problems *problems = no_problems();
    struct match matches[2];
    uint64_t budget = 1000;
    for (size_t i = 0; i < 2; i++)
        ck_assert(match_compile(&matches[i], &models[i], MATCH_NESTED, &table, problems));
    ck_assert_int_eq(match_covers(&matches[0], &matches[1], &budget), wider[_i].covers);
    for (size_t i = 0; i < 2; i++)
        match_release(&matches[i]);
    problems_free(problems);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("match");
    TCase *c = tcase_create("match");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_loop_test(c, keys_are_and_where_no_beats_more, 0, COUNT_OF(logic));
    tcase_add_loop_test(c, values_are_or_where_yes_beats_more, 0, COUNT_OF(logic));
    tcase_add_loop_test(c, not_turns_the_and_inside_round, 0, COUNT_OF(logic));
    tcase_add_test(c, at_the_end_more_is_no_before_not_is_applied);
    tcase_add_test(c, a_match_without_keys_holds_at_once);
    tcase_add_loop_test(c, silent_is_decided_by_the_first_byte_or_the_end, 0, COUNT_OF(silences));
    tcase_add_loop_test(c, sni_is_exact_or_stands_for_labels_in_front, 0, COUNT_OF(names));
    tcase_add_test(c, a_name_that_is_none_matches_no_pattern);
    tcase_add_test(c, alpn_outside_is_any_offered_one);
    tcase_add_test(c, the_bytes_of_tls_are_of_no_protocol);
    tcase_add_loop_test(c, source_is_in_any_of_the_networks, 0, COUNT_OF(sources));
    tcase_add_loop_test(c, a_prefix_is_answered_by_the_byte_that_decides_it, 0,
                        COUNT_OF(beginnings));
    tcase_add_test(c, ja4_is_exact_or_ends_in_a_star);
    tcase_add_test(c, a_prefix_in_hexadecimal_holds_any_byte);
    tcase_add_test(c, the_bytes_of_tls_have_no_prefix);
    tcase_add_loop_test(c, a_logon_is_answered_with_the_last_asked_tag, 0, COUNT_OF(logons));
    tcase_add_test(c, a_tag_that_is_missing_is_no_at_the_end_of_the_message);
    tcase_add_test(c, what_is_no_logon_is_no_whatever_is_asked);
    tcase_add_test(c, a_logon_that_stays_incomplete_is_not_valid);
    tcase_add_test(c, a_fix_match_covers_what_asks_for_less);
    tcase_add_loop_test(c, a_match_covers_another_only_where_it_is_certain, 0, COUNT_OF(pairs));
    tcase_add_loop_test(c, a_clients_names_are_asked_behind_the_handshake, 0, COUNT_OF(cert_cases));
    tcase_add_loop_test(c, what_is_no_name_of_a_client_is_told, 0, COUNT_OF(bad_names));
    tcase_add_loop_test(c, the_wider_of_two_client_certs_is_found, 0, COUNT_OF(wider));
    tcase_add_test(c, a_table_of_alpn_names_sorts_and_keeps_each_once);
    tcase_add_test(c, a_listener_may_ask_for_a_thousand_alpn_names_and_not_for_more);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
