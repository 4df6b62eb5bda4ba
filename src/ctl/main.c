/* muxgatectl: what an operator asks of a running muxgate, and changes in it. */
#include "muxgate-config.h"

#include "commands.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_DEFAULT "/run/muxgate/admin.sock"

enum {
    OPTION_JSON = 256,
    OPTION_GENERATION,
    OPTION_CONTAINS,
    OPTION_LIMIT,
    OPTION_PLAIN,
    OPTION_DRY_RUN,
    OPTION_CONFIRM
};

static const struct option long_options[] = {
    {"socket", required_argument, NULL, 's'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"generation", required_argument, NULL, OPTION_GENERATION},
    {"contains", required_argument, NULL, OPTION_CONTAINS},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"plain", no_argument, NULL, OPTION_PLAIN},
    {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
    {"confirm", required_argument, NULL, OPTION_CONFIRM},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void print_help(FILE *stream)
{
    (void)fprintf(stream, "usage: muxgatectl [-s SOCKET] [--json] COMMAND\n\n");
    const struct command *command;
    for (unsigned i = 0; (command = command_at(i)) != NULL; i++)
        (void)fprintf(stream, "  %s\n      %s\n", command->usage, command->help);
    (void)fprintf(stream,
                  "\n  -s SOCKET   the admin socket; otherwise MUXGATE_SOCKET, or %s\n"
                  "  --json      the documents as they are\n"
                  "  -V | -h     version | this text\n\n"
                  "exit status: 0 done, 1 refused or not reached, 2 usage error\n"
                  "see muxgatectl(1)\n",
                  SOCKET_DEFAULT);
}

/* What was asked for, before the command is looked at. */
struct asked {
    struct ctl ctl;
    bool help, version;
};

/* One that only some commands have. */
static bool note(struct ctl *ctl, enum ctl_option option, const char **place)
{
    ctl->given |= (unsigned)option;
    *place = optarg;
    return true;
}

static bool take(struct asked *asked, int option)
{
    struct ctl *ctl = &asked->ctl;
    switch (option) {
    case 's':
        ctl->socket = optarg;
        return true;
    case 'd':
        return note(ctl, CTL_DELAY, &ctl->delay);
    case 'n':
        return note(ctl, CTL_COUNT, &ctl->count);
    case OPTION_JSON:
        ctl->json = true;
        return true;
    case OPTION_GENERATION:
        return note(ctl, CTL_GENERATION, &ctl->generation);
    case OPTION_CONTAINS:
        return note(ctl, CTL_CONTAINS, &ctl->contains);
    case OPTION_LIMIT:
        return note(ctl, CTL_LIMIT, &ctl->limit);
    case OPTION_PLAIN:
        ctl->given |= CTL_PLAIN;
        return true;
    case OPTION_DRY_RUN:
        ctl->given |= CTL_DRY_RUN;
        return true;
    case OPTION_CONFIRM:
        return note(ctl, CTL_CONFIRM, &ctl->confirm);
    case 'V':
        asked->version = true;
        return true;
    case 'h':
        asked->help = true;
        return true;
    default:
        return false;
    }
}

static enum ctl_status run(struct asked *asked, char **words, unsigned count, struct error *error)
{
    const struct command *command = count == 0 ? NULL : command_find(words[0]);
    if (command == NULL) {
        (void)error_input(error,
                          count == 0 ? "what to do? (-h lists the commands)"
                                     : "there is no command \"%.80s\" (-h lists them)",
                          count == 0 ? "" : words[0]);
        return CTL_USAGE;
    }
    bool fits = count - 1 == command->words && (asked->ctl.given & ~command->options) == 0;
    if (!fits) {
        (void)error_input(error, "usage: muxgatectl %s", command->usage);
        return CTL_USAGE;
    }
    asked->ctl.words = (const char *const *)(words + 1);
    asked->ctl.word_count = count - 1;
    return command->run(&asked->ctl, command->name, error);
}

/* As muxgate has it. Of a cluster of letters `word` may be the one before: there the letter itself
 * tells. */
static enum ctl_status complain(int option, const char *word)
{
    char letter[] = {'-', (char)optopt, '\0'};
    if (optopt > 0 && optopt < OPTION_JSON)
        word = letter;
    (void)fprintf(stderr, "muxgatectl: %s%s%s (-h lists them)\n",
                  option == ':' ? "" : "unknown option ", word,
                  option == ':' ? " needs an argument" : "");
    return CTL_USAGE;
}

int main(int argc, char **argv)
{
    const char *from_environment = getenv("MUXGATE_SOCKET");
    struct asked asked = {.ctl.socket = from_environment != NULL && from_environment[0] != '\0'
                                            ? from_environment
                                            : SOCKET_DEFAULT};
    struct error error = {0};
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":s:d:n:Vh", long_options, NULL)) != -1)
        if (!take(&asked, option))
            return complain(option, argv[optind - 1]);
    if (asked.help || asked.version) {
        if (asked.help)
            print_help(stdout);
        else
            (void)printf("muxgatectl %s\n", PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    enum ctl_status status = run(&asked, argv + optind, (unsigned)(argc - optind), &error);
    if (error.kind != ERROR_NONE)
        (void)fprintf(stderr, "muxgatectl: %s\n", error.text);
    if (fflush(stdout) != 0 && status == CTL_DONE)
        status = CTL_FAILED;
    return (int)status;
}
