#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for `more` bytes and the NUL. */
static bool reserve(struct text *t, size_t more)
{
    if (t->failed)
        return false;
    if (t->capacity - t->length > more)
        return true;
    size_t capacity = t->capacity == 0 ? 256 : t->capacity;
    while (capacity - t->length <= more)
        capacity *= 2;
    char *data = realloc(t->data, capacity);
    if (data == NULL) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->capacity = capacity;
    return true;
}

void text_add_span(struct text *t, struct span bytes)
{
    if (!reserve(t, bytes.length))
        return;
    if (bytes.length > 0)
        memcpy(t->data + t->length, bytes.data, bytes.length);
    t->length += bytes.length;
    t->data[t->length] = '\0';
}

void text_add(struct text *t, const char *string)
{
    text_add_span(t, span_text(string));
}

void text_add_char(struct text *t, char c)
{
    text_add_span(t, span_of(&c, 1));
}

void text_format(struct text *t, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        t->failed = true;
    else if (reserve(t, (size_t)length)) {
        (void)vsnprintf(t->data + t->length, (size_t)length + 1, format, again);
        t->length += (size_t)length;
    }
    va_end(again);
}

/* Length of the valid UTF-8 sequence at the front (RFC 3629 §4: no overlong forms, no surrogates,
 * nothing above U+10FFFF); 0 where there is none. */
static size_t utf8_length(struct span s)
{
    const unsigned char *b = s.data;
    size_t length = b[0] < 0x80   ? 1
                    : b[0] < 0xc2 ? 0
                    : b[0] < 0xe0 ? 2
                    : b[0] < 0xf0 ? 3
                    : b[0] < 0xf5 ? 4
                                  : 0;
    if (length == 0 || s.length < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xf0 && b[1] < 0x90);
    bool outside = (b[0] == 0xed && b[1] > 0x9f) || (b[0] == 0xf4 && b[1] > 0x8f);
    return overlong || outside ? 0 : length;
}

static void add_json_ascii(struct text *t, unsigned char c)
{
    if (c == '"' || c == '\\')
        text_add_span(t, span_of((char[]){'\\', (char)c}, 2));
    else if (c == '\n')
        text_add(t, "\\n");
    else if (c == '\t')
        text_add(t, "\\t");
    else if (c < 0x20 || c == 0x7f)
        text_format(t, "\\u%04x", c);
    else
        text_add_char(t, (char)c);
}

void text_add_json(struct text *t, struct span bytes)
{
    text_add_char(t, '"');
    while (bytes.length > 0) {
        size_t length = utf8_length(bytes);
        if (length == 0)
            text_add(t, "\xef\xbf\xbd");
        else if (length == 1)
            add_json_ascii(t, bytes.data[0]);
        else
            text_add_span(t, span_first(bytes, length));
        bytes = span_skip(bytes, length == 0 ? 1 : length);
    }
    text_add_char(t, '"');
}

void text_add_plain(struct text *t, struct span bytes)
{
    bool quote = bytes.length == 0;
    for (size_t i = 0; i < bytes.length; i++)
        quote = quote || bytes.data[i] == ' ' || bytes.data[i] == '"';
    if (quote)
        text_add_char(t, '"');
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char c = bytes.data[i];
        if (c == '"' || c == '\\')
            text_add_span(t, span_of((char[]){'\\', (char)c}, 2));
        else if (c < 0x20 || c > 0x7e)
            text_format(t, "\\x%02x", c);
        else
            text_add_char(t, (char)c);
    }
    if (quote)
        text_add_char(t, '"');
}

void text_clear(struct text *t)
{
    t->length = 0;
    t->failed = false;
    if (t->data != NULL)
        t->data[0] = '\0';
}

void text_release(struct text *t)
{
    free(t->data);
    *t = (struct text){0};
}
