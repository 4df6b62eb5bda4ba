/* status: the HTTP statuses that a check takes, as written: "200-399", "200-299,404". */
#ifndef CONFIG_STATUS_H
#define CONFIG_STATUS_H

#include "config/model.h"

#include "base/compiler.h"
#include "base/span.h"

/* At most STATUS_RANGES_MAX numbers and ranges of 100 to 599, each from low to high. */
bool status_parse(struct status_list *ret, struct span text) MUST_CHECK;

#endif
