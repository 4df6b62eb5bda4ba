/* muxgate: TLS and plain connections on one TCP port, in front of one pool of plain servers. */
#include "muxgate-config.h"

#include "admin/admin.h"
#include "app/explain.h"
#include "app/muxgate.h"
#include "io/batch.h"
#include "pool/names.h"
#include "route/rules.h"
#include "tls/tls.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define EXIT_USAGE 2

/* The library of a part that can be left out. */
static void print_part(const char *part, const char *library, const char *version)
{
    (void)printf("%s: %s%s%s\n", part, version == NULL ? "not built in" : library,
                 version == NULL ? "" : " ", version == NULL ? "" : version);
}

static bool print_version(void)
{
    (void)printf("muxgate %s\n%s\n", PACKAGE_VERSION, tls_library_version());
    print_part("admin", "libmicrohttpd", admin_library());
    print_part("names", "c-ares", names_library());
    print_part("regex", "PCRE2", rules_regex_library());
    return printf("io_uring: %s\nkernel TLS: %s\n", batch_support(), tls_kernel()) > 0;
}

static bool run(const struct options *options, struct error *error)
{
    struct muxgate *muxgate;
    if (!muxgate_create(&muxgate, options, error))
        return false;
    muxgate_run(muxgate);
    muxgate_free(muxgate);
    return true;
}

static bool execute(const struct options *options, struct error *error)
{
    switch (options->command) {
    case COMMAND_VERSION:
        return print_version();
    case COMMAND_HELP:
        options_print_help(stdout);
        return true;
    case COMMAND_CHECK:
        return muxgate_check(options, error);
    case COMMAND_DUMP:
        return muxgate_dump(options, error);
    default:
        return run(options, error);
    }
}

int main(int argc, char **argv)
{
    /* Whoever rotates logs asks every process of the service: one that starts, or only checks a
     * configuration, must not die of it. */
    (void)signal(SIGUSR1, SIG_IGN);
    struct options options;
    struct error error = {0};
    int status;
    if (!options_parse(&options, argc, argv, &error)) {
        (void)fprintf(stderr, "muxgate: %s\n", error.text);
        options_print_help(stderr);
        return EXIT_USAGE;
    }
    if (options.command == COMMAND_EXPLAIN)
        status = explain_command(&options, &error);
    else
        status = execute(&options, &error) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (error.kind != ERROR_NONE)
        (void)fprintf(stderr, "muxgate: %s\n", error.text);
    return status;
}
