/* What goes through the rules, and how sessions end: /v1/traffic. */
#include "base/clock.h"
#include "desk.h"
#include "handlers.h"
#include "rows.h"

#include <inttypes.h>

static void add_name(struct text *t, const char *before, const char *key, const char *value)
{
    text_format(t, "%s\"%s\": ", before, key);
    text_add_json(t, span_text(value));
}

static void add_traffic(struct text *t, const struct admin *admin)
{
    struct rows rows;
    rows_collect_traffic(&rows, admin, true);
    for (size_t i = 0; i < rows.count; i++) {
        const struct row *row = &rows.item[i];
        add_name(t, i == 0 ? "\n  {" : ",\n  {", "listener", row->listener);
        add_name(t, ", ", "rule", row->rule);
        add_name(t, ", ", "protocol", row->protocol);
        text_format(t,
                    ", \"taken\": %" PRIu64 ", \"decided\": %" PRIu64 ", \"sessions\": %" PRIu64
                    ", \"bytes_in\": %" PRIu64 ", \"bytes_out\": %" PRIu64 "}",
                    row->values[ROW_TAKEN], row->values[ROW_DECIDED], row->values[ROW_SESSIONS],
                    row->values[ROW_BYTES_IN], row->values[ROW_BYTES_OUT]);
    }
    t->failed = t->failed || rows.failed;
    rows_release(&rows);
}

static void add_ends(struct text *t, const struct admin *admin)
{
    struct rows rows;
    rows_collect_ends(&rows, admin);
    for (size_t i = 0; i < rows.count; i++) {
        const struct row *row = &rows.item[i];
        add_name(t, i == 0 ? "\n  {" : ",\n  {", "listener", row->listener);
        add_name(t, ", ", "rule", row->rule);
        add_name(t, ", ", "protocol", row->protocol);
        add_name(t, ", ", "end", end_reason_name(row->end));
        text_format(t, ", \"count\": %" PRIu64 "}", row->values[0]);
    }
    t->failed = t->failed || rows.failed;
    rows_release(&rows);
}

/* The time is the base of rates: requests may take long. */
void answer_traffic(struct admin *admin, struct http_request *request,
                    const struct route_parts *parts)
{
    (void)parts;
    struct text t = {0};
    text_format(&t, "{\"monotonic_us\": %" PRIu64 ", \"traffic\": [", clock_monotonic_us());
    add_traffic(&t, admin);
    text_add(&t, "\n], \"ends\": [");
    add_ends(&t, admin);
    text_add(&t, "\n]}\n");
    answer_json(request, 200, &t);
}
