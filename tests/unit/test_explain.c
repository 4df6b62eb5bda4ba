/* What explain says of a connection: each rule's answer and its key, what is waited for, how few
 * bytes would have been enough; and that it says what a drip of the same bytes leads to. */
#include "rules_support.h"
#include "suite.h"

#include "inspect/client_hello_write.h"
#include "inspect/postgres.h"
#include "route/explain.h"

/* The route floor has no SHA-256: any digest will do here. */
static void digest_of(const void *bytes, size_t length, unsigned char digest[32])
{
    memset(digest, length > 0 ? *(const unsigned char *)bytes : 0, 32);
}

/* --- one listener for all --------------------------------------------------------------------- */

static const struct asked db = {.sni = "db.example.com"}, h2 = {.alpn = "h2"};
static const struct asked fix = {.protocol = "fix"};
static const struct asked not_fix_and_near = {.source = "192.0.2.0/24", .negated = &fix};
static const struct asked http = {.protocol = "http"}, hello = {.prefix = "HELO-there"};
static const struct asked inner_alpn = {.alpn = "http/1.1", .sni = "*.example.com"};

struct stage {
    struct model_rule rules[8], nested[2];
    struct model_listener listener;
    struct rules *compiled;
    struct explain_args args;
};

static struct stage stage_of(void)
{
    return (struct stage){
        .rules = {rule_of("passed", TLS_ACTION_PASSTHROUGH, &db),
                  rule_of("postgres", TLS_ACTION_PASSTHROUGH, NULL),
                  rule_of("h2", TLS_ACTION_PASSTHROUGH, &h2),
                  rule_of("web", TLS_ACTION_TERMINATE, NULL),
                  rule_of("near", TLS_ACTION_PLAIN, &not_fix_and_near),
                  rule_of("helo", TLS_ACTION_PLAIN, &hello),
                  rule_of("fix", TLS_ACTION_PLAIN, &fix)},
        .nested = {rule_of("http", TLS_ACTION_PLAIN, &http),
                   rule_of("alpn", TLS_ACTION_PLAIN, &inner_alpn)},
    };
}

static void set(struct stage *s)
{
    static char *offers[] = {(char *)(uintptr_t) "http/1.1", (char *)(uintptr_t) "fix"};
    s->rules[1].starttls = text_of("postgres");
    s->rules[3].pool = NULL;
    s->rules[3].rules = s->nested;
    s->rules[3].rule_count = 2;
    s->rules[6].reject = true;
    s->listener = listener_of(s->rules, 7);
    s->listener.max_inspect_bytes = 65536;
    s->listener.inspect_delay_ms = 2000;
    s->listener.tls.alpn = (struct string_list){offers, 2};
    s->compiled = compiled(&s->listener);
    s->args =
        (struct explain_args){.listener = &s->listener, .rules = s->compiled, .sha256 = digest_of};
}

static struct stage stage;
static struct explanation e;

static void begin(void)
{
    stage = stage_of();
    set(&stage);
}

static void end(void)
{
    explanation_release(&e);
    rules_free(stage.compiled);
}

static void ask(struct span bytes)
{
    explanation_release(&e);
    stage.args.bytes = bytes;
    ck_assert(explain(&e, &stage.args));
}

static struct span hello_of(const char *sni, const char *const *alpn, size_t count)
{
    static unsigned char room[CLIENT_HELLO_RECORD_MAX];
    struct client_hello_offer offer = {sni, alpn, count};
    size_t length = client_hello_write(room, &offer);
    ck_assert_uint_gt(length, 0);
    return span_of(room, length);
}

/* "passed:no:sni postgres:kind web:yes" */
static const char *account(const struct explain_look *look)
{
    static char all[1024];
    static const char *const words[] = {
        [EXPLAIN_YES] = "yes", [EXPLAIN_NO] = "no", [EXPLAIN_OTHER_KIND] = "kind"};
    all[0] = '\0';
    for (size_t i = 0; i < look->step_count; i++) {
        const struct explain_step *step = &look->steps[i];
        size_t at = strlen(all);
        snprintf(all + at, sizeof all - at, "%s%s:%s%s%s", at == 0 ? "" : " ",
                 step->rule->model->name, words[step->answer], step->key == NULL ? "" : ":",
                 step->key == NULL ? "" : step->key);
    }
    return all;
}

static const char *taker(void)
{
    const struct rule *rule = explanation_rule(&e);
    return rule == NULL ? "nobody" : rule->model->name;
}

/* --- the account ------------------------------------------------------------------------------ */

START_TEST(each_rule_up_to_the_one_that_takes_it_is_told_with_its_answer)
{
    ask(hello_of("www.example.com", NULL, 0));
    ck_assert_str_eq(account(&e.outer), "passed:no:sni postgres:kind h2:no:alpn web:yes");
    ck_assert_str_eq(taker(), "web");
    ck_assert(!e.was_asked_inside);
    ask(span_text("8=FIX.4"));
    ck_assert_str_eq(account(&e.outer), "passed:kind postgres:kind h2:kind web:kind near:no:source "
                                        "helo:no:prefix fix:yes");
    ck_assert_uint_eq(e.outer.decided_after, 7);
}
END_TEST

START_TEST(a_name_that_the_index_finds_is_told_like_any_other)
{
    ask(hello_of("DB.example.com.", NULL, 0));
    ck_assert_str_eq(account(&e.outer), "passed:yes");
    ck_assert_str_eq(e.outer.facts.client_hello.sni, "db.example.com");
    ck_assert_uint_eq(strlen(e.outer.ja4), 36);
}
END_TEST

START_TEST(what_is_waited_for_is_told)
{
    struct address source;
    ask(span_text("HELO"));
    ck_assert(e.outer.waited);
    ck_assert_str_eq(e.outer.waited_for->model->name, "helo");
    ck_assert_str_eq(e.outer.waited_key, "prefix");
    ck_assert_str_eq(taker(), "nobody");
    ck_assert(address_parse_ip(&source, span_text("192.0.2.1")));
    stage.args.source = &source;
    ask(span_text("8=FI"));
    ck_assert_str_eq(e.outer.waited_for->model->name, "near");
    ck_assert_str_eq(e.outer.waited_key, "not");
    ck_assert_str_eq(taker(), "near"); /* at the end what may be FIX is none */
    ask(span_of(NULL, 0));
    ck_assert(e.outer.waited);
    ck_assert_ptr_null(e.outer.waited_for);
    ck_assert(e.outer.facts.silent);
}
END_TEST

START_TEST(too_few_bytes_to_tell_tls_wait_for_no_rule)
{
    ask(span_text("\x16\x03"));
    ck_assert(e.outer.waited);
    ck_assert_ptr_null(e.outer.waited_for);
    ck_assert_str_eq(account(&e.outer), "passed:kind postgres:kind h2:kind web:kind near:no:source "
                                        "helo:no:prefix fix:no:protocol");
}
END_TEST

START_TEST(a_hello_that_is_cut_or_broken_asks_no_rule)
{
    struct span whole = hello_of("www.example.com", NULL, 0);
    ask(span_first(whole, whole.length - 1));
    ck_assert_int_eq(e.outer.decision.kind, DECISION_TIMEOUT);
    ck_assert_uint_eq(e.outer.step_count, 0);
    unsigned char broken[] = {0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0};
    ask(span_of(broken, sizeof broken));
    ck_assert_int_eq(e.outer.decision.kind, DECISION_HELLO_REFUSED);
    ck_assert_uint_ne(e.outer.decision.alert, 0);
    ck_assert_str_eq(taker(), "nobody");
}
END_TEST

START_TEST(what_is_behind_max_bytes_is_not_looked_at)
{
    stage.listener.max_inspect_bytes = 6;
    ask(span_text("8=FIX.4.4"));
    ck_assert_str_eq(taker(), "nobody");
    ck_assert(!e.outer.waited);
    ck_assert_uint_eq(e.outer.facts.bytes.length, 6);
    ask(span_first(hello_of("a", NULL, 0), 100));
    ck_assert_int_eq(e.outer.decision.kind, DECISION_HELLO_REFUSED);
    ck_assert_uint_eq(e.outer.decision.alert, TLS_ALERT_RECORD_OVERFLOW);
}
END_TEST

/* --- what comes before ------------------------------------------------------------------------ */

START_TEST(the_address_in_a_proxy_header_counts)
{
    static const char line[] = "PROXY TCP4 192.0.2.9 10.0.0.1 1 2\r\n";
    struct cidr_list trusted = networks_of("10.0.0.0/8"), barred = networks_of("192.0.2.9");
    struct cidr_set *accept_proxy, *deny;
    struct address source;
    char text[128];
    ck_assert(cidr_set_create(&accept_proxy, trusted.item, trusted.count));
    ck_assert(cidr_set_create(&deny, barred.item, barred.count));
    ck_assert(address_parse_ip(&source, span_text("10.1.2.3")));
    snprintf(text, sizeof text, "%sxyz", line);
    stage.args.source = &source;
    stage.args.networks.accept_proxy = accept_proxy;
    ask(span_text(text));
    ck_assert_int_eq(e.proxy, EXPLAIN_PROXY_TAKEN);
    ck_assert_str_eq(taker(), "near");
    ck_assert_uint_eq(e.outer.facts.bytes.length, 3);
    stage.args.networks.deny = deny;
    ask(span_text(text));
    ck_assert_int_eq(e.admission, ADMISSION_DENIED);
    ck_assert(!e.was_asked);
    ask(span_text("xyz"));
    ck_assert_int_eq(e.proxy, EXPLAIN_PROXY_MISSING);
    ask(span_first(span_text(line), 20));
    ck_assert_int_eq(e.proxy, EXPLAIN_PROXY_MISSING);
    stage.args.made_up = true;
    ask(hello_of("db.example.com", NULL, 0));
    ck_assert_int_eq(e.proxy, EXPLAIN_PROXY_GIVEN);
    ck_assert_str_eq(taker(), "passed");
    stage.args.made_up = false;
    ck_assert(address_parse_ip(&source, span_text("198.51.100.1")));
    ask(span_text(text));
    ck_assert_int_eq(e.outer.decision.kind, DECISION_PROXY_PRETENDED);
    ck_assert_str_eq(taker(), "nobody");
    cidr_set_free(accept_proxy);
    cidr_set_free(deny);
}
END_TEST

START_TEST(allow_is_asked_of_a_known_source_only)
{
    struct cidr_list some = networks_of("10.0.0.0/8");
    struct cidr_set *allow;
    struct address source;
    ck_assert(cidr_set_create(&allow, some.item, some.count));
    stage.args.networks.allow = allow;
    ask(span_text("8=FIX.4.4"));
    ck_assert_str_eq(taker(), "fix");
    ck_assert(address_parse_ip(&source, span_text("192.0.2.1")));
    stage.args.source = &source;
    ask(span_text("8=FIX.4.4"));
    ck_assert_int_eq(e.admission, ADMISSION_NOT_ALLOWED);
    cidr_set_free(allow);
}
END_TEST

START_TEST(a_hello_behind_a_request_for_tls_sees_the_starttls_rules)
{
    static unsigned char room[CLIENT_HELLO_RECORD_MAX + 8];
    struct span any = hello_of("any.example.com", NULL, 0);
    memcpy(room, postgres_ssl_request, 8);
    memcpy(room + 8, any.data, any.length);
    ask(span_of(room, any.length + 8));
    ck_assert_int_eq(e.starttls, STARTTLS_postgres);
    ck_assert_str_eq(account(&e.outer), "passed:kind postgres:yes");
    ask(span_of(room, 8));
    ck_assert_int_eq(e.outer.decision.kind, DECISION_TIMEOUT);
    ask(span_of(room, 5));
    ck_assert_int_eq(e.starttls, STARTTLS_NONE);
    ck_assert(e.outer.waited);
}
END_TEST

/* --- inside ----------------------------------------------------------------------------------- */

START_TEST(nested_rules_are_asked_about_the_bytes_inside)
{
    static const char *const offers[] = {"spdy", "fix", "http/1.1"};
    stage.args.has_inner = true;
    stage.args.inner = span_text("GET / HTTP/1.1\r\n");
    ask(hello_of("www.example.com", offers, 3));
    ck_assert(e.was_asked_inside);
    ck_assert(span_is(e.alpn, "http/1.1")); /* our order */
    ck_assert_str_eq(account(&e.inner), "http:yes");
    stage.args.inner = span_text("xyz");
    ask(hello_of("www.example.com", offers, 3));
    ck_assert_str_eq(account(&e.inner), "http:no:protocol alpn:yes");
    ask(hello_of("www.example.org", offers, 3));
    ck_assert_str_eq(account(&e.inner), "http:no:protocol alpn:no:sni");
    ck_assert_str_eq(taker(), "nobody"); /* and not the outer rule */
    stage.args.inner = span_of(NULL, 0);
    ask(hello_of("www.example.com", NULL, 0));
    ck_assert(e.inner.facts.silent && e.inner.waited);
    ck_assert_str_eq(account(&e.inner), "http:no:protocol alpn:no:alpn");
}
END_TEST

START_TEST(offers_that_the_policy_does_not_know_end_in_the_handshake)
{
    static const char *const offers[] = {"spdy"};
    stage.args.has_inner = true;
    ask(hello_of("www.example.com", offers, 1));
    ck_assert(e.alpn_refused && !e.was_asked_inside);
}
END_TEST

/* --- exactness -------------------------------------------------------------------------------- */

static enum decision_kind decide(const struct facts *facts, struct decision *ret)
{
    struct decision_args args = {.rules = stage.compiled,
                                 .facts = facts,
                                 .end = facts->final ? LOOK_ENDS_BY_DELAY : LOOK_GOES_ON};
    decision_make(ret, &args);
    return ret->kind;
}

START_TEST(a_drip_of_the_same_bytes_is_decided_alike_and_on_the_byte_that_was_told)
{
    static const char *const offers[] = {"h2"};
    static unsigned char scratch[CLIENT_HELLO_MAX];
    struct span all[] = {
        span_text("8=FIX.4.4\0019=5"),        span_text("HELO-there"),    span_text("HELO"),
        span_text("GET / HTTP/1.1"),          span_of("\x16\x03\x01", 3), span_text("x"),
        hello_of("db.example.com", offers, 1)};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        static struct facts facts;
        struct decision d = {.kind = DECISION_MORE};
        size_t seen = 0;
        while (d.kind == DECISION_MORE && seen < all[i].length) {
            facts_read(&facts, span_first(all[i], ++seen), false, true, scratch);
            (void)decide(&facts, &d);
        }
        if (d.kind == DECISION_MORE) {
            facts_read(&facts, all[i], true, true, scratch);
            (void)decide(&facts, &d);
        }
        ask(all[i]);
        ck_assert_int_eq(e.outer.decision.kind, d.kind);
        ck_assert_ptr_eq(e.outer.decision.rule, d.rule);
        ck_assert_uint_eq(e.outer.decided_after, seen);
    }
}
END_TEST

START_TEST(the_decision_needs_as_many_bytes_as_it_says)
{
    static unsigned char scratch[CLIENT_HELLO_MAX];
    static struct facts facts;
    struct span all = hello_of("db.example.com", NULL, 0);
    struct decision d;
    size_t seen = 1, looks = 0;
    do {
        facts_read(&facts, span_first(all, seen), false, true, scratch);
        if (decide(&facts, &d) != DECISION_MORE)
            break;
        ck_assert_uint_gt(d.need, seen);
        seen = d.need;
    } while (looks++ < all.length);
    ck_assert_int_eq(d.kind, DECISION_RULE);
    ck_assert_uint_eq(seen, all.length);
    ck_assert_uint_lt(looks, 12);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("explain");
    TCase *t = tcase_create("explain");
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, each_rule_up_to_the_one_that_takes_it_is_told_with_its_answer);
    tcase_add_test(t, a_name_that_the_index_finds_is_told_like_any_other);
    tcase_add_test(t, what_is_waited_for_is_told);
    tcase_add_test(t, too_few_bytes_to_tell_tls_wait_for_no_rule);
    tcase_add_test(t, a_hello_that_is_cut_or_broken_asks_no_rule);
    tcase_add_test(t, what_is_behind_max_bytes_is_not_looked_at);
    tcase_add_test(t, the_address_in_a_proxy_header_counts);
    tcase_add_test(t, allow_is_asked_of_a_known_source_only);
    tcase_add_test(t, a_hello_behind_a_request_for_tls_sees_the_starttls_rules);
    tcase_add_test(t, nested_rules_are_asked_about_the_bytes_inside);
    tcase_add_test(t, offers_that_the_policy_does_not_know_end_in_the_handshake);
    tcase_add_test(t, a_drip_of_the_same_bytes_is_decided_alike_and_on_the_byte_that_was_told);
    tcase_add_test(t, the_decision_needs_as_many_bytes_as_it_says);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
