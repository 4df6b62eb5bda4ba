/* surroundings: what a start or a reload would find out by doing it, asked beforehand, and nothing
 * is bound or made.
 *
 * Errors are what it would fail on as things stand, told at its place in the file: a name to listen
 * on that nobody knows, a folder that is not there. `-t` is of another time: what may well be there
 * when the gateway starts is no error to it (an address that moves between hosts, a folder below
 * /run or /var/lib, which the service's manager makes), nor is an address that somebody has now. */
#ifndef APP_SURROUNDINGS_H
#define APP_SURROUNDINGS_H

#include "config/model.h"
#include "config/problems.h"

struct bindings;
struct endpoints;

/* What a process goes on with where a configuration names it; NULL: nothing. */
struct surroundings_held {
    const struct bindings *bindings;
    const struct endpoints *endpoints;
};

/* `held` is NULL where the configuration is not to be put in force now. */
void surroundings_check(const struct model *model, const struct surroundings_held *held,
                        struct problems *problems);

#endif
