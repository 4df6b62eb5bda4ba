#include "lines.h"

#include "base/clock.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT_VERSION 1

/* Of a text in a file; what is written is far shorter. However its bytes have to be escaped, a line
 * with four of them is one that can be read again. */
#define TEXT_MAX_BYTES 1024u
#define LINE_MAX_BYTES (4u * 6u * TEXT_MAX_BYTES + 1024u)

static const char *const comes_names[] = {"plain", "mixed", "tls"};

/* --- texts ------------------------------------------------------------------------------------ */

static bool is_plain_ascii(struct span text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < 0x20 || text.data[i] > 0x7e)
            return false;
    return true;
}

/* A NUL in it would end it. */
static char *come_back(const char *json, size_t length)
{
    json_t *value = json_loadb(json, length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    const char *text = json_string_value(value);
    char *copy = text == NULL ? NULL : strdup(text);
    json_decref(value);
    return copy;
}

char *lines_clean(struct span text)
{
    struct text json = {0};
    if (text.length == 0 || is_plain_ascii(text))
        return strndup(text.length == 0 ? "" : (const char *)text.data, text.length);
    text_add_json(&json, text);
    char *copy = json.failed ? NULL : come_back(json.data, json.length);
    text_release(&json);
    return copy;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void add_text(struct text *t, const char *key, const char *value)
{
    if (value[0] == '\0')
        return;
    text_format(t, ", \"%s\": ", key);
    text_add_json(t, span_text(value));
}

static void add_way(struct text *t, const char *name, const struct row *row, enum way way)
{
    char first[CLOCK_TEXT_MAX], last[CLOCK_TEXT_MAX];
    if (row->last[way] == 0)
        return;
    clock_format(row->first[way], first);
    clock_format(row->last[way], last);
    text_format(t, ", \"first_%s\": \"%s\", \"last_%s\": \"%s\", \"%s_sessions\": %" PRIu64, name,
                first, name, last, name, row->sessions[way]);
}

void lines_add_row(struct text *t, const struct row *row)
{
    text_add(t, "{\"source\": ");
    text_add_json(t, span_text(row->source));
    add_text(t, "sni", row->sni);
    add_text(t, "fix_sender", row->sender);
    add_text(t, "comes", comes_names[table_comes(row)]);
    add_way(t, "plain", row, WAY_PLAIN);
    add_way(t, "tls", row, WAY_TLS);
    add_text(t, "tls_version", row->tls_version);
    add_text(t, "client_cn", row->name);
    text_add_char(t, '}');
}

/* Rows with plain sessions first: those are the ones that take them when they are read again. */
static void add_rows(struct text *t, struct row *const *rows, size_t count, bool plain)
{
    for (size_t i = 0; i < count; i++) {
        if ((rows[i]->last[WAY_PLAIN] != 0) != plain)
            continue;
        lines_add_row(t, rows[i]);
        text_add_char(t, '\n');
    }
}

bool lines_format(struct text *ret, const struct table *table)
{
    struct row **rows;
    if (!table_sort(table, &rows))
        return false;
    text_format(ret, LINES_MARK ": %d}\n", FORMAT_VERSION);
    add_rows(ret, rows, table_count(table), true);
    add_rows(ret, rows, table_count(table), false);
    text_add(ret, "{\"end\": true}\n");
    free(rows);
    return !ret->failed;
}

/* --- reading ---------------------------------------------------------------------------------- */

bool lines_begin(struct span bytes)
{
    return span_begins(span_text(LINES_MARK), span_first(bytes, LINES_MARK_BYTES));
}

/* "2026-11-21T08:34:59.123Z"; 0: it is none, or not there. */
static uint64_t read_time(const json_t *row, const char *prefix, const char *name)
{
    char key[32];
    uint64_t seconds, ms = 0;
    (void)snprintf(key, sizeof key, "%s_%s", prefix, name);
    const char *text = json_string_value(json_object_get(row, key));
    if (text == NULL || !clock_parse(&seconds, span_text(text)))
        return 0;
    if (strlen(text) == 24 && text[19] == '.')
        for (size_t i = 20; i < 23; i++)
            ms = ms * 10 + (uint64_t)(text[i] - '0');
    return seconds * 1000 + ms;
}

static uint64_t read_count(const json_t *row, const char *name)
{
    char key[32];
    (void)snprintf(key, sizeof key, "%s_sessions", name);
    json_int_t count = json_integer_value(json_object_get(row, key));
    return count > 0 ? (uint64_t)count : 1;
}

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text == NULL || strlen(text) > TEXT_MAX_BYTES ? "" : text;
}

static const char *version_of(const json_t *row)
{
    const char *text = text_of(row, "tls_version");
    return strlen(text) < sizeof(((struct row *)NULL)->tls_version) &&
                   is_plain_ascii(span_text(text))
               ? text
               : "";
}

/* true: nothing is wrong with it (it may not be there); *ret_any: it was. */
static bool enter_way(struct table *t, const json_t *row, enum way way, bool *ret_any)
{
    const char *name = way == WAY_TLS ? "tls" : "plain";
    const struct seen seen = {.source = text_of(row, "source"),
                              .sni = way == WAY_TLS ? text_of(row, "sni") : "",
                              .sender = text_of(row, "fix_sender"),
                              .name = text_of(row, "client_cn"),
                              .tls_version = version_of(row),
                              .way = way,
                              .first = read_time(row, "first", name),
                              .last = read_time(row, "last", name),
                              .sessions = read_count(row, name)};
    if (seen.first == 0 || seen.last < seen.first)
        return true;
    *ret_any = true;
    return table_enter(t, &seen);
}

static bool damaged(struct error *error, size_t number, const char *what)
{
    return error_input(error, "line %zu: %s", number, what);
}

static bool read_row(struct table *t, const json_t *row, size_t number, struct error *error)
{
    bool any = false;
    if (text_of(row, "source")[0] == '\0')
        return damaged(error, number, "no source");
    if (!enter_way(t, row, WAY_PLAIN, &any) || !enter_way(t, row, WAY_TLS, &any))
        return error_memory(error);
    return any || damaged(error, number, "no times that are any");
}

static bool read_head(const json_t *head, struct error *error)
{
    json_int_t version = json_integer_value(json_object_get(head, "muxgate_ledger"));
    if (version == FORMAT_VERSION)
        return true;
    if (version == 0)
        return damaged(error, 1, "this is no ledger");
    return error_input(error, "line 1: of version %lld, and this program knows %d only",
                       (long long)version, FORMAT_VERSION);
}

/* What is known when a file is read. */
struct reading {
    struct table *table;
    size_t number;      /* of the line */
    bool ended;         /* its last line was there */
    struct error first; /* what was wrong first */
};

static bool note_damage(struct reading *r, const struct error *error)
{
    if (r->first.kind == ERROR_NONE)
        r->first = *error;
    return r->number > 1 && error->kind != ERROR_MEMORY;
}

/* false: reading on has no use. */
static bool read_line(struct reading *r, struct span line)
{
    struct error error = {0};
    bool good;
    r->number++;
    json_t *object = line.length > LINE_MAX_BYTES ? NULL
                                                  : json_loadb((const char *)line.data, line.length,
                                                               JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object))
        good = damaged(&error, r->number, "not an object of JSON");
    else if (r->number == 1)
        good = read_head(object, &error);
    else if (json_is_true(json_object_get(object, "end")))
        good = r->ended = true;
    else
        good = read_row(r->table, object, r->number, &error);
    json_decref(object);
    return good || note_damage(r, &error);
}

bool lines_read(struct table *ret, struct span bytes, struct error *error)
{
    struct reading r = {.table = ret};
    bool any = bytes.length > 0;
    while (bytes.length > 0) {
        const unsigned char *newline = memchr(bytes.data, '\n', bytes.length);
        size_t length = newline == NULL ? bytes.length : (size_t)(newline - bytes.data);
        if (length > 0 && !read_line(&r, span_first(bytes, length)))
            break;
        bytes = span_skip(bytes, length + 1);
    }
    if (any && !r.ended && r.first.kind == ERROR_NONE)
        (void)damaged(&r.first, r.number, "it ends before its end");
    if (r.first.kind == ERROR_NONE)
        return true;
    *error = r.first;
    return false;
}
