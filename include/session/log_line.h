/* log_line: the values of one access line, and the forms in which they are written: JSON, text, a
 * template of the operator's, fields for systemd's journal.
 *
 * Values come from clients: whatever they are, a line stays one line, and a value cannot be taken
 * for another field. */
#ifndef SESSION_LOG_LINE_H
#define SESSION_LOG_LINE_H

#include "base/error.h"
#include "base/text.h"

enum log_field {
#define LOG_FIELD(name) LOG_FIELD_##name,
#include "session/log_fields.def"
#undef LOG_FIELD
    LOG_FIELD_COUNT
};

/* One memory for all lines, used again: {0} is empty, text_release(&values->bytes) gives it back.
 */
struct log_values {
    struct text bytes; /* all values, as they are */
    struct log_value {
        uint32_t offset, length;
        bool known, word; /* word: a number or a boolean, which JSON does not quote */
    } of[LOG_FIELD_COUNT];
};

void log_values_clear(struct log_values *values);
void log_values_set(struct log_values *values, enum log_field field, struct span value);
void log_values_format(struct log_values *values, enum log_field field, const char *format, ...)
    PRINTF(3, 4);

/* Add the line without its newline: an object, its members alone, key=value pairs. */
void log_write_json(struct text *ret, const struct log_values *values);
void log_write_members(struct text *ret, const struct log_values *values);
void log_write_text(struct text *ret, const struct log_values *values);

/* Adds a field for each value, MUXGATE_SNI=…, in the journal's native protocol. */
void log_write_fields(struct text *ret, const struct log_values *values);

/* A text line's form: $field or ${field} stands for a value, $$ for a dollar; "-" for a value that
 * is not known. Control bytes, quotes and backslashes in a value are escaped, blanks unless the
 * template has it in double quotes. */
struct log_template;

bool log_template_compile(struct log_template **ret, const char *text,
                          struct error *error) MUST_CHECK;
void log_template_free(struct log_template *t); /* accepts NULL */
void log_write_template(struct text *ret, const struct log_values *values,
                        const struct log_template *t);

#endif
