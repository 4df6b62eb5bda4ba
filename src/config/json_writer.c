#include "json_writer.h"

#include <inttypes.h>

static void begin_line(struct json_writer *w)
{
    text_add_char(w->text, '\n');
    for (unsigned i = 0; i < w->depth; i++)
        text_add(w->text, "  ");
}

static void begin_value(struct json_writer *w, const char *key)
{
    if (w->filled)
        text_add_char(w->text, ',');
    if (w->depth > 0)
        begin_line(w);
    if (key != NULL) {
        text_add_json(w->text, span_text(key));
        text_add(w->text, ": ");
    }
    w->filled = true;
}

void json_open(struct json_writer *w, const char *key, char bracket)
{
    begin_value(w, key);
    text_add_char(w->text, bracket);
    w->depth++;
    w->filled = false;
}

void json_close(struct json_writer *w, char bracket)
{
    w->depth--;
    if (w->filled)
        begin_line(w);
    text_add_char(w->text, bracket);
    w->filled = true;
}

void json_put_text(struct json_writer *w, const char *key, const char *value)
{
    begin_value(w, key);
    text_add_json(w->text, span_text(value));
}

void json_put_boolean(struct json_writer *w, const char *key, bool value)
{
    begin_value(w, key);
    text_add(w->text, value ? "true" : "false");
}

void json_put_number(struct json_writer *w, const char *key, uint64_t value)
{
    begin_value(w, key);
    text_format(w->text, "%" PRIu64, value);
}
