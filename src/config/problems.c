#include "config/problems.h"

#include "locate.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>

struct problem {
    struct place place; /* line 0: the file as a whole */
    bool warning;
    size_t order;
    char *line; /* owned; without a newline */
};

struct problems {
    char *file;
    const struct locations *locations; /* borrowed */
    struct problem *list;
    size_t count, capacity, errors;
    uint64_t now;
    bool lost; /* memory ran out while one was noted */
    bool partial;
};

bool problems_create(struct problems **ret, const char *file)
{
    struct problems *p = calloc(1, sizeof *p);
    if (p == NULL)
        return false;
    p->file = strdup(file);
    if (p->file == NULL) {
        free(p);
        return false;
    }
    p->now = clock_wall_ms() / 1000;
    *ret = p;
    return true;
}

void problems_set_now(struct problems *p, uint64_t seconds)
{
    p->now = seconds;
}

uint64_t problems_now(const struct problems *p)
{
    return p->now;
}

void problems_set_partial(struct problems *p)
{
    p->partial = true;
}

bool problems_are_partial(const struct problems *p)
{
    return p->partial;
}

void problems_free(struct problems *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->count; i++)
        free(p->list[i].line);
    free(p->list);
    free(p->file);
    free(p);
}

void problems_locate(struct problems *p, const struct locations *locations)
{
    p->locations = locations;
}

/* Names and values come from the file: whatever they hold, a problem stays one line of plain text.
 */
static void add_visible(struct text *t, const char *string)
{
    for (const char *c = string; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            text_format(t, "\\u%04x", (unsigned)*c);
        else
            text_add_char(t, *c);
    }
}

static void add_message(struct text *t, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *message = length < 0 ? NULL : malloc((size_t)length + 1);
    if (message == NULL) {
        t->failed = true;
        return;
    }
    vsnprintf(message, (size_t)length + 1, format, arguments);
    add_visible(t, message);
    free(message);
}

/* Takes over `line`'s memory. */
static void append(struct problems *p, struct place place, bool warning, struct text *line)
{
    if (!warning)
        p->errors++;
    if (p->count == p->capacity && !line->failed) {
        size_t capacity = p->capacity == 0 ? 16 : p->capacity * 2;
        struct problem *list = realloc(p->list, capacity * sizeof *list);
        if (list != NULL) {
            p->list = list;
            p->capacity = capacity;
        }
    }
    if (line->failed || p->count == p->capacity) {
        p->lost = true;
        text_release(line);
        return;
    }
    p->list[p->count] = (struct problem){place, warning, p->count, line->data};
    p->count++;
}

static void add_place(struct text *t, const struct problems *p, struct place place)
{
    add_visible(t, p->file);
    if (place.line > 0)
        text_format(t, ":%d:%d", place.line, place.column);
    text_add(t, ": ");
}

static void report(struct problems *p, struct place place, bool warning, const char *path,
                   const char *format, va_list arguments)
{
    struct text line = {0};
    add_place(&line, p, place);
    if (warning)
        text_add(&line, "warning: ");
    if (path != NULL && path[0] != '\0') {
        add_visible(&line, path);
        text_add(&line, ": ");
    }
    add_message(&line, format, arguments);
    append(p, place, warning, &line);
}

static void report_path(struct problems *p, bool key, bool warning, const char *path,
                        const char *format, va_list arguments)
{
    struct location found = {{0, 0}, {0, 0}};
    char *own_path = NULL;
    bool exists = p->locations != NULL && locations_resolve(p->locations, path, &found, &own_path);
    report(p, key && exists ? found.key : found.value, warning, own_path == NULL ? path : own_path,
           format, arguments);
    free(own_path);
}

void problems_error(struct problems *p, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    report_path(p, false, false, path, format, arguments);
    va_end(arguments);
}

void problems_warning(struct problems *p, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    report_path(p, false, true, path, format, arguments);
    va_end(arguments);
}

void problems_error_key(struct problems *p, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    report_path(p, true, false, path, format, arguments);
    va_end(arguments);
}

void problems_error_at(struct problems *p, int line, int column, const char *path,
                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    report(p, (struct place){line, column}, false, path, format, arguments);
    va_end(arguments);
}

void problems_syntax(struct problems *p, int line, int column, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    report(p, (struct place){line, column}, false, NULL, format, arguments);
    va_end(arguments);
}

void problems_file(struct problems *p, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    report(p, (struct place){0, 0}, false, NULL, format, arguments);
    va_end(arguments);
}

static int compare_places(struct place a, struct place b)
{
    if (a.line != b.line)
        return a.line < b.line ? -1 : 1;
    return (a.column > b.column) - (a.column < b.column);
}

void problems_take_errors(struct problems *p, struct problems *from, struct place first,
                          struct place end)
{
    for (size_t i = 0; i < from->count; i++) {
        struct problem *problem = &from->list[i];
        struct text line = {.data = problem->line};
        if (problem->warning || compare_places(problem->place, first) < 0 ||
            compare_places(problem->place, end) >= 0)
            continue;
        problem->line = NULL;
        append(p, problem->place, false, &line);
    }
    p->lost = p->lost || from->lost;
}

size_t problems_errors(const struct problems *p)
{
    return p == NULL ? 1 : p->errors;
}

size_t problems_warnings(const struct problems *p)
{
    size_t warnings = 0;
    for (size_t i = 0; i < p->count; i++)
        warnings += p->list[i].warning;
    return warnings;
}

static int compare(const void *left, const void *right)
{
    const struct problem *a = *(const struct problem *const *)left;
    const struct problem *b = *(const struct problem *const *)right;
    int order = compare_places(a->place, b->place);
    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

/* What is wrong in "defaults" may be found once per listener, but is told once. */
static bool told_before(const struct problem *const *list, size_t i)
{
    for (size_t j = i; j-- > 0 && compare_places(list[j]->place, list[i]->place) == 0;)
        if (strcmp(list[j]->line, list[i]->line) == 0)
            return true;
    return false;
}

void problems_each(const struct problems *p,
                   void (*each)(void *context, bool warning, const char *line), void *context)
{
    const struct problem **sorted = p == NULL ? NULL : calloc(p->count + 1, sizeof *sorted);
    if (sorted == NULL || p->lost)
        each(context, false, "out of memory");
    if (sorted == NULL)
        return;
    for (size_t i = 0; i < p->count; i++)
        sorted[i] = &p->list[i];
    qsort(sorted, p->count, sizeof(struct problem *), compare);
    for (size_t i = 0; i < p->count; i++)
        if (!told_before(sorted, i))
            each(context, sorted[i]->warning, sorted[i]->line);
    free(sorted);
}

static void print_line(void *context, bool warning, const char *line)
{
    (void)warning;
    fprintf(context, "%s\n", line);
}

void problems_print(const struct problems *p, FILE *stream)
{
    problems_each(p, print_line, stream);
}
