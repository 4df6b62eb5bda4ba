/* match_fix: what a rule asks of a FIX Logon. Pure. */
#ifndef ROUTE_MATCH_FIX_H
#define ROUTE_MATCH_FIX_H

#include "config/model.h"
#include "inspect/fix.h"

/* Answered as soon as the asked tags have been read; only `valid` waits for the whole message. A
 * tag that the message does not have is no. What is not a Logon is no, whatever is asked. */
enum verdict match_fix_ask(const struct model_fix *asked, const struct fix_logon *logon);

/* Whatever Logon `narrow` takes, `wide` takes too. What the comparison costs is in
 * match_fix_cover_cost(). */
bool match_fix_covers(const struct model_fix *wide, const struct model_fix *narrow);
uint64_t match_fix_cover_cost(const struct model_fix *wide, const struct model_fix *narrow);

/* What is asked of one tag; an empty list: nothing. */
const struct string_list *match_fix_values(const struct model_fix *asked, enum fix_tag tag);

#endif
