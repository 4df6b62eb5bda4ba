#include "app/options.h"

#include "base/address.h"
#include "base/clock.h"

#include <getopt.h>
#include <string.h>

enum {
    OPTION_DUMP = 256,
    OPTION_LISTEN,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_BACKEND,
    OPTION_DEMO,
    OPTION_AT,
    OPTION_EXPLAIN_LISTENER, /* from here on those of explain */
    OPTION_EXPLAIN_SOURCE,
    OPTION_EXPLAIN_TLS,
    OPTION_EXPLAIN_SNI,
    OPTION_EXPLAIN_ALPN,
    OPTION_EXPLAIN_BYTES,
    OPTION_EXPLAIN_HEX,
    OPTION_EXPLAIN_SILENT,
    OPTION_EXPLAIN_JSON
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"dump", no_argument, NULL, OPTION_DUMP},
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"cert", required_argument, NULL, OPTION_CERT},
    {"key", required_argument, NULL, OPTION_KEY},
    {"backend", required_argument, NULL, OPTION_BACKEND},
    {"demo", no_argument, NULL, OPTION_DEMO},
    {"at", required_argument, NULL, OPTION_AT},
    {"listener", required_argument, NULL, OPTION_EXPLAIN_LISTENER},
    {"source", required_argument, NULL, OPTION_EXPLAIN_SOURCE},
    {"tls", no_argument, NULL, OPTION_EXPLAIN_TLS},
    {"sni", required_argument, NULL, OPTION_EXPLAIN_SNI},
    {"alpn", required_argument, NULL, OPTION_EXPLAIN_ALPN},
    {"bytes", required_argument, NULL, OPTION_EXPLAIN_BYTES},
    {"hex", required_argument, NULL, OPTION_EXPLAIN_HEX},
    {"silent", no_argument, NULL, OPTION_EXPLAIN_SILENT},
    {"json", no_argument, NULL, OPTION_EXPLAIN_JSON},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

void options_print_help(FILE *stream)
{
    (void)fputs(
        "usage: muxgate -c FILE              run in the foreground; Ctrl-C drains\n"
        "       muxgate -c FILE -t [--at TIME]\n"
        "                                    check the configuration and the certificates\n"
        "       muxgate -c FILE --dump       print the effective configuration\n"
        "       muxgate -c FILE explain [--listener NAME] [--source IP] [--at TIME] [--json]\n"
        "               --tls [--sni NAME] [--alpn NAME]... [--bytes FILE | --hex HEX | --silent]\n"
        "               | --bytes FILE | --hex HEX | --silent\n"
        "                                    which rule would take such a connection, and why\n"
        "       muxgate --listen ADDRESS --backend HOST:PORT [--cert FILE --key FILE]\n"
        "                                    one port with no file; without --cert TLS passes "
        "through\n"
        "       muxgate --demo [--listen ADDRESS]\n"
        "                                    one port with a throw-away certificate and an echo "
        "server\n"
        "       muxgate -V | -h              version | this text\n"
        "\n"
        "signals: HUP reload, USR1 reopen logs, TERM or INT drain (a second one: stop now)\n"
        "exit status: 0 done, 1 configuration or start-up error, 2 usage error; explain: 3 no "
        "rule\n"
        "see muxgate(8) and muxgate.json(5)\n",
        stream);
}

static bool set_command(struct options *o, enum command command, struct error *error)
{
    if (o->command != COMMAND_RUN && o->command != command)
        return error_input(error,
                           "two commands at once; choose one of -t, --dump, explain, --demo, "
                           "-V, -h");
    o->command = command;
    return true;
}

static bool add_alpn(struct options_explain *e, const char *name, struct error *error)
{
    size_t length = strlen(name);
    if (length == 0 || length > 255)
        return error_input(error, "--alpn takes a protocol's name of 1 to 255 bytes, such as h2");
    if (e->alpn_count == OPTIONS_ALPN_MAX)
        return error_input(error, "--alpn at most %u times", OPTIONS_ALPN_MAX);
    e->alpn[e->alpn_count++] = name;
    return true;
}

static bool take_explain(struct options *o, int option, struct error *error)
{
    struct options_explain *e = &o->explain;
    o->for_explain = true;
    switch (option) {
    case OPTION_EXPLAIN_LISTENER:
        e->listener = optarg;
        return true;
    case OPTION_EXPLAIN_SOURCE:
        e->source = optarg;
        return true;
    case OPTION_EXPLAIN_TLS:
        e->tls = true;
        return true;
    case OPTION_EXPLAIN_SNI:
        e->sni = optarg;
        return true;
    case OPTION_EXPLAIN_ALPN:
        return add_alpn(e, optarg, error);
    case OPTION_EXPLAIN_BYTES:
        e->bytes = optarg;
        return true;
    case OPTION_EXPLAIN_HEX:
        e->hex = optarg;
        return true;
    case OPTION_EXPLAIN_SILENT:
        e->silent = true;
        return true;
    case OPTION_EXPLAIN_JSON:
        e->json = true;
        return true;
    default:
        return false;
    }
}

static bool take(struct options *o, int option, struct error *error)
{
    switch (option) {
    case 'c':
        o->config = optarg;
        return true;
    case 't':
        return set_command(o, COMMAND_CHECK, error);
    case 'V':
        return set_command(o, COMMAND_VERSION, error);
    case 'h':
        return set_command(o, COMMAND_HELP, error);
    case OPTION_DUMP:
        return set_command(o, COMMAND_DUMP, error);
    case OPTION_DEMO:
        return set_command(o, COMMAND_DEMO, error);
    case OPTION_AT:
        o->at = optarg;
        return true;
    case OPTION_LISTEN:
        o->listen = optarg;
        return true;
    case OPTION_CERT:
        o->cert = optarg;
        return true;
    case OPTION_KEY:
        o->key = optarg;
        return true;
    case OPTION_BACKEND:
        o->backend = optarg;
        return true;
    default:
        return take_explain(o, option, error);
    }
}

static bool check_explain(const struct options *o, struct error *error)
{
    const struct options_explain *e = &o->explain;
    struct address source;
    if (o->config == NULL)
        return error_input(error, "explain which configuration? give -c FILE");
    if ((e->bytes != NULL) + (e->hex != NULL) + e->silent > 1)
        return error_input(error, "only one of --bytes FILE, --hex HEX and --silent");
    if (!e->tls && e->bytes == NULL && e->hex == NULL && !e->silent)
        return error_input(error, "explain what? give --tls, --bytes FILE, --hex HEX or --silent");
    if (!e->tls && (e->sni != NULL || e->alpn_count > 0))
        return error_input(error, "--sni and --alpn go with --tls");
    if (e->sni != NULL && e->sni[0] == '\0')
        return error_input(error, "--sni takes a name; leave it out for a client that sends none");
    if (e->source != NULL && !address_parse_ip(&source, span_text(e->source)))
        return error_input(error, "--source takes an IP address, such as 192.0.2.7, not \"%s\"",
                           e->source);
    return true;
}

static bool check_quick(const struct options *o, struct error *error)
{
    if (o->config != NULL)
        return error_input(error, "--listen and -c exclude each other");
    if (o->listen == NULL || o->backend == NULL)
        return error_input(error, "--listen ADDRESS and --backend HOST:PORT go together");
    if ((o->key == NULL) != (o->cert == NULL))
        return error_input(error, "--cert FILE and --key FILE go together");
    return true;
}

static bool check_moment(const struct options *o, struct error *error)
{
    uint64_t seconds;
    if (o->at == NULL)
        return true;
    if (o->command != COMMAND_CHECK && o->command != COMMAND_EXPLAIN)
        return error_input(error, "--at TIME goes with -t or explain");
    return clock_parse(&seconds, span_text(o->at)) ||
           error_input(error, "--at takes a time such as 2027-03-31T18:00:00+02:00, not \"%.60s\"",
                       o->at);
}

uint64_t options_moment(const struct options *options)
{
    uint64_t seconds;
    if (options->at != NULL && clock_parse(&seconds, span_text(options->at)))
        return seconds;
    return clock_wall_ms() / 1000;
}

static bool check(const struct options *o, struct error *error)
{
    if (!check_moment(o, error))
        return false;
    if (o->for_explain && o->command != COMMAND_EXPLAIN)
        return error_input(error, "that option belongs to explain: muxgate -c FILE explain ...");
    bool quick = o->listen != NULL || o->backend != NULL || o->cert != NULL || o->key != NULL;
    if (o->command == COMMAND_VERSION || o->command == COMMAND_HELP)
        return true;
    if (o->command == COMMAND_DEMO) {
        if (o->config != NULL || o->backend != NULL || o->cert != NULL || o->key != NULL)
            return error_input(error, "--demo takes no option but --listen");
        return true;
    }
    if (o->command == COMMAND_EXPLAIN)
        return quick ? error_input(error, "explain reads a file: give -c FILE and --listener NAME")
                     : check_explain(o, error);
    if (quick)
        return check_quick(o, error);
    return o->config != NULL || error_input(error, "which configuration? give -c FILE");
}

/* Of a cluster of letters `word` may be the one before: there the letter itself tells. */
static bool complain(int option, const char *word, struct error *error)
{
    char letter[] = {'-', (char)optopt, '\0'};
    if (optopt > 0 && optopt < OPTION_DUMP)
        word = letter;
    return error_input(error, option == ':' ? "%s needs an argument" : "unknown option %s", word);
}

bool options_parse(struct options *ret, int argc, char **argv, struct error *error)
{
    struct options options = {.command = COMMAND_RUN, .words = argv};
    int option;
    opterr = 0;
    optind = 0; /* glibc's way to begin afresh */
    while ((option = getopt_long(argc, argv, ":c:tVh", long_options, NULL)) != -1) {
        if (option == ':' || option == '?')
            return complain(option, argv[optind - 1], error);
        if (!take(&options, option, error))
            return false;
    }
    if (optind < argc && strcmp(argv[optind], "explain") == 0) {
        optind++;
        if (!set_command(&options, COMMAND_EXPLAIN, error))
            return false;
    }
    if (optind < argc)
        return error_input(error, "unexpected word \"%s\"", argv[optind]);
    *ret = options;
    return check(&options, error);
}
