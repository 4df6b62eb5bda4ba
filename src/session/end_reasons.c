#include "session/end_reasons.h"

static const struct {
    const char *name;
    enum end_close close;
} rows[] = {
#define END_REASON(name, close, help) {#name, END_CLOSE_##close},
#include "session/end_reasons.def"
#undef END_REASON
};

const char *end_reason_name(enum end_reason reason)
{
    return rows[reason].name;
}

enum end_close end_reason_close(enum end_reason reason)
{
    return rows[reason].close;
}
