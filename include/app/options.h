/* options: the command line (SPEC §3). */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include "base/compiler.h"
#include "base/error.h"

#include <stdio.h>

enum command {
    COMMAND_RUN,
    COMMAND_CHECK,
    COMMAND_DUMP,
    COMMAND_DEMO,
    COMMAND_VERSION,
    COMMAND_HELP
};

/* Strings are borrowed from argv. */
struct options {
    enum command command;
    const char *config;                        /* -c */
    const char *listen, *cert, *key, *backend; /* the configuration without a file */
};

/* false: a usage error (exit status 2). */
bool options_parse(struct options *ret, int argc, char **argv, struct error *error) MUST_CHECK;
void options_print_help(FILE *stream);

#endif
