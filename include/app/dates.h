/* dates: which rules hold at a time (-t --at TIME). */
#ifndef APP_DATES_H
#define APP_DATES_H

#include "config/model.h"

#include <stdio.h>

/* A line for every rule that has `from` or `until`. */
void dates_print(const struct model *model, uint64_t now, FILE *stream);

#endif
