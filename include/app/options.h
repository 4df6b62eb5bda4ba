/* options: the command line (SPEC §3). */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include "base/compiler.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum command {
    COMMAND_RUN,
    COMMAND_CHECK,
    COMMAND_DUMP,
    COMMAND_DEMO,
    COMMAND_EXPLAIN,
    COMMAND_VERSION,
    COMMAND_HELP
};

#define OPTIONS_ALPN_MAX 32u

/* What `explain` is asked about. */
struct options_explain {
    const char *listener; /* NULL: the only one */
    const char *source;   /* an IP address, checked; NULL: not told */
    bool tls, silent, json;
    const char *sni, *bytes, *hex; /* a file; hexadecimal digits */
    const char *alpn[OPTIONS_ALPN_MAX];
    size_t alpn_count;
};

/* Strings are borrowed from argv. */
struct options {
    enum command command;
    char *const *words;                        /* argv, for a process that replaces this one */
    const char *config;                        /* -c */
    const char *listen, *cert, *key, *backend; /* the configuration without a file */
    const char *at;                            /* checked; see options_moment() */
    struct options_explain explain;
    bool for_explain; /* one of its options was given */
};

/* false: a usage error (exit status 2). */
bool options_parse(struct options *ret, int argc, char **argv, struct error *error) MUST_CHECK;

/* Seconds since 1970: of --at, or now. */
uint64_t options_moment(const struct options *options);

void options_print_help(FILE *stream);

#endif
