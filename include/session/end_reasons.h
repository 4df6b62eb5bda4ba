/* end_reasons: the table of end_reasons.def as an enum, with its texts. */
#ifndef SESSION_END_REASONS_H
#define SESSION_END_REASONS_H

enum end_reason {
#define END_REASON(name, close, help) END_##name,
#include "session/end_reasons.def"
#undef END_REASON
    END_REASON_COUNT
};

enum end_close { END_CLOSE_CLEAN, END_CLOSE_RESET, END_CLOSE_PLAIN };

const char *end_reason_name(enum end_reason reason);
enum end_close end_reason_close(enum end_reason reason);

#endif
