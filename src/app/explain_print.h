/* explain_print: an explanation in words. */
#ifndef APP_EXPLAIN_PRINT_H
#define APP_EXPLAIN_PRINT_H

#include "base/text.h"
#include "route/explain.h"

struct explain_print {
    const struct explanation *e;
    const struct explain_args *args;
};

void explain_print_text(struct text *ret, const struct explain_print *p);
void explain_print_json(struct text *ret, const struct explain_print *p);

/* --- what both say ---------------------------------------------------------------------------- */

/* How it ends where no server gets it, in the words of the access log; `end` is NULL where one
 * does, `detail` where there is nothing to add. */
struct explain_end {
    const char *end, *detail;
    char text[160]; /* what `detail` may point to */
};
void explain_end_of(struct explain_end *ret, const struct explain_print *p);

/* "tls", a protocol, "unknown", "silent": as the log will have it. */
const char *explain_protocol(const struct explain_look *look);

/* Where the rule stands in its listener: "rules[0].rules[2]". */
const char *explain_place(const struct explain_print *p, const struct rule *rule);

/* "TLSv1.3"; NULL for what has no such name. */
const char *explain_tls_version(unsigned version);

#endif
