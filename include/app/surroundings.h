/* surroundings: what a start would find out by doing it, asked beforehand by `-t`, which binds and
 * makes nothing.
 *
 * Errors are what a start would fail on as things stand, told at its place in the file: a name to
 * listen on that nobody knows, a folder that is not there. Where it may well be there by the time
 * of the start, nothing is an error: an address that moves between hosts, a folder below /run or
 * /var/lib, which the service's manager makes. */
#ifndef APP_SURROUNDINGS_H
#define APP_SURROUNDINGS_H

#include "config/model.h"
#include "config/problems.h"

void surroundings_check(const struct model *model, struct problems *problems);

#endif
