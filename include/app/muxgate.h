/* muxgate: the process's one context, and its life: create, run, free.
 *
 * The control thread is the one that calls muxgate_run(): signals, reload, certificate files and
 * health checks live on its loop; sessions live on the workers'. */
#ifndef APP_MUXGATE_H
#define APP_MUXGATE_H

#include "app/options.h"
#include "base/error.h"

struct muxgate;

/* Reads and checks the configuration, binds, drops privileges, starts the workers. On false the
 * error says why, or is empty when the configuration's problems were printed already. */
bool muxgate_create(struct muxgate **ret, const struct options *options,
                    struct error *error) MUST_CHECK;

/* Until a drain has ended or a second signal came. */
void muxgate_run(struct muxgate *muxgate);

/* Accepts NULL and half-built. Does not return where a worker is stuck: everything is in order but
 * for that one's sessions, and the process ends with this status. */
#define EXIT_STUCK 4
void muxgate_free(struct muxgate *muxgate);

/* -t: checks the configuration and its certificates. --dump: prints it. */
bool muxgate_check(const struct options *options, struct error *error) MUST_CHECK;
bool muxgate_dump(const struct options *options, struct error *error) MUST_CHECK;

#endif
