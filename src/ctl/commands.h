/* commands: what muxgatectl does, one row of the table each. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "base/error.h"
#include "base/text.h"

/* Options that only some commands have. */
enum ctl_option {
    CTL_GENERATION = 1u << 0,
    CTL_CONTAINS = 1u << 1,
    CTL_LIMIT = 1u << 2,
    CTL_DELAY = 1u << 3,
    CTL_COUNT = 1u << 4,
    CTL_PLAIN = 1u << 5,
    CTL_CONFIRM = 1u << 6,
    CTL_DRY_RUN = 1u << 7,
};

/* Strings are borrowed from argv or the environment. */
struct ctl {
    const char *socket;
    bool json;
    unsigned given;                            /* set of enum ctl_option */
    const char *generation, *contains, *limit; /* of sessions (reload); NULL: not given */
    const char *delay, *count;                 /* of top */
    const char *confirm;                       /* of reload */
    const char *const *words;                  /* what follows the command */
    unsigned word_count;
};

enum ctl_status { CTL_DONE, CTL_FAILED, CTL_USAGE };

struct command {
    const char *name;
    unsigned words;   /* how many follow it */
    unsigned options; /* set of enum ctl_option */
    const char *usage, *help;
    enum ctl_status (*run)(const struct ctl *ctl, const char *name, struct error *error);
};

/* NULL: no such command. */
const struct command *command_find(const char *name);
const struct command *command_at(unsigned i); /* NULL: behind the last */

/* The document on standard output; takes the text over. */
enum ctl_status command_show(struct text *text, struct error *error);

enum ctl_status command_reload(const struct ctl *ctl, const char *name, struct error *error);
enum ctl_status command_confirm(const struct ctl *ctl, const char *name, struct error *error);
enum ctl_status command_top(const struct ctl *ctl, const char *name, struct error *error);

#endif
