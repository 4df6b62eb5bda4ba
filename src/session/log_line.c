#include "session/log_line.h"

#include "config/suggest.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[LOG_FIELD_COUNT] = {
#define LOG_FIELD(name) #name,
#include "session/log_fields.def"
#undef LOG_FIELD
};

/* As the journal wants them: capitals, digits, underscores (systemd's "Native Journal Protocol").
 */
#define JOURNAL_NAME_MAX 48u

/* --- values ----------------------------------------------------------------------------------- */

void log_values_clear(struct log_values *values)
{
    text_clear(&values->bytes);
    for (unsigned i = 0; i < LOG_FIELD_COUNT; i++)
        values->of[i].known = false;
}

static void note(struct log_values *values, enum log_field field, size_t offset, bool word)
{
    values->of[field] = (struct log_value){.offset = (uint32_t)offset,
                                           .length = (uint32_t)(values->bytes.length - offset),
                                           .known = !values->bytes.failed,
                                           .word = word};
}

void log_values_set(struct log_values *values, enum log_field field, struct span value)
{
    size_t offset = values->bytes.length;
    text_add_span(&values->bytes, value);
    note(values, field, offset, false);
}

void log_values_format(struct log_values *values, enum log_field field, const char *format, ...)
{
    char word[64];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(word, sizeof word, format, arguments);
    va_end(arguments);
    size_t offset = values->bytes.length;
    text_add(&values->bytes, word);
    note(values, field, offset, true);
}

static struct span value_of(const struct log_values *values, unsigned field)
{
    const struct log_value *v = &values->of[field];
    return v->length == 0 ? span_of(NULL, 0) : span_of(values->bytes.data + v->offset, v->length);
}

/* --- the forms -------------------------------------------------------------------------------- */

void log_write_members(struct text *ret, const struct log_values *values)
{
    const char *before = "\"";
    for (unsigned i = 0; i < LOG_FIELD_COUNT; i++) {
        if (!values->of[i].known)
            continue;
        text_add(ret, before);
        text_add(ret, names[i]);
        text_add(ret, "\":");
        if (values->of[i].word)
            text_add_span(ret, value_of(values, i));
        else
            text_add_json(ret, value_of(values, i));
        before = ",\"";
    }
}

void log_write_json(struct text *ret, const struct log_values *values)
{
    text_add_char(ret, '{');
    log_write_members(ret, values);
    text_add_char(ret, '}');
}

void log_write_text(struct text *ret, const struct log_values *values)
{
    const char *before = "";
    for (unsigned i = 0; i < LOG_FIELD_COUNT; i++) {
        if (!values->of[i].known)
            continue;
        text_add(ret, before);
        text_add(ret, names[i]);
        text_add_char(ret, '=');
        text_add_plain(ret, value_of(values, i));
        before = " ";
    }
}

static void add_journal_name(struct text *ret, const char *name)
{
    char capitals[JOURNAL_NAME_MAX] = "MUXGATE_";
    size_t length = strlen(capitals);
    for (; *name != '\0' && length < sizeof capitals - 1; name++)
        capitals[length++] = *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
    text_add_span(ret, span_of(capitals, length));
}

static bool is_printable(struct span value)
{
    for (size_t i = 0; i < value.length; i++)
        if (value.data[i] < 0x20 || value.data[i] > 0x7e)
            return false;
    return true;
}

/* A value with bytes that could be taken for something else stands behind its length, 64 bits with
 * the lowest byte first. */
static void add_counted(struct text *ret, struct span value)
{
    unsigned char length[8];
    for (unsigned i = 0; i < sizeof length; i++)
        length[i] = (unsigned char)((uint64_t)value.length >> (8 * i) & 0xff);
    text_add_char(ret, '\n');
    text_add_span(ret, span_of(length, sizeof length));
    text_add_span(ret, value);
}

void log_write_fields(struct text *ret, const struct log_values *values)
{
    for (unsigned i = 0; i < LOG_FIELD_COUNT; i++) {
        if (!values->of[i].known)
            continue;
        struct span value = value_of(values, i);
        add_journal_name(ret, names[i]);
        if (is_printable(value)) {
            text_add_char(ret, '=');
            text_add_span(ret, value);
        } else
            add_counted(ret, value);
        text_add_char(ret, '\n');
    }
}

/* --- templates -------------------------------------------------------------------------------- */

/* Words of its own, then a value. */
struct piece {
    uint32_t offset, length; /* in `words` */
    enum log_field field;    /* LOG_FIELD_COUNT: none behind the last words */
    bool quoted;             /* the value stands in double quotes */
};

struct log_template {
    struct text words;    /* owned */
    struct piece *pieces; /* owned */
    size_t count;
};

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static enum log_field find_field(struct span name)
{
    unsigned i = 0;
    while (i < LOG_FIELD_COUNT && !span_is(name, names[i]))
        i++;
    return (enum log_field)i;
}

static bool refuse_name(struct span name, struct error *error)
{
    char word[SUGGEST_MAX + 1];
    (void)snprintf(word, sizeof word, "%.*s", (int)span_first(name, SUGGEST_MAX).length,
                   name.length == 0 ? "" : (const char *)name.data);
    if (name.length == 0)
        return error_input(error, "a $ without a field's name (write $$ for a dollar)");
    struct suggestion near = {.word = word};
    for (unsigned i = 0; i < LOG_FIELD_COUNT; i++)
        suggest_offer(&near, names[i], strlen(names[i]));
    return error_input(error,
                       near.best[0] == '\0' ? "no field named \"%s\""
                                            : "no field named \"%s\" (did you mean \"%s\"?)",
                       word, near.best);
}

/* `*text` is behind the dollar, and goes behind the name. */
static bool read_name(const char **text, enum log_field *ret, struct error *error)
{
    bool braces = **text == '{';
    const char *name = *text + braces;
    size_t length = 0;
    while (is_name_byte(name[length]))
        length++;
    *ret = find_field(span_of(name, length));
    if (*ret == LOG_FIELD_COUNT)
        return refuse_name(span_of(name, length), error);
    if (braces && name[length] != '}')
        return error_input(error, "a ${ without its }");
    *text = name + length + braces;
    return true;
}

/* Adds the words up to the next value, whose dollar `*text` then stands behind; false behind the
 * last ones. */
static bool read_words(struct log_template *t, const char **text, bool *quoted)
{
    for (const char *at = *text;; at++) {
        bool dollars = at[0] == '$' && at[1] == '$';
        if (*at == '\0' || (*at == '$' && !dollars)) {
            *text = *at == '\0' ? at : at + 1;
            return *at != '\0';
        }
        if (*at == '"')
            *quoted = !*quoted;
        text_add_char(&t->words, *at);
        at += dollars;
    }
}

static bool is_one_line(const char *text, struct error *error)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return error_input(error, "a control byte (a line is one line)");
    return true;
}

static bool compile(struct log_template *t, const char *text, struct error *error)
{
    bool quoted = false;
    for (bool more = true; more; t->count++) {
        struct piece *p = &t->pieces[t->count];
        p->offset = (uint32_t)t->words.length;
        more = read_words(t, &text, &quoted);
        p->length = (uint32_t)t->words.length - p->offset;
        p->quoted = quoted;
        p->field = LOG_FIELD_COUNT;
        if (more && !read_name(&text, &p->field, error))
            return false;
    }
    return !t->words.failed || error_memory(error);
}

static size_t most_pieces(const char *text)
{
    size_t count = 1;
    for (; *text != '\0'; text++)
        count += *text == '$';
    return count;
}

bool log_template_compile(struct log_template **ret, const char *text, struct error *error)
{
    if (!is_one_line(text, error))
        return false;
    struct log_template *t = calloc(1, sizeof *t);
    if (t != NULL)
        t->pieces = calloc(most_pieces(text), sizeof *t->pieces);
    bool compiled = t != NULL && t->pieces != NULL ? compile(t, text, error) : error_memory(error);
    if (!compiled) {
        log_template_free(t);
        return false;
    }
    *ret = t;
    return true;
}

void log_template_free(struct log_template *t)
{
    if (t == NULL)
        return;
    text_release(&t->words);
    free(t->pieces);
    free(t);
}

static void add_escaped(struct text *ret, struct span value, bool quoted)
{
    for (size_t i = 0; i < value.length; i++) {
        unsigned char c = value.data[i];
        if (c == '"' || c == '\\')
            text_add_span(ret, span_of((char[]){'\\', (char)c}, 2));
        else if (c < 0x20 || c > 0x7e || (c == ' ' && !quoted))
            text_format(ret, "\\x%02x", c);
        else
            text_add_char(ret, (char)c);
    }
}

void log_write_template(struct text *ret, const struct log_values *values,
                        const struct log_template *t)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct piece *p = &t->pieces[i];
        if (p->length > 0)
            text_add_span(ret, span_of(t->words.data + p->offset, p->length));
        if (p->field == LOG_FIELD_COUNT)
            continue;
        if (values->of[p->field].known)
            add_escaped(ret, value_of(values, p->field), p->quoted);
        else
            text_add_char(ret, '-');
    }
}
