/* The command line, the configuration that stands behind --listen, and what descriptors hold. */
#include "app/load.h"
#include "app/options.h"
#include "app/quick.h"
#include "suite.h"

#define WORDS_MAX 12

struct line {
    const char *words[WORDS_MAX];
    bool good;
    enum command command; /* when good */
    const char *error;    /* a part of the message, when not */
};

static const struct line lines[] = {
    {{"-c", "f"}, true, COMMAND_RUN, NULL},
    {{"--config", "f"}, true, COMMAND_RUN, NULL},
    {{"-c", "f", "-t"}, true, COMMAND_CHECK, NULL},
    {{"-t", "-c", "f"}, true, COMMAND_CHECK, NULL},
    {{"-tc", "f"}, true, COMMAND_CHECK, NULL},
    {{"-c", "f", "--dump"}, true, COMMAND_DUMP, NULL},
    {{"--listen", ":1", "--backend", "h:2"}, true, COMMAND_RUN, NULL},
    {{"--listen", ":1", "--backend", "h:2", "-t"}, true, COMMAND_CHECK, NULL},
    {{"--listen", ":1", "--backend", "h:2", "--cert", "c", "--key", "k"}, true, COMMAND_RUN, NULL},
    {{"--demo"}, true, COMMAND_DEMO, NULL},
    {{"--demo", "--listen", ":1"}, true, COMMAND_DEMO, NULL},
    {{"-V"}, true, COMMAND_VERSION, NULL},
    {{"--help"}, true, COMMAND_HELP, NULL},
    {{NULL}, false, COMMAND_RUN, "give -c FILE"},
    {{"-t"}, false, COMMAND_RUN, "give -c FILE"},
    {{"-c"}, false, COMMAND_RUN, "-c needs an argument"},
    {{"--listen"}, false, COMMAND_RUN, "--listen needs an argument"},
    {{"--no-such"}, false, COMMAND_RUN, "unknown option --no-such"},
    {{"-x"}, false, COMMAND_RUN, "unknown option -x"},
    {{"-xt"}, false, COMMAND_RUN, "unknown option -x"},
    {{"-tx", "-c", "f"}, false, COMMAND_RUN, "unknown option -x"},
    {{"-c", "f", "word"}, false, COMMAND_RUN, "unexpected word \"word\""},
    {{"-V", "-t"}, false, COMMAND_RUN, "two commands"},
    {{"-c", "f", "--listen", ":1", "--backend", "h:2"}, false, COMMAND_RUN, "exclude each other"},
    {{"--listen", ":1"}, false, COMMAND_RUN, "go together"},
    {{"--backend", "h:2"}, false, COMMAND_RUN, "go together"},
    {{"--listen", ":1", "--backend", "h:2", "--key", "k"}, false, COMMAND_RUN, "go together"},
    {{"--demo", "-c", "f"}, false, COMMAND_RUN, "--demo takes no option"},
    {{"-c", "f", "explain", "--silent"}, true, COMMAND_EXPLAIN, NULL},
    {{"-c", "f", "explain", "--listener", "l", "--tls", "--sni", "n", "--alpn", "a", "--alpn", "b"},
     true,
     COMMAND_EXPLAIN,
     NULL},
    {{"-c", "f", "explain", "--tls", "--hex", "00", "--json"}, true, COMMAND_EXPLAIN, NULL},
    {{"explain", "-c", "f", "--bytes", "-", "--source", "::1"}, true, COMMAND_EXPLAIN, NULL},
    {{"explain", "--silent"}, false, COMMAND_RUN, "give -c FILE"},
    {{"-c", "f", "explain"}, false, COMMAND_RUN, "explain what? give --tls"},
    {{"-c", "f", "explain", "--sni", "n"}, false, COMMAND_RUN, "explain what? give --tls"},
    {{"-c", "f", "explain", "--sni", "n", "--hex", "00"}, false, COMMAND_RUN, "go with --tls"},
    {{"-c", "f", "explain", "--tls", "--sni", ""}, false, COMMAND_RUN, "--sni takes a name"},
    {{"-c", "f", "explain", "--tls", "--alpn", ""}, false, COMMAND_RUN, "--alpn takes"},
    {{"-c", "f", "explain", "--silent", "--hex", "00"}, false, COMMAND_RUN, "only one of"},
    {{"-c", "f", "explain", "--silent", "--source", "h"}, false, COMMAND_RUN, "such as 192.0.2.7"},
    {{"-c", "f", "explain", "--silent", "word"}, false, COMMAND_RUN, "unexpected word \"word\""},
    {{"-c", "f", "explain", "-t", "--silent"}, false, COMMAND_RUN, "two commands"},
    {{"-c", "f", "--silent"}, false, COMMAND_RUN, "belongs to explain"},
    {{"-c", "f", "-t", "--at", "2027-03-31T18:00:00+02:00"}, true, COMMAND_CHECK, NULL},
    {{"-c", "f", "explain", "--silent", "--at", "2027-03-31T16:00:00Z"},
     true,
     COMMAND_EXPLAIN,
     NULL},
    {{"-c", "f", "-t", "--at", "tomorrow"}, false, COMMAND_RUN, "--at takes a time such as 2027"},
    {{"-c", "f", "--at", "2027-03-31T16:00:00Z"}, false, COMMAND_RUN, "goes with -t or explain"},
    {{"explain", "--listen", ":1", "--silent"}, false, COMMAND_RUN, "explain reads a file"},
};

START_TEST(each_command_line_is_understood_or_refused_with_its_reason)
{
    const struct line *line = &lines[_i];
    char *argv[WORDS_MAX + 2] = {(char *)(uintptr_t) "muxgate"};
    int argc = 1;
    for (; argc <= WORDS_MAX && line->words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)line->words[argc - 1];
    struct options options;
    struct error error = {0};
    bool good = options_parse(&options, argc, argv, &error);
    ck_assert_msg(good == line->good, "line %d: %s", _i, error.text);
    if (good)
        ck_assert_int_eq(options.command, line->command);
    else
        ck_assert_msg(strstr(error.text, line->error) != NULL, "line %d: %s", _i, error.text);
}
END_TEST

START_TEST(words_after_options_keep_their_values)
{
    char *argv[] = {(char *)(uintptr_t) "muxgate", (char *)(uintptr_t) "--listen=:1",
                    (char *)(uintptr_t) "--backend", (char *)(uintptr_t) "h:2", NULL};
    struct options options;
    struct error error;
    ck_assert(options_parse(&options, 4, argv, &error));
    ck_assert_str_eq(options.listen, ":1");
    ck_assert_str_eq(options.backend, "h:2");
    ck_assert_ptr_null(options.config);
}
END_TEST

/* --- the configuration without a file --------------------------------------------------------- */

static struct config read_quick(const struct options *options)
{
    struct text text = {0};
    struct config config;
    ck_assert(quick_config(&text, options));
    if (!config_read_text(&config, "quick", ".", text.data, text.length)) {
        problems_print(config.problems, stderr);
        ck_abort_msg("%s", text.data);
    }
    text_release(&text);
    return config;
}

START_TEST(without_a_certificate_tls_passes_through)
{
    struct options options = {.listen = ":9018", .backend = "127.0.0.1:9878"};
    struct config config = read_quick(&options);
    const struct model_listener *listener = &config.model->listeners[0];
    ck_assert_str_eq(listener->binds[0].text, "*:9018");
    ck_assert_uint_eq(listener->rule_count, 2);
    ck_assert_int_eq(listener->rules[0].tls, TLS_ACTION_PASSTHROUGH);
    ck_assert_int_eq(listener->rules[1].tls, TLS_ACTION_PLAIN);
    config_free(&config);
}
END_TEST

START_TEST(with_a_certificate_tls_is_terminated)
{
    struct options options = {
        .listen = "127.0.0.1:9018", .backend = "b:1", .cert = "a \"b\".crt", .key = "a.key"};
    struct config config = read_quick(&options);
    const struct model_listener *listener = &config.model->listeners[0];
    ck_assert_str_eq(listener->binds[0].text, "127.0.0.1:9018");
    ck_assert_int_eq(listener->rules[0].tls, TLS_ACTION_TERMINATE);
    ck_assert_uint_eq(listener->tls.certificate_count, 1);
    config_free(&config);
}
END_TEST

/* --- descriptors ------------------------------------------------------------------------------ */

START_TEST(sessions_and_pipes_fit_into_the_descriptors)
{
    struct model_listener listeners[2] = {{.bind_count = 1}, {.bind_count = 99}};
    struct model_pool pool = {.server_count = 50, .health.on = true};
    struct model model = {
        .listeners = listeners, .listener_count = 2, .pools = &pool, .pool_count = 1};
    for (unsigned workers = 1; workers <= 253; workers *= 2)
        for (uint64_t descriptors = 16; descriptors <= 1u << 30; descriptors *= 3) {
            uint64_t sessions = load_sessions_that_fit(descriptors, workers, &model);
            uint64_t pipes = 2u * workers * load_pipes_per_worker(descriptors, workers);
            uint64_t sockets = 2u * 100 * workers + 50;
            ck_assert_uint_ge(sessions, 1);
            ck_assert(sessions == 1 || 2 * sessions + pipes + sockets < descriptors);
        }
}
END_TEST

START_TEST(the_number_of_workers_is_bounded)
{
    struct model model = {.workers = 3};
    ck_assert_uint_eq(load_worker_count(&model), 3);
    model.workers = 100000;
    ck_assert_uint_eq(load_worker_count(&model), 253);
    model.workers = 0;
    ck_assert_uint_ge(load_worker_count(&model), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tests = tcase_create("options");
    tcase_add_loop_test(tests, each_command_line_is_understood_or_refused_with_its_reason, 0,
                        (int)COUNT_OF(lines));
    tcase_add_test(tests, words_after_options_keep_their_values);
    tcase_add_test(tests, without_a_certificate_tls_passes_through);
    tcase_add_test(tests, with_a_certificate_tls_is_terminated);
    tcase_add_test(tests, sessions_and_pipes_fit_into_the_descriptors);
    tcase_add_test(tests, the_number_of_workers_is_bounded);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
