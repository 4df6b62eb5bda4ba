#include "rows.h"

#include "session/tally.h"

#include <stdlib.h>
#include <string.h>

static const struct tally *tally_at(const struct admin *admin, unsigned worker)
{
    return admin->args.tally(admin->args.context, worker);
}

static void add_row(struct rows *rows, const struct row *row)
{
    if (rows->count == rows->room) {
        size_t room = rows->room * 2 + 64;
        struct row *item = realloc(rows->item, room * sizeof *item);
        rows->failed = rows->failed || item == NULL;
        if (item == NULL)
            return;
        rows->item = item;
        rows->room = room;
    }
    rows->item[rows->count++] = *row;
}

static int compare_rows(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    int order = strcmp(a->listener, b->listener);
    if (order == 0)
        order = strcmp(a->rule, b->rule);
    if (order == 0)
        order = strcmp(a->protocol, b->protocol);
    return order != 0 ? order : (int)a->end - (int)b->end;
}

static void add_up(struct rows *rows)
{
    size_t kept = 0;
    if (rows->count > 1)
        qsort(rows->item, rows->count, sizeof *rows->item, compare_rows);
    for (size_t i = 0; i < rows->count; i++) {
        struct row *row = &rows->item[i];
        if (kept > 0 && compare_rows(&rows->item[kept - 1], row) == 0)
            for (size_t v = 0; v < ROW_VALUES; v++)
                rows->item[kept - 1].values[v] += row->values[v];
        else
            rows->item[kept++] = *row;
    }
    rows->count = kept;
}

void rows_collect_ends(struct rows *ret, const struct admin *admin)
{
    *ret = (struct rows){0};
    for (unsigned w = 0; w < admin->args.worker_count; w++)
        for (const struct tally_ends *e = NULL;
             (e = tally_next_ends(tally_at(admin, w), e)) != NULL;)
            add_row(ret, &(struct row){.listener = e->listener,
                                       .rule = e->rule,
                                       .protocol = e->protocol,
                                       .end = e->end,
                                       .values = {tally_read(&e->count)}});
    add_up(ret);
}

void rows_collect_traffic(struct rows *ret, const struct admin *admin, bool per_rule)
{
    *ret = (struct rows){0};
    for (unsigned w = 0; w < admin->args.worker_count; w++)
        for (const struct tally_traffic *f = NULL;
             (f = tally_next_traffic(tally_at(admin, w), f)) != NULL;)
            add_row(ret, &(struct row){.listener = f->listener,
                                       .rule = per_rule ? f->rule : "",
                                       .protocol = per_rule ? f->protocol : "",
                                       .values = {[ROW_SESSIONS] = tally_read(&f->sessions),
                                                  [ROW_BYTES_IN] = tally_read(&f->bytes[0]),
                                                  [ROW_BYTES_OUT] = tally_read(&f->bytes[1]),
                                                  [ROW_TAKEN] = tally_read(&f->taken),
                                                  [ROW_DECIDED] = tally_read(&f->decided)}});
    add_up(ret);
}

void rows_release(struct rows *rows)
{
    free(rows->item);
    *rows = (struct rows){0};
}
