/* load: from the command line's idea of a configuration to a compiled snapshot. */
#ifndef APP_LOAD_H
#define APP_LOAD_H

#include "app/options.h"
#include "app/surroundings.h"
#include "session/snapshot.h"

/* What a load is told besides the options. */
struct load_args {
    const struct options *options;
    unsigned workers;                /* 0: as the configuration says, 1 for a mere check */
    const struct snapshot *previous; /* NULL at start */
    uint64_t descriptors;            /* the limit, for the warning about max_sessions */
    const char *demo_config;         /* --demo: its text; NULL otherwise */
    bool quiet;                      /* nothing is printed */
    /* What is open already, where the rest is to be opened now; NULL: nothing is, or nobody knows
     * yet what is (an heir). */
    const struct surroundings_held *held;
    /* Is told each line that is printed, or would be; NULL: nobody. */
    void (*tell)(void *context, const char *line);
    void *context;
};

/* Reads, checks and compiles. Errors and warnings are printed on stderr, each on its line. */
bool load_snapshot(struct snapshot **ret, const struct load_args *args) MUST_CHECK;

/* Reads, and judges all that the file itself says: neither the files that it names, nor names of
 * hosts, nor this machine. `ret` is filled in both cases, with problems that are to be printed. */
bool load_config(struct config *ret, const struct load_args *args) MUST_CHECK;

/* How many sessions so many descriptors hold beside all else that the configuration needs, and how
 * many pipes each worker may open. */
uint64_t load_sessions_that_fit(uint64_t descriptors, unsigned workers, const struct model *model);
unsigned load_pipes_per_worker(uint64_t descriptors, unsigned workers);

/* Does any pool connect with its clients' addresses? */
bool load_is_transparent(const struct model *model);

/* "auto": one per core that the process may use. */
unsigned load_worker_count(const struct model *model);

#endif
