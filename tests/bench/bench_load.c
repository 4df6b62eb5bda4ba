/* bench_load: the client side of the benchmark.
 *
 *   bench_load MODE --port PORT [options]
 *     connect                    new connections, each with one echo
 *     echo                       small messages over open sessions
 *     bulk                       downloads, or with --upload uploads
 *     --tls [--resume] [--sni NAME]
 *     --sessions N --count N     at the same time; units of work in all
 *     --size BYTES               of a small message
 *     --interval-us N            echo: each session's pace
 *     --megabytes N              bulk: per unit
 *     --sources N                connect from 127.0.0.1 to 127.0.0.N in turn
 *
 * Prints "ready", awaits a line on stdin, works, prints one line of JSON, and holds its sessions
 * until stdin ends (before that: stop, and print what there is). */
#include "client.h"
#include "load.h"
#include "payload.h"
#include "util.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SESSIONS_MOST 100000
#define MEGABYTE      UINT64_C(1048576)

static const struct load_mode *const modes[] = {&load_connect, &load_echo, &load_bulk};

static const struct option option_table[] = {
    {"port", required_argument, NULL, 'p'},      {"tls", no_argument, NULL, 't'},
    {"resume", no_argument, NULL, 'r'},          {"sni", required_argument, NULL, 'n'},
    {"sessions", required_argument, NULL, 's'},  {"count", required_argument, NULL, 'c'},
    {"size", required_argument, NULL, 'z'},      {"interval-us", required_argument, NULL, 'i'},
    {"megabytes", required_argument, NULL, 'm'}, {"upload", no_argument, NULL, 'u'},
    {"sources", required_argument, NULL, 'o'},   {NULL, 0, NULL, 0},
};

static void option_take_number(struct load *load, int letter)
{
    switch (letter) {
    case 'p':
        load->port = (uint16_t)number_of(optarg, "--port", 1, UINT16_MAX);
        break;
    case 's':
        load->sessions = (unsigned)number_of(optarg, "--sessions", 1, SESSIONS_MOST);
        break;
    case 'c':
        load->count = number_of(optarg, "--count", 1, UINT64_MAX / 2);
        break;
    case 'z':
        load->size = (size_t)number_of(optarg, "--size", MESSAGE_LEAST, MESSAGE_MAX);
        break;
    case 'i':
        load->interval_ns = number_of(optarg, "--interval-us", 1000, 60000000) * 1000;
        break;
    case 'm':
        load->bytes = number_of(optarg, "--megabytes", 1, 65536) * MEGABYTE;
        break;
    case 'o':
        load->sources = (uint8_t)number_of(optarg, "--sources", 1, 250);
        break;
    default:
        die("usage: connect|echo|bulk --port PORT [--tls [--resume] [--sni NAME]] [--sessions N] "
            "[--count N] [--size BYTES] [--interval-us N] [--megabytes N] [--upload] "
            "[--sources N]");
    }
}

static void option_take(struct load *load, int letter)
{
    switch (letter) {
    case 't':
        load->tls = load->tls == NULL ? client_tls_create() : load->tls;
        break;
    case 'r':
        load->resume = true;
        break;
    case 'n':
        load->name = optarg;
        break;
    case 'u':
        load->upload = true;
        break;
    default:
        option_take_number(load, letter);
    }
}

static const struct load_mode *options_read(struct load *load, int argc, char **argv)
{
    const struct load_mode *mode = NULL;
    int letter;

    while ((letter = getopt_long(argc, argv, "", option_table, NULL)) != -1)
        option_take(load, letter);
    for (size_t i = 0; i < COUNT_OF(modes) && optind == argc - 1; i++) {
        if (strcmp(argv[optind], modes[i]->name) == 0)
            mode = modes[i];
    }
    if (mode == NULL || load->port == 0)
        option_take_number(load, '?');
    return mode;
}

/* A line, or the end, on stdin. Stdin's descriptor is watched by one load at a time. */
static void on_stdin(struct watch *watch, uint32_t ready)
{
    struct load *load = CONTAINER_OF(watch, struct load, input);
    char text[64];

    (void)ready;
    if (read(watch->fd, text, sizeof text) <= 0) {
        events_remove(&load->events, watch);
        load->input_ended = true;
    }
    load_stop(load);
}

static void await_input(struct load *load)
{
    if (!load->input_ended && !events_run(&load->events, -1))
        die("epoll_wait: %s", strerror(errno));
}

static void print_result(struct load *load, const struct load_mode *mode, uint64_t took_ns)
{
    struct samples *samples = &load->samples;

    printf("{\"mode\": \"%s\", \"units\": %" PRIu64 ", \"failed\": %" PRIu64
           ", \"seconds\": %.6f, ",
           mode->name, load->ended - load->failed, load->failed, (double)took_ns / 1e9);
    printf("\"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f, ",
           (double)samples_quantile(samples, 500) / 1e3,
           (double)samples_quantile(samples, 990) / 1e3,
           (double)samples_quantile(samples, 1000) / 1e3);
    printf("\"handshakes\": %" PRIu64 ", \"resumed\": %" PRIu64 ", \"version\": \"%s\", "
           "\"cipher\": \"%s\", \"group\": \"%s\"}\n",
           load->handshakes, load->resumed, load->version, load->cipher, load->group);
    fflush(stdout);
}

static void load_prepare(struct load *load, const struct load_mode *mode)
{
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    events_init(&load->events);
    mode->prepare(load);
    load->input = (struct watch){STDIN_FILENO, EPOLLIN, on_stdin};
    events_add(&load->events, &load->input);
    puts("ready");
    fflush(stdout);
    await_input(load);
}

int main(int argc, char **argv)
{
    struct load load = {
        .sessions = 16, .count = 1000, .size = 120, .bytes = 64 * MEGABYTE, .sources = 1};
    const struct load_mode *mode = options_read(&load, argc, argv);

    load_prepare(&load, mode);
    uint64_t began_ns = now_ns();
    mode->measure(&load);
    print_result(&load, mode, now_ns() - began_ns);
    await_input(&load);
    bool clean = load.failed == 0;
    clients_free(load.clients, load.sessions);
    samples_release(&load.samples);
    SSL_CTX_free(load.tls);
    return clean ? EXIT_SUCCESS : EXIT_FAILURE;
}
