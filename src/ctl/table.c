#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void table_begin(struct table *ret, const char *const *titles)
{
    *ret = (struct table){.titles = titles};
    for (; titles[ret->columns] != NULL && ret->columns < TABLE_COLUMNS_MAX; ret->columns++) {
        const char *title = titles[ret->columns];
        ret->width[ret->columns] = strlen(title) - (title[0] == '>');
    }
}

/* Bytes of UTF-8 that begin a character: close enough to what is seen. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

void table_add_visible(struct text *ret, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        bool c1 = *at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0; /* U+0080 to U+009F, in two bytes */
        bool control = *at < ' ' || *at == 0x7f || c1;
        at += c1;
        text_format(ret, control ? "\\x%02x" : "%c", *at);
    }
}

void table_add(struct table *table, const char *text)
{
    size_t from = table->cells.length;
    table_add_visible(&table->cells, text);
    text_add_char(&table->cells, '\0');
    if (table->cells.failed)
        return;
    size_t *width = &table->width[table->count++ % table->columns];
    size_t own = width_of(table->cells.data + from);
    *width = own > *width ? own : *width;
}

void table_add_format(struct table *table, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    table_add(table, text);
}

void table_add_member(struct table *table, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value))
        table_add(table, json_string_value(value));
    else if (json_is_integer(value))
        table_add_format(table, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_boolean(value))
        table_add(table, json_is_true(value) ? "yes" : "no");
    else
        table_add(table, "");
}

static void add_cell(struct text *ret, const struct table *table, size_t column, const char *text)
{
    bool right = table->titles[column][0] == '>', last = column + 1 == table->columns;
    size_t gap = table->width[column] - width_of(text);
    for (size_t i = 0; right && i < gap; i++)
        text_add_char(ret, ' ');
    text_add(ret, text);
    for (size_t i = 0; !right && !last && i < gap; i++)
        text_add_char(ret, ' ');
    text_add(ret, last ? "\n" : "  ");
}

void table_end(struct table *table, struct text *ret)
{
    const char *at = table->cells.data;
    for (size_t c = 0; c < table->columns; c++)
        add_cell(ret, table, c, table->titles[c] + (table->titles[c][0] == '>'));
    for (size_t i = 0; !table->cells.failed && i < table->count; i++) {
        add_cell(ret, table, i % table->columns, at);
        at += strlen(at) + 1;
    }
    ret->failed = ret->failed || table->cells.failed;
    text_release(&table->cells);
}
