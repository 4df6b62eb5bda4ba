/* naming: tells of servers' names in the event log. */
#ifndef APP_NAMING_H
#define APP_NAMING_H

#include "pool/names.h"

/* For names_start(); needs no context. */
void naming_tell(void *context, const struct names_event *event);

#endif
