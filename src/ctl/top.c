/* top: the same few tables, again and again. */
#include "ask.h"
#include "base/clock.h"
#include "samples.h"
#include "screen.h"
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct view {
    const struct ctl *ctl;
    struct samples before, now;
    uint64_t at_us; /* of `now`; 0: nothing was looked at yet */
    double seconds; /* between the two; 0: there is no "before" */
    json_t *status, *pools;
};

static void forget_documents(struct view *view)
{
    json_decref(view->status);
    json_decref(view->pools);
    view->status = view->pools = NULL;
}

static bool look(struct view *view, struct error *error)
{
    struct text metrics;
    forget_documents(view);
    if (!ask_json(&view->status, view->ctl, "/v1/status", error) ||
        !ask_json(&view->pools, view->ctl, "/v1/pools", error) ||
        !ask(&metrics, view->ctl, "GET", "/metrics", NULL, error))
        return false;
    uint64_t now = clock_monotonic_us();
    view->before = view->now;
    view->seconds = view->at_us == 0 ? 0 : (double)(now - view->at_us) / 1e6;
    view->at_us = now;
    samples_read(&view->now, span_of(metrics.data, metrics.length));
    text_release(&metrics);
    return true;
}

/* --- rates ------------------------------------------------------------------------------------ */

/* Another process counts from 0 again. */
static double rate(const struct view *view, uint64_t now, uint64_t before)
{
    return view->seconds > 0 && now >= before ? (double)(now - before) / view->seconds : 0;
}

static double busy_percent(const struct view *view)
{
    return rate(view, view->now.cpu_us, view->before.cpu_us) / 1e4;
}

static struct sample_listener before_of(const struct view *view, const char *name)
{
    for (unsigned i = 0; i < view->before.count; i++)
        if (strcmp(view->before.listener[i].name, name) == 0)
            return view->before.listener[i];
    return (struct sample_listener){0};
}

/* --- for people ------------------------------------------------------------------------------- */

static void add_rate(struct table *table, const struct view *view, uint64_t now, uint64_t before)
{
    static const char units[] = " kMGT";
    double value = rate(view, now, before);
    unsigned unit = 0;
    for (; value >= 10000 && unit + 2 < sizeof units; unit++)
        value /= 1000;
    if (view->seconds <= 0)
        table_add(table, "-");
    else if (unit == 0)
        table_add_format(table, "%.1f", value);
    else
        table_add_format(table, "%.0f%c", value, units[unit]);
}

static void draw_listeners(const struct view *view, struct text *ret)
{
    static const char *const titles[] = {"LISTENER", ">SESSIONS", ">NEW/S", ">ENDED/S",
                                         ">IN B/S",  ">OUT B/S",  NULL};
    struct table table;
    table_begin(&table, titles);
    for (unsigned i = 0; i < view->now.count; i++) {
        const struct sample_listener *l = &view->now.listener[i], old = before_of(view, l->name);
        table_add(&table, l->name);
        table_add_format(&table, "%" PRIu64, l->active);
        add_rate(&table, view, l->ended + l->active, old.ended + old.active);
        add_rate(&table, view, l->ended, old.ended);
        add_rate(&table, view, l->in, old.in);
        add_rate(&table, view, l->out, old.out);
    }
    table_end(&table, ret);
}

static void draw(const struct view *view, struct text *ret)
{
    command_draw_summary(view->status, ret);
    text_format(ret, "cpu %.0f%%  memory %" PRIu64 " MiB  log lines dropped %" PRIu64 "\n\n",
                busy_percent(view), view->now.resident / 1048576, view->now.dropped);
    draw_listeners(view, ret);
    text_add_char(ret, '\n');
    command_draw_pools(view->pools, ret);
}

/* --- for scripts ------------------------------------------------------------------------------ */

static json_t *describe_listeners(const struct view *view)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < view->now.count; i++) {
        const struct sample_listener *l = &view->now.listener[i], old = before_of(view, l->name);
        json_t *item = json_pack(
            "{s:s, s:I, s:f, s:f, s:f, s:f}", "name", l->name, "sessions", (json_int_t)l->active,
            "new_per_s", rate(view, l->ended + l->active, old.ended + old.active), "ended_per_s",
            rate(view, l->ended, old.ended), "bytes_in_per_s", rate(view, l->in, old.in),
            "bytes_out_per_s", rate(view, l->out, old.out));
        (void)json_array_append_new(list, item);
    }
    return list;
}

/* One object a line. */
static void describe(const struct view *view, struct text *ret)
{
    json_t *whole = json_pack("{s:f, s:O, s:f, s:I, s:I, s:o, s:O}", "seconds", view->seconds,
                              "status", view->status, "cpu_percent", busy_percent(view),
                              "resident_memory_bytes", (json_int_t)view->now.resident,
                              "log_lines_dropped", (json_int_t)view->now.dropped, "listeners",
                              describe_listeners(view), "pools", view->pools);
    char *line = whole == NULL ? NULL : json_dumps(whole, JSON_COMPACT | JSON_REAL_PRECISION(9));
    ret->failed = ret->failed || line == NULL;
    text_add(ret, line == NULL ? "" : line);
    text_add_char(ret, '\n');
    free(line);
    json_decref(whole);
}

/* --- again and again -------------------------------------------------------------------------- */

static bool show(const struct view *view, const struct screen *screen, bool first,
                 struct error *error)
{
    struct text text = {0};
    if (view->ctl->json) {
        describe(view, &text);
    } else {
        text_add(&text, first || screen->terminal ? "" : "\n");
        draw(view, &text);
        text_add(&text, screen->terminal ? "\nq quits\n" : "");
    }
    bool good = !text.failed || error_memory(error);
    good = good &&
           (screen_show(screen, text.data) || error_input(error, "nobody reads what is shown"));
    text_release(&text);
    return good;
}

/* A restart is waited for, where somebody looks on. */
static bool show_trouble(const struct screen *screen, const struct error *trouble,
                         struct error *error)
{
    struct text text = {0};
    text_format(&text, "%s\n\nasking again; q quits\n", trouble->text);
    bool good = !text.failed && screen_show(screen, text.data);
    text_release(&text);
    if (!good)
        *error = *trouble;
    return good;
}

static bool watch(struct view *view, const struct screen *screen, double seconds,
                  unsigned long count, struct error *error)
{
    for (unsigned long i = 1;; i++) {
        struct error trouble = {0};
        bool good;
        if (look(view, &trouble))
            good = show(view, screen, i == 1, error);
        else if (i > 1 && screen->terminal)
            good = show_trouble(screen, &trouble, error);
        else {
            *error = trouble;
            good = false;
        }
        if (!good || i == count || !screen_wait(screen, seconds))
            return good;
    }
}

static bool read_numbers(const struct ctl *ctl, double *ret_seconds, unsigned long *ret_count,
                         struct error *error)
{
    char *end = NULL;
    *ret_seconds = ctl->delay == NULL ? 1 : strtod(ctl->delay, &end);
    if ((end != NULL && (*end != '\0' || end == ctl->delay)) || !(*ret_seconds >= 0.1) ||
        *ret_seconds > 3600)
        return error_input(error, "-d is a number of seconds from 0.1 to 3600");
    *ret_count = ctl->count == NULL ? 0 : strtoul(ctl->count, NULL, 10);
    return ctl->count == NULL || *ret_count > 0 ||
           error_input(error, "-n is a number, how often to look");
}

enum ctl_status command_top(const struct ctl *ctl, const char *name, struct error *error)
{
    (void)name;
    struct view view = {.ctl = ctl};
    struct screen screen;
    double seconds;
    unsigned long count = 0;
    if (!read_numbers(ctl, &seconds, &count, error))
        return CTL_USAGE;
    screen_open(&screen, !ctl->json);
    bool good = watch(&view, &screen, seconds, count, error);
    screen_close(&screen);
    forget_documents(&view);
    return good ? CTL_DONE : CTL_FAILED;
}
