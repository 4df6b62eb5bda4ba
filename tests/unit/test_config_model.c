/* What a good file becomes: values, defaults, merging, names, paths; and the dump of it all. */
#include "config/difference.h"
#include "config_kit.h"
#include "suite.h"

#include <unistd.h>

static struct config config;

static void teardown(void)
{
    config_free(&config);
}

static const struct model *read_good(const char *name)
{
    bool done = config_read_file(&config, kit_path(name));
    struct text lines = kit_problems(&config);
    ck_assert_msg(done, "%s", lines.data);
    text_release(&lines);
    return config.model;
}

static const struct model *read_here(const char *text)
{
    bool done = kit_config(&config, text);
    struct text lines = kit_problems(&config);
    ck_assert_msg(done, "%s", lines.data);
    text_release(&lines);
    return config.model;
}

START_TEST(a_minimal_file_has_the_documented_defaults)
{
    const struct model *m = read_good("good/minimal.json");
    const struct model_listener *l = model_find_listener(m, "a");
    const struct model_pool *p = model_find_pool(m, "p");
    ck_assert_uint_eq(l->inspect_delay_ms, 2000);
    ck_assert_uint_eq(l->handshake_timeout_ms, 10000);
    ck_assert_uint_eq(l->idle_timeout_ms, 3600000);
    ck_assert_uint_eq(l->half_closed_timeout_ms, 30000);
    ck_assert_uint_eq(l->max_undecided, 10000);
    ck_assert_uint_eq(l->max_undecided_per_source, 0);
    ck_assert_uint_eq(l->max_inspect_bytes, 65536);
    ck_assert(l->keepalive.on && l->log && !l->has_allow && !l->has_accept_proxy);
    ck_assert_uint_eq(l->keepalive.idle_ms, 60000);
    ck_assert_uint_eq(l->keepalive.interval_ms, 10000);
    ck_assert_uint_eq(l->keepalive.count, 6);
    ck_assert_uint_eq(l->keepalive.user_timeout_ms, 60000);
    ck_assert_ptr_null(l->tls.path);
    ck_assert_int_eq(l->binds[0].kind, HOST_ANY);
    ck_assert_uint_eq(l->binds[0].port, 9018);
    ck_assert_int_eq(p->balance, BALANCE_ROUND_ROBIN);
    ck_assert(!p->health.on);
    ck_assert_uint_eq(p->connect_timeout_ms, 5000);
    ck_assert_uint_eq(p->connect_retries, 2);
    ck_assert_int_eq(p->proxy_protocol, PROXY_OFF);
    ck_assert_uint_eq(p->servers[0].weight, 1);
    ck_assert_str_eq(p->servers[0].name, "10.0.0.5:80");
    ck_assert_uint_eq(m->workers, 0);
    ck_assert_uint_eq(m->max_sessions, 0);
    ck_assert_int_eq(m->log.access, LOG_TARGET_STDOUT);
    ck_assert_int_eq(m->log.format, LOG_FORMAT_JSON);
    ck_assert_int_eq(m->log.level, LOG_LEVEL_INFO);
    ck_assert_ptr_null(model_find_pool(m, "q"));
}
END_TEST

START_TEST(health_checks_have_their_defaults_once_they_are_on)
{
    const struct model *m =
        read_here("{\"listeners\":{\"a\":{\"bind\":\"*:0\",\"rules\":[{\"pool\":\"p\"}]}},"
                  "\"pools\":{\"p\":{\"servers\":[\"h:1\"],\"health_check\":{}}}}");
    const struct model_health *h = &m->pools[0].health;
    ck_assert(h->on);
    ck_assert_uint_eq(h->interval_ms, 2000);
    ck_assert_uint_eq(h->timeout_ms, 2000);
    ck_assert_uint_eq(h->fall, 3);
    ck_assert_uint_eq(h->rise, 2);
    ck_assert_uint_eq(h->port, 0);
}
END_TEST

START_TEST(every_key_reaches_the_model)
{
    const struct model *m = read_good("good/everything.json");
    const struct model_listener *l = model_find_listener(m, "main");
    ck_assert_uint_eq(m->workers, 4);
    ck_assert_str_eq(m->user, "muxgate");
    ck_assert_uint_eq(m->max_sessions, 20000);
    ck_assert_uint_eq(m->drain_timeout_ms, 30000);
    ck_assert_ptr_nonnull(strstr(m->ledger.file, "/state/ledger"));
    ck_assert_uint_eq(m->ledger.max_entries, 500);
    ck_assert_uint_eq(m->ledger.interval_ms, 1500);
    ck_assert_int_eq(m->log.access, LOG_TARGET_FILE);
    ck_assert_int_eq(m->log.level, LOG_LEVEL_DEBUG);
    ck_assert_uint_eq(l->bind_count, 6);
    ck_assert_int_eq(l->binds[2].kind, HOST_NAME);
    ck_assert_str_eq(l->binds[2].name, "localhost");
    ck_assert_str_eq(l->binds[2].path, "listeners.main.bind[2]");
    ck_assert_int_eq(l->binds[3].address.any.sa_family, AF_UNIX);
    ck_assert_uint_eq(l->accept_proxy.count, 2);
    ck_assert_uint_eq(l->allow.item[1].prefix_bits, 32);
    ck_assert_uint_eq(l->tls.certificate_count, 3);
    ck_assert(!l->tls.certificates[0].pem && l->tls.certificates[1].pem);
    ck_assert_str_eq(l->tls.certificates[1].cert, "/etc/muxgate/b.pem");
    ck_assert_str_eq(l->tls.certificates[1].key, "/etc/muxgate/b.pem");
    ck_assert_str_eq(l->tls.certificates[2].directory, "/etc/muxgate/sites");
    ck_assert_ptr_null(l->tls.certificates[2].cert);
    ck_assert_int_eq(l->tls.min_version, 0x0301);
    ck_assert_int_eq(l->tls.max_version, 0x0304);
    ck_assert(l->tls.strict_sni && !l->tls.prefer_server_ciphers && !l->tls.watch);
    ck_assert_int_eq(l->tls.client_auth.mode, CLIENT_AUTH_REQUEST);
    ck_assert_str_eq(strrchr(l->tls.client_auth.ca, '/'), "/clients.pem");
    ck_assert_str_eq(strrchr(l->tls.client_auth.crl, '/'), "/clients.crl");
    ck_assert_uint_eq(l->tls.client_auth.depth, 2);
    ck_assert_str_eq(strrchr(l->tls.tickets.keys, '/'), "/tickets.keys");
    ck_assert_uint_eq(l->tls.tickets.lifetime_ms, 3600000);
    ck_assert(!l->tls.tickets.off && l->tls.tickets.count == 0);
    ck_assert_uint_eq(l->max_sessions, 500);
    ck_assert_uint_eq(l->max_sessions_per_source, 20);
    ck_assert_uint_eq(l->accept_rate_per_source.count, 300);
    ck_assert_uint_eq(l->accept_rate_per_source.period_ms, 60000);
    ck_assert_uint_eq(l->max_handshakes, 50);
    ck_assert_uint_eq(l->max_inspect_bytes, 16384);
    ck_assert(!l->log);
    ck_assert(!model_find_listener(m, "plain")->keepalive.on);
    ck_assert(model_find_listener(m, "plain")->has_allow);
    ck_assert_uint_eq(m->pools[0].health.port, 9900);
    ck_assert_str_eq(strrchr(m->admin.socket, '/'), "/admin.sock");
    ck_assert(m->admin.socket[0] == '/' && m->admin.token_file[0] == '/');
    ck_assert_uint_eq(m->admin.socket_mode, 0600);
    ck_assert(m->admin.has_http);
    ck_assert_uint_eq(m->admin.http.port, 9019);
    ck_assert_uint_eq(m->admin.hosts.count, 2);
    ck_assert_str_eq(m->admin.hosts.item[0], "gate.example.com");
    ck_assert_uint_eq(m->pools[0].servers[2].weight, 0);
    ck_assert(m->pools[0].servers[2].backup);
    ck_assert_int_eq(m->pools[1].source.address.any.sa_family, AF_INET);
    ck_assert_uint_eq(m->pools[1].source.low, 20000);
    ck_assert_uint_eq(m->pools[1].source.high, 29999);
    ck_assert(!m->pools[1].transparent);
    ck_assert_int_eq(m->pools[1].proxy_protocol, PROXY_V2_TLS);
    ck_assert_uint_eq(m->pools[1].pass_tlv_count, 3);
    ck_assert_uint_eq(m->pools[1].pass_tlvs[0], 0x02);
    ck_assert_uint_eq(m->pools[1].pass_tlvs[1], 0xea);
    ck_assert_uint_eq(m->pools[1].pass_tlvs[2], 0x20);
}
END_TEST

START_TEST(rules_carry_their_matchers_and_names)
{
    const struct model_rule *r = read_good("good/everything.json")->listeners[0].rules;
    ck_assert_str_eq(r[0].name, "inner");
    ck_assert_str_eq(r[0].path, "listeners.main.rules[0]");
    ck_assert_int_eq(r[0].tls, TLS_ACTION_TERMINATE);
    ck_assert_str_eq(r[0].match.sni.item[0], "a.example.com");
    ck_assert_str_eq(r[0].match.sni.item[1], "*.example.org");
    ck_assert_str_eq(r[0].match.negated->negated->path, "listeners.main.rules[0].match.not.not");
    ck_assert_str_eq(r[0].match.negated->negated->alpn.item[0], "x");
    ck_assert_str_eq(r[0].rules[0].match.fix.sender_comp_id.item[1], "B");
    ck_assert_str_eq(r[0].rules[0].match.fix.target_comp_id.item[0], "V");
    ck_assert_str_eq(r[0].rules[0].match.fix.sender_sub_id.item[0], "s");
    ck_assert_str_eq(r[0].rules[0].match.fix.username.item[0], "u");
    ck_assert_str_eq(r[0].rules[0].match.fix.begin_string.item[0], "FIX.4.4");
    ck_assert(r[0].rules[0].match.fix.has_valid && !r[0].rules[0].match.fix.valid);
    ck_assert(r[0].rules[0].match.fix.present && !r[2].match.fix.present);
    ck_assert(r[0].rules[0].match.client_cert.present && !r[0].match.client_cert.present);
    ck_assert_str_eq(r[0].rules[0].match.client_cert.cn.item[0], "desk-1");
    ck_assert_str_eq(r[0].rules[0].match.client_cert.san.item[1], "spiffe://prod/desk");
    ck_assert_str_eq(r[0].match.ja4.item[0], "t13d*");
    ck_assert_str_eq(r[2].match.regex.item[1], "^GET");
    ck_assert_str_eq(r[2].match.prefix.item[0], "SSH-");
    ck_assert_str_eq(r[2].match.prefix_hex.item[1], "53AB");
    ck_assert_uint_eq(r[0].rule_count, 3);
    ck_assert_str_eq(r[0].rules[1].name, "rules[0].rules[1]");
    ck_assert(r[0].rules[1].reject && r[0].rules[1].match.silent);
    ck_assert_str_eq(r[0].rules[2].name, "deepest");
    ck_assert_uint_eq(r[3].from, UINT64_C(1774972800));
    ck_assert_uint_eq(r[3].until, UINT64_C(253402300799));
    ck_assert(r[4].from == 0 && r[4].until == 0);
    ck_assert(r[4].redirect && r[4].pool == NULL && !r[3].redirect);
    ck_assert_str_eq(r[5].name, "rules[5]");
    ck_assert_str_eq(r[5].pool, "fix");
    ck_assert(!r[5].match.present && r[1].match.present);
    ck_assert_int_eq(r[1].tls, TLS_ACTION_PASSTHROUGH);
    ck_assert_int_eq(r[4].tls, TLS_ACTION_PLAIN);
}
END_TEST

START_TEST(a_rules_policy_changes_the_listeners_tls)
{
    const struct model_rule *r = read_good("good/everything.json")->listeners[0].rules;
    const struct model_tls *t = r[0].policy;
    ck_assert_str_eq(t->path, "listeners.main.rules[0].policy");
    ck_assert_int_eq(t->min_version, 0x0303);
    ck_assert_int_eq(t->max_version, 0x0304);
    ck_assert_uint_eq(t->alpn.count, 1);
    ck_assert_str_eq(t->alpn.item[0], "fix");
    ck_assert(!t->strict_sni && !t->prefer_server_ciphers);
    ck_assert_str_eq(t->groups, "X25519:P-256");
    ck_assert_uint_eq(t->certificate_count, 3);
    ck_assert_int_eq(t->client_auth.mode, CLIENT_AUTH_REQUIRE);
    ck_assert_str_eq(strrchr(t->client_auth.ca, '/'), "/clients.pem");
    ck_assert_uint_eq(t->client_auth.depth, 0);
    ck_assert(t->tickets.off);
    ck_assert_ptr_null(r[1].policy);
}
END_TEST

START_TEST(defaults_merge_objects_and_yield_lists)
{
    const struct model *m = read_good("good/defaults.json");
    const struct model_listener *all = model_find_listener(m, "all");
    const struct model_listener *some = model_find_listener(m, "some");
    ck_assert_uint_eq(all->inspect_delay_ms, 3000);
    ck_assert_uint_eq(all->rule_count, 2);
    ck_assert_str_eq(all->rules[1].path, "listeners.all.rules[1]");
    ck_assert_uint_eq(all->idle_timeout_ms, 7200000);
    ck_assert_uint_eq(all->keepalive.idle_ms, 20000);
    ck_assert_uint_eq(some->idle_timeout_ms, 10800000);
    ck_assert_uint_eq(some->handshake_timeout_ms, 3000);
    ck_assert_uint_eq(some->deny.count, 0);
    ck_assert_uint_eq(some->rule_count, 1);
    ck_assert_uint_eq(some->tls.alpn.count, 1);
    ck_assert_int_eq(some->tls.min_version, 0x0304);
    ck_assert(!some->keepalive.on);
    ck_assert(some->rules[0].policy->strict_sni && !some->tls.strict_sni);
    ck_assert_uint_eq(m->pools[0].health.interval_ms, 5000);
    ck_assert_uint_eq(m->pools[0].connect_timeout_ms, 1000);
    ck_assert(!m->pools[1].health.on);
    ck_assert_uint_eq(m->pools[1].connect_timeout_ms, 2000);
}
END_TEST

START_TEST(relative_files_start_from_the_folder_of_the_file)
{
    static const char text[] = "{\"listeners\":{\"a\":{\"bind\":\"unix:run/"
                               "a\",\"tls\":{\"certificates\":[{\"pem\":\"../x.pem\"}]},"
                               "\"rules\":[{\"tls\":\"terminate\",\"pool\":\"p\"}]}},\"pools\":{"
                               "\"p\":{\"servers\":[\"unix:@z\"]}},"
                               "\"log\":{\"access\":\"./off\"}}";
    const struct model *m = read_here(text);
    ck_assert_str_eq(m->listeners[0].tls.certificates[0].cert, "/etc/muxgate/../x.pem");
    ck_assert_str_eq(m->log.file, "/etc/muxgate/./off");
    ck_assert_str_eq(m->listeners[0].binds[0].address.local.sun_path, "/etc/muxgate/run/a");
    ck_assert_str_eq(m->listeners[0].binds[0].text, "unix:run/a");
    ck_assert_str_eq(m->pools[0].servers[0].name, "unix:@z");
}
END_TEST

START_TEST(a_relative_folder_becomes_absolute)
{
    static const char text[] =
        "{\"listeners\":{\"a\":{\"bind\":\"*:0\",\"rules\":[{\"reject\":true}]}},"
        "\"pools\":{},\"log\":{\"access\":\"a.log\"}}";
    char here[4096], wanted[4200];
    ck_assert_ptr_nonnull(getcwd(here, sizeof here));
    snprintf(wanted, sizeof wanted, "%s/conf/a.log", here);
    ck_assert(config_read_text(&config, "conf/gate.json", "conf", text, strlen(text)));
    ck_assert_str_eq(config.model->log.file, wanted);
}
END_TEST

static void check_round_trip(const char *path, const char *name)
{
    struct config first, second;
    struct text one = {0}, two = {0};
    ck_assert_msg(config_read_file(&first, path), "%s", name);
    ck_assert(config_dump(first.model, &one));
    ck_assert_msg(config_read_text(&second, "dump.json", "/elsewhere", one.data, one.length), "%s",
                  one.data);
    ck_assert(config_dump(second.model, &two));
    ck_assert_str_eq(one.data, two.data);
    text_release(&one);
    text_release(&two);
    config_free(&first);
    config_free(&second);
}

static void expect_difference(const char *before, const char *after, const char *summary,
                              const char *json)
{
    struct config old, new;
    struct difference difference;
    struct text text = {0};
    ck_assert(kit_config(&old, before) && kit_config(&new, after));
    ck_assert(difference_find(&difference, old.model, new.model));
    difference_add_summary(&difference, &text);
    ck_assert_str_eq(text.data, summary);
    text_clear(&text);
    difference_add_json(&difference, &text);
    if (json != NULL)
        ck_assert_str_eq(text.data, json);
    text_release(&text);
    difference_release(&difference);
    config_free(&old);
    config_free(&new);
}

START_TEST(a_difference_is_told_in_the_terms_of_the_file)
{
    static const char before[] =
        "{\"listeners\": {\"l\": {\"bind\": \"*:1\", \"rules\": [{\"name\": \"a\", \"match\":"
        " {\"protocol\": \"fix\"}, \"pool\": \"p\"}, {\"name\": \"b\", \"pool\": \"p\"}]}},"
        " \"pools\": {\"p\": {\"servers\": [\"127.0.0.1:1\", \"127.0.0.1:2\"]}}}";
    static const char after[] = "{\"listeners\": {\"l\": {\"bind\": \"*:1\", \"inspect_delay\": "
                                "\"1s\", \"rules\": [{\"name\":"
                                " \"a\", \"match\": {\"protocol\": \"ssh\"}, \"pool\": \"q\"}, "
                                "{\"name\": \"c\", \"pool\": \"p\"}]}},"
                                " \"pools\": {\"p\": {\"servers\": [\"127.0.0.1:2\"]}, \"q\": "
                                "{\"servers\": [\"127.0.0.1:3\"]}},"
                                " \"log\": {\"level\": \"debug\"}}";
    expect_difference(before, before, "none", "[]");
    expect_difference(
        before, after,
        "1 listener changed, 1 rule added, 1 rule removed, 1 rule changed, 1 pool added, "
        "1 server removed, 1 setting changed",
        "[\n  {\"change\": \"changed\", \"what\": \"listener\", \"path\": \"listeners.l\","
        " \"name\": \"l\"},\n  {\"change\": \"changed\", \"what\": \"rule\", \"path\":"
        " \"listeners.l.rules[0]\", \"name\": \"a\"},\n  {\"change\": \"added\", \"what\": "
        "\"rule\","
        " \"path\": \"listeners.l.rules[1]\", \"name\": \"c\"},\n  {\"change\": \"removed\","
        " \"what\": \"rule\", \"path\": \"listeners.l.rules[1]\", \"name\": \"b\"},\n"
        "  {\"change\": \"removed\", \"what\": \"server\", \"path\": \"pools.p.servers[0]\","
        " \"name\": \"127.0.0.1:1\"},\n  {\"change\": \"added\", \"what\": \"pool\", \"path\":"
        " \"pools.q\", \"name\": \"q\"},\n  {\"change\": \"changed\", \"what\": \"setting\","
        " \"path\": \"log\", \"name\": \"log\"}\n]");
    expect_difference(after, before,
                      "1 listener changed, 1 rule added, 1 rule removed, 1 rule changed, "
                      "1 pool removed, 1 server added, 1 setting changed",
                      NULL);
}
END_TEST

/* Written in another way, it means the same; and things of one name are told by their order. */
START_TEST(what_means_the_same_is_no_difference)
{
    expect_difference(
        "{\"listeners\": {\"l\": {\"bind\": \"*:1\", \"rules\": [{\"pool\": \"p\"}]}},"
        " \"pools\": {\"p\": {\"servers\": [\"127.0.0.1:1\"]}}}",
        "{\"pools\": {\"p\": {\"servers\": [{\"address\": \"127.0.0.1:1\", \"weight\": 1}]}},"
        " \"listeners\": {\"l\": {\"bind\": [\"*:1\"], \"inspect_delay\": \"2000ms\","
        " \"rules\": [{\"pool\": \"p\"}]}}}",
        "none", "[]");
}
END_TEST

START_TEST(starttls_is_read_and_dumped)
{
    struct text dump = {0};
    const struct model *m = read_good("good/starttls.json");
    ck_assert_str_eq(m->listeners[0].rules[0].starttls, "postgres");
    ck_assert_int_eq(m->listeners[0].rules[0].tls, TLS_ACTION_PASSTHROUGH);
    ck_assert_ptr_null(m->listeners[0].rules[2].starttls);
    ck_assert(config_dump(m, &dump));
    ck_assert_ptr_nonnull(strstr(dump.data, "\"starttls\": \"postgres\""));
    text_release(&dump);
}
END_TEST

START_TEST(a_dump_reads_back_as_itself)
{
    kit_each_file("good", check_round_trip);
}
END_TEST

START_TEST(a_dump_shows_what_was_filled_in)
{
    struct text dump = {0};
    ck_assert(config_dump(read_good("good/minimal.json"), &dump));
    ck_assert_ptr_nonnull(strstr(dump.data, "\n      \"inspect_delay\": \"2s\",\n"));
    ck_assert_ptr_nonnull(strstr(dump.data, "\"name\": \"rules[0]\""));
    ck_assert_ptr_nonnull(strstr(dump.data, "\"name\": \"10.0.0.5:80\""));
    ck_assert_ptr_nonnull(strstr(dump.data, "\"workers\": \"auto\"\n}\n"));
    ck_assert_ptr_null(strstr(dump.data, "drain_timeout"));
    text_release(&dump);
}
END_TEST

START_TEST(later_floors_report_at_the_place_of_what_was_inherited)
{
    (void)read_good("good/defaults.json");
    struct problems *p = config.problems;
    problems_error(p, "listeners.all.tls.ciphers", "no such cipher");
    problems_error(p, "listeners.some.rules[0].policy.certificates[0].cert", "cannot read");
    problems_error(p, "listeners.some.tls.certificates[0].cert", "cannot read");
    problems_warning(p, "listeners.all.rules[1]", "shadowed");
    struct text lines = kit_problems(&config);
    const char *at = strrchr(kit_path("good/defaults.json"), '/') + 1;
    ck_assert_str_eq(at, "defaults.json");
    ck_assert_uint_eq(problems_errors(p), 3);
    ck_assert_ptr_nonnull(
        strstr(lines.data,
               "defaults.json:7:44: defaults.listener.tls.certificates[0].cert: cannot read\n"));
    ck_assert_ptr_nonnull(
        strstr(lines.data, "defaults.json:9:57: warning: defaults.listener.rules[1]: shadowed\n"));
    ck_assert_ptr_nonnull(
        strstr(lines.data, "defaults.json:14:12: listeners.all.tls.ciphers: no such cipher\n"));
    ck_assert_ptr_null(strstr(strstr(lines.data, "cannot read") + 1, "cannot read"));
    text_release(&lines);
}
END_TEST

START_TEST(problems_come_in_the_order_of_their_places)
{
    (void)read_good("good/minimal.json");
    problems_error(config.problems, "pools.p", "second");
    problems_error(config.problems, "listeners.a", "first");
    problems_error(config.problems, "pools.p", "third");
    problems_file(config.problems, "whole");
    struct text lines = kit_problems(&config);
    const char *whole = strstr(lines.data, ": whole\n"), *first = strstr(lines.data, ": first\n");
    const char *second = strstr(lines.data, ": second\n"), *third = strstr(lines.data, ": third\n");
    ck_assert(whole != NULL && whole < first && first < second && second < third);
    text_release(&lines);
}
END_TEST

static const struct model *draft_of(const char *text)
{
    ck_assert(!kit_config(&config, text));
    ck_assert_ptr_null(config.model);
    return config.draft;
}

START_TEST(a_draft_lacks_what_cannot_be_used_and_keeps_the_places_of_the_rest)
{
    const struct model *m = draft_of(
        "{\"workers\":0,\"log\":{\"level\":\"loud\"},\"listeners\":{\"a\":{\"bind\":\"*:1\","
        "\"inspect_delay\":9,\"timeouts\":{\"idle\":\"2h\",\"handshake\":1},\"rules\":["
        "7,{\"mach\":{},\"match\":{\"protocol\":[5,\"gopher\"],\"sni\":6},\"pool\":\"q\"}]},"
        "\"b\":7},\"pools\":{\"p\":{\"servers\":[{},\"h:2\",\"h:2\"],\"balance\":\"fair\"}}}");
    ck_assert_uint_eq(m->listener_count, 1);
    const struct model_listener *a = &m->listeners[0];
    ck_assert_uint_eq(a->inspect_delay_ms, 2000);
    ck_assert_uint_eq(a->idle_timeout_ms, 7200000);
    ck_assert_uint_eq(a->handshake_timeout_ms, 10000);
    ck_assert_uint_eq(a->rule_count, 1);
    ck_assert_str_eq(a->rules[0].path, "listeners.a.rules[1]");
    ck_assert_uint_eq(a->rules[0].match.protocol.count, 2);
    ck_assert_str_eq(a->rules[0].match.protocol.item[0], "");
    ck_assert_str_eq(a->rules[0].match.protocol.item[1], "gopher");
    ck_assert_uint_eq(a->rules[0].match.sni.count, 0);
    ck_assert_uint_eq(m->pools[0].server_count, 1);
    ck_assert_str_eq(m->pools[0].servers[0].path, "pools.p.servers[1]");
}
END_TEST

START_TEST(a_draft_does_without_single_keys_of_defaults_and_policies)
{
    const struct model *m = draft_of(
        "{\"defaults\":{\"listener\":{\"tls\":{\"watch\":1,\"groups\":\"G\"}},\"pool\":1},"
        "\"listeners\":{\"a\":{\"bind\":\"*:1\",\"tls\":{\"certificates\":[{\"pem\":4},"
        "{\"cert\":\"x\"}],\"ciphers\":0},\"rules\":[{\"tls\":\"terminate\",\"pool\":\"p\"}]}},"
        "\"pools\":{\"p\":{\"servers\":[\"name:1\",\"1.2.3.4:1\"],\"resolve\":{\"servers\":[1]}}}"
        "}");
    const struct model_tls *tls = &m->listeners[0].tls;
    ck_assert_str_eq(tls->groups, "G");
    ck_assert_uint_eq(tls->certificate_count, 2);
    ck_assert_ptr_null(tls->certificates[0].cert);
    ck_assert_str_eq(tls->certificates[1].path, "listeners.a.tls.certificates[1]");
    ck_assert_str_eq(tls->certificates[1].cert, "/etc/muxgate/x");
    ck_assert_ptr_null(tls->certificates[1].key);
    ck_assert(tls->vague && tls->ciphers == NULL);
    ck_assert_uint_eq(m->listeners[0].rule_count, 1);
    ck_assert_uint_eq(m->pools[0].server_count, 1); /* who would look the name up? */
}
END_TEST

START_TEST(there_is_no_draft_without_sound_json)
{
    ck_assert_ptr_null(draft_of("{\"listeners\": {},"));
    config_free(&config);
    const struct model *m = draft_of("[]");
    ck_assert(m == NULL || m->listener_count == 0);
}
END_TEST

static const struct {
    const char *defaults, *own, *dump, *gone;
} displaced[] = {
    {"\"transparent\":true", "\"source\":\"10.0.0.1\"", "\"transparent\": false", "true,"},
    {"\"source\":\"10.0.0.1\"", "\"transparent\":true", "\"transparent\": true", "\"source\""},
    {"\"proxy_protocol\":\"v2\",\"pass_tlvs\":[\"alpn\"]", "\"proxy_protocol\":\"off\"", "\"off\"",
     "pass_tlvs"},
    {"\"health_check\":{\"type\":\"script\",\"send\":\"a\",\"expect_hex\":\"00\"}",
     "\"health_check\":{\"send_hex\":\"01\",\"expect\":\"b\"}", "\"send_hex\": \"01\"", "\"send\""},
};

START_TEST(a_key_displaces_what_it_excludes_of_the_defaults)
{
    struct text text = {0}, dump = {0};
    text_format(&text,
                "{\"defaults\":{\"pool\":{%s}},\"listeners\":{\"a\":{\"bind\":\"*:1\",\"rules\":[{"
                "\"pool\":\"p\"}]}},\"pools\":{\"p\":{\"servers\":[\"10.0.0.9:1\"],%s}}}",
                displaced[_i].defaults, displaced[_i].own);
    kit_expect(text.data, "");
    ck_assert(kit_config(&config, text.data));
    ck_assert(config_dump(config.model, &dump));
    const char *pools = strstr(dump.data, "\"pools\"");
    ck_assert_msg(strstr(pools, displaced[_i].dump) != NULL, "%s", pools);
    ck_assert_msg(strstr(pools, displaced[_i].gone) == NULL, "%s", pools);
    text_release(&text);
    text_release(&dump);
}
END_TEST

START_TEST(of_repeated_objects_nothing_is_missing_that_the_others_have)
{
    kit_expect("{\"listeners\":{\n"
               "\"a.tls\":{\"bind\":\"*:1\",\"tls\":{\"certificates\":[{\"pem\":\"x\"}]},\n"
               "\"tls\":{\"watch\":false},\"rules\":[{\"reject\":true}]},\n"
               "\"a.tls\":{\"rules\":[{\"tls\":\"terminate\",\"pool\":\"p\"}]}},\n"
               "\"pools\":{\"p\":{\"servers\":[\"h:1\"]},\n"
               "\"p\":{}}}",
               "gate.json:3:1: listeners.a.tls.tls: repeated key (first in line 2)\n"
               "gate.json:4:1: listeners.a.tls: repeated key (first in line 2)\n"
               "gate.json:6:1: pools.p: repeated key (first in line 5)\n");
}
END_TEST

START_TEST(of_repeated_maps_all_entries_are_looked_at)
{
    kit_expect(
        "{\"pools\":{\"p\":{\"servers\":[\"h:1\"]}},\n"
        "\"listeners\":{\"a\":{\"rules\":[{\"pool\":\"p\"},{\"pool\":\"q\"}]}},\n"
        "\"defaults\":{\"listener\":{\"bind\":\"*:1\"}},\n"
        "\"pools\":{\"q\":{\"servers\":[\"h:1\"],\"weight\":1}},\n"
        "\"defaults\":{}}",
        "gate.json:4:1: pools: repeated key (first in line 1)\n"
        "gate.json:4:33: pools.q.weight: unknown key (known here: servers, balance, hash_on, "
        "health_check, connect_timeout, connect_retries, tcp_fast_open, proxy_protocol, "
        "pass_tlvs, tls, transparent, source, queue, keepalive, slow_start, drain_timeout, "
        "resolve)\n"
        "gate.json:5:1: defaults: repeated key (first in line 3)\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config: model and dump");
    TCase *tests = tcase_create("model");
    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, a_minimal_file_has_the_documented_defaults);
    tcase_add_test(tests, health_checks_have_their_defaults_once_they_are_on);
    tcase_add_test(tests, every_key_reaches_the_model);
    tcase_add_test(tests, rules_carry_their_matchers_and_names);
    tcase_add_test(tests, a_rules_policy_changes_the_listeners_tls);
    tcase_add_test(tests, defaults_merge_objects_and_yield_lists);
    tcase_add_test(tests, relative_files_start_from_the_folder_of_the_file);
    tcase_add_test(tests, a_relative_folder_becomes_absolute);
    tcase_add_test(tests, starttls_is_read_and_dumped);
    tcase_add_test(tests, a_difference_is_told_in_the_terms_of_the_file);
    tcase_add_test(tests, what_means_the_same_is_no_difference);
    tcase_add_test(tests, a_dump_reads_back_as_itself);
    tcase_add_test(tests, a_dump_shows_what_was_filled_in);
    tcase_add_test(tests, later_floors_report_at_the_place_of_what_was_inherited);
    tcase_add_test(tests, problems_come_in_the_order_of_their_places);
    tcase_add_test(tests, a_draft_lacks_what_cannot_be_used_and_keeps_the_places_of_the_rest);
    tcase_add_test(tests, a_draft_does_without_single_keys_of_defaults_and_policies);
    tcase_add_test(tests, there_is_no_draft_without_sound_json);
    tcase_add_loop_test(tests, a_key_displaces_what_it_excludes_of_the_defaults, 0,
                        (int)COUNT_OF(displaced));
    tcase_add_test(tests, of_repeated_maps_all_entries_are_looked_at);
    tcase_add_test(tests, of_repeated_objects_nothing_is_missing_that_the_others_have);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
