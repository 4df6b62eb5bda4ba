/* The pure parts of the admin interface: who may ask, which row answers, what a change says. */
#include "../../src/admin/guard.h"
#include "../../src/admin/metrics.h"
#include "../../src/admin/router.h"
#include "../../src/admin/server_change.h"
#include "suite.h"

#include <string.h>

/* --- guard ------------------------------------------------------------------------------------ */

static char gate[] = "gate.example.com", ops[] = "ops";
static char *const hosts[] = {gate, ops};

static const struct {
    const char *host;
    bool known;
} host_rows[] = {
    {NULL, false},
    {"", false},
    {":", false},
    {":80", false},
    {"127.0.0.1", true},
    {"127.0.0.1:9019", true},
    {"192.0.2.7:1", true},
    {"[::1]", true},
    {"[2001:db8::1]:9019", true},
    {"[::1", false},
    {"::1", false},
    {"[]", false},
    {"[evil.com]", false},
    {"localhost", true},
    {"LocalHost:9019", true},
    {"localhost.", true},
    {"localhost.evil.com", false},
    {"evil.com", false},
    {"evil.com:127.0.0.1", false},
    {"127.0.0.1.evil.com", false},
    {"gate.example.com", true},
    {"GATE.example.com.:1", true},
    {"xgate.example.com", false},
    {"a.gate.example.com", false},
    {"ops", true},
    {"ops evil", false},
};

START_TEST(a_host_is_an_address_or_a_name_that_is_ours)
{
    for (size_t i = 0; i < COUNT_OF(host_rows); i++)
        ck_assert_msg(guard_knows_host(host_rows[i].host, hosts, 2) == host_rows[i].known, "%s",
                      host_rows[i].host == NULL ? "(none)" : host_rows[i].host);
}
END_TEST

START_TEST(an_origin_is_that_of_the_host_itself)
{
    ck_assert(guard_is_same_origin(NULL, NULL));
    ck_assert(guard_is_same_origin(NULL, "h"));
    ck_assert(guard_is_same_origin("http://h:1", "h:1"));
    ck_assert(guard_is_same_origin("HTTPS://H:1", "h:1"));
    ck_assert(!guard_is_same_origin("http://h:1", NULL));
    ck_assert(!guard_is_same_origin("http://h:2", "h:1"));
    ck_assert(!guard_is_same_origin("http://h:1/", "h:1"));
    ck_assert(!guard_is_same_origin("ftp://h:1", "h:1"));
    ck_assert(!guard_is_same_origin("null", "null"));
    ck_assert(!guard_is_same_origin("", ""));
    ck_assert(!guard_is_same_origin("http", "http"));
}
END_TEST

START_TEST(a_token_is_the_whole_token)
{
    ck_assert(guard_has_token("Bearer secret", "secret"));
    ck_assert(guard_has_token("bearer secret", "secret"));
    const char *const bad[] = {NULL,
                               "",
                               "Bearer",
                               "Bearer ",
                               "secret",
                               "Bearer secre",
                               "Bearer secretx",
                               "Bearer secretsecret",
                               "Bearer  secret",
                               "Basic secret",
                               "Bearer SECRET"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ck_assert_msg(!guard_has_token(bad[i], "secret"), "%s", bad[i] == NULL ? "(none)" : bad[i]);
}
END_TEST

/* --- router ----------------------------------------------------------------------------------- */

static const struct {
    const char *method, *path;
    enum route_verdict verdict;
    const char *first, *second; /* parts, or in `first` what is allowed */
} route_rows[] = {
    {"GET", "/metrics", ROUTE_FOUND, NULL, NULL},
    {"HEAD", "/metrics", ROUTE_FOUND, NULL, NULL},
    {"POST", "/metrics", ROUTE_WRONG_METHOD, "GET, HEAD", NULL},
    {"get", "/metrics", ROUTE_WRONG_METHOD, "GET, HEAD", NULL},
    {"GET", "/metrics/", ROUTE_UNKNOWN, NULL, NULL},
    {"GET", "", ROUTE_UNKNOWN, NULL, NULL},
    {"GET", "//metrics", ROUTE_UNKNOWN, NULL, NULL},
    {"DELETE", "/v1/sessions/a-b-c", ROUTE_FOUND, "a-b-c", NULL},
    {"GET", "/v1/sessions/a", ROUTE_WRONG_METHOD, "DELETE", NULL},
    {"DELETE", "/v1/sessions/", ROUTE_UNKNOWN, NULL, NULL},
    {"DELETE", "/v1/sessions/a/b", ROUTE_UNKNOWN, NULL, NULL},
    {"PATCH", "/v1/pools/a%2Fb/servers/10.0.0.1%3a80", ROUTE_FOUND, "a/b", "10.0.0.1:80"},
    {"PATCH", "/v1/pools/%25/servers/%e2%82%ac", ROUTE_FOUND, "%", "€"},
    {"PATCH", "/v1/pools/a%00b/servers/c", ROUTE_UNKNOWN, NULL, NULL},
    {"PATCH", "/v1/pools/a%2/servers/c", ROUTE_UNKNOWN, NULL, NULL},
    {"PATCH", "/v1/pools/a%/servers/c", ROUTE_UNKNOWN, NULL, NULL},
    {"PATCH", "/v1/pools/a%zz/servers/c", ROUTE_UNKNOWN, NULL, NULL},
    {"PATCH", "/v1/pools/a%2/", ROUTE_UNKNOWN, NULL, NULL},
    {"PATCH", "/v1/pools/a/servers/", ROUTE_UNKNOWN, NULL, NULL},
};

START_TEST(a_path_finds_its_row_and_parts_are_decoded)
{
    for (size_t i = 0; i < COUNT_OF(route_rows); i++) {
        const struct route *route;
        struct route_parts parts;
        char allow[64];
        enum route_verdict verdict =
            router_find(route_rows[i].method, route_rows[i].path, &route, &parts, allow);
        ck_assert_msg(verdict == route_rows[i].verdict, "%s %s", route_rows[i].method,
                      route_rows[i].path);
        if (verdict == ROUTE_WRONG_METHOD)
            ck_assert_str_eq(allow, route_rows[i].first);
        if (verdict == ROUTE_FOUND && route_rows[i].first != NULL)
            ck_assert_str_eq(parts.text[0], route_rows[i].first);
        if (verdict == ROUTE_FOUND && route_rows[i].second != NULL)
            ck_assert_str_eq(parts.text[1], route_rows[i].second);
    }
}
END_TEST

START_TEST(a_part_that_is_too_long_finds_nothing)
{
    const struct route *route;
    struct route_parts parts;
    char allow[64], path[600] = "/v1/sessions/";
    memset(path + 13, 'a', 511);
    ck_assert_int_eq(router_find("DELETE", path, &route, &parts, allow), ROUTE_FOUND);
    path[13 + 511] = 'a';
    ck_assert_int_eq(router_find("DELETE", path, &route, &parts, allow), ROUTE_UNKNOWN);
}
END_TEST

START_TEST(only_get_changes_nothing)
{
    for (size_t i = 0; i < router_count(); i++)
        ck_assert(router_is_change(router_at(i)) == (strcmp(router_at(i)->method, "GET") != 0));
    ck_assert_uint_gt(router_count(), 10);
}
END_TEST

/* --- server_change ---------------------------------------------------------------------------- */

START_TEST(a_change_says_state_or_weight)
{
    struct server_change change = {0};
    struct error error;
    ck_assert(server_change_parse(&change, span_text("{\"state\":\"maint\"}"), &error));
    ck_assert(change.has_state && !change.has_weight && change.state == SERVER_MAINT);
    change = (struct server_change){0};
    ck_assert(server_change_parse(&change, span_text(" {\"weight\":0} "), &error));
    ck_assert(!change.has_state && change.has_weight && change.weight == 0);
    const char *const bad[] = {"",
                               "{",
                               "null",
                               "[]",
                               "{}",
                               "{\"state\":1}",
                               "{\"weight\":1.5}",
                               "{\"weight\":-1}",
                               "{\"weight\":257}",
                               "{\"weight\":1}x",
                               "{\"weight\":1}x",
                               "{\"state\":\"READY\"}",
                               "{\"state\":null}",
                               "{\"weight\":1,\"x\":1}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        change = (struct server_change){0};
        ck_assert_msg(!server_change_parse(&change, span_text(bad[i]), &error), "%s", bad[i]);
    }
}
END_TEST

/* --- metrics ---------------------------------------------------------------------------------- */

START_TEST(values_of_labels_are_escaped)
{
    struct text t = {0};
    const char *const labels[] = {"rule", "a\"b\\c\nd", "end", "", NULL};
    metric_add(&t, METRIC_sessions_total, "", labels, UINT64_MAX);
    ck_assert_str_eq(t.data, "muxgate_sessions_total{rule=\"a\\\"b\\\\c\\nd\",end=\"\"} "
                             "18446744073709551615\n");
    text_clear(&t);
    metric_add_millionths(&t, METRIC_inspect_seconds, "_sum", NULL, 1000001);
    ck_assert_str_eq(t.data, "muxgate_inspect_seconds_sum 1.000001\n");
    text_release(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin: guard, router, changes, metrics");
    TCase *tests = tcase_create("pure");
    tcase_add_test(tests, a_host_is_an_address_or_a_name_that_is_ours);
    tcase_add_test(tests, an_origin_is_that_of_the_host_itself);
    tcase_add_test(tests, a_token_is_the_whole_token);
    tcase_add_test(tests, a_path_finds_its_row_and_parts_are_decoded);
    tcase_add_test(tests, a_part_that_is_too_long_finds_nothing);
    tcase_add_test(tests, only_get_changes_nothing);
    tcase_add_test(tests, a_change_says_state_or_weight);
    tcase_add_test(tests, values_of_labels_are_escaped);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
