#include "match_fix.h"

#include "base/compiler.h"

const struct string_list *match_fix_values(const struct model_fix *asked, enum fix_tag tag)
{
    switch (tag) {
    case FIX_BEGIN_STRING:
        return &asked->begin_string;
    case FIX_SENDER_COMP_ID:
        return &asked->sender_comp_id;
    case FIX_TARGET_COMP_ID:
        return &asked->target_comp_id;
    case FIX_SENDER_SUB_ID:
        return &asked->sender_sub_id;
    default:
        return &asked->username;
    }
}

static bool contains(const struct string_list *values, struct span value)
{
    for (size_t i = 0; i < values->count; i++) {
        if (span_is(value, values->item[i]))
            return true;
    }
    return false;
}

static enum verdict ask_tag(const struct string_list *values, const struct fix_logon *logon,
                            enum fix_tag tag)
{
    if (logon->has[tag])
        return contains(values, logon->field[tag]) ? VERDICT_YES : VERDICT_NO;
    return logon->complete ? VERDICT_NO : VERDICT_MORE;
}

static enum verdict ask_valid(bool wanted, const struct fix_logon *logon)
{
    if (logon->valid == VERDICT_MORE)
        return VERDICT_MORE;
    return (logon->valid == VERDICT_YES) == wanted ? VERDICT_YES : VERDICT_NO;
}

enum verdict match_fix_ask(const struct model_fix *asked, const struct fix_logon *logon)
{
    enum verdict answer = logon->message;
    for (unsigned i = 0; answer != VERDICT_NO && i < FIX_TAG_COUNT; i++) {
        const struct string_list *values = match_fix_values(asked, (enum fix_tag)i);
        enum verdict one = values->count == 0 ? VERDICT_YES
                                              : ask_tag(values, logon, (enum fix_tag)i);
        answer = one == VERDICT_YES ? answer : one;
    }
    if (answer == VERDICT_NO || !asked->has_valid)
        return answer;
    enum verdict valid = ask_valid(asked->valid, logon);
    return valid == VERDICT_YES ? answer : valid;
}

/* --- which one is wider ---------------------------------------------------------------------- */

uint64_t match_fix_cover_cost(const struct model_fix *wide, const struct model_fix *narrow)
{
    uint64_t cost = 0;
    for (unsigned i = 0; i < FIX_TAG_COUNT; i++)
        cost += (uint64_t)match_fix_values(wide, (enum fix_tag)i)->count *
                match_fix_values(narrow, (enum fix_tag)i)->count;
    return cost;
}

static bool covers_values(const struct string_list *wide, const struct string_list *narrow)
{
    if (wide->count == 0)
        return true;
    for (size_t i = 0; i < narrow->count; i++) {
        if (!contains(wide, span_text(narrow->item[i])))
            return false;
    }
    return narrow->count > 0;
}

bool match_fix_covers(const struct model_fix *wide, const struct model_fix *narrow)
{
    for (unsigned i = 0; i < FIX_TAG_COUNT; i++) {
        if (!covers_values(match_fix_values(wide, (enum fix_tag)i),
                           match_fix_values(narrow, (enum fix_tag)i)))
            return false;
    }
    return !wide->has_valid || (narrow->has_valid && narrow->valid == wide->valid);
}
