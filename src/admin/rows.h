/* rows: what the workers have counted, rows of one key added up over all of them. */
#ifndef ADMIN_ROWS_H
#define ADMIN_ROWS_H

#include "desk.h"
#include "session/end_reasons.h"

enum row_value { ROW_SESSIONS, ROW_BYTES_IN, ROW_BYTES_OUT, ROW_TAKEN, ROW_DECIDED, ROW_VALUES };

struct row {
    const char *listener, *rule, *protocol; /* borrowed from the tallies */
    enum end_reason end;
    uint64_t values[ROW_VALUES];
};

/* In the order of their keys. */
struct rows {
    struct row *item;
    size_t count, room;
    bool failed; /* out of memory: some are missing */
};

/* Sessions that have ended alike; values[0] says how many. */
void rows_collect_ends(struct rows *ret, const struct admin *admin);

/* What goes through listeners, per rule and protocol, or per listener only. */
void rows_collect_traffic(struct rows *ret, const struct admin *admin, bool per_rule);

void rows_release(struct rows *rows);

#endif
