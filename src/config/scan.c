#include "scan.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool scan_fail(struct scanner *s, size_t at, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->fault, sizeof s->fault, format, arguments);
    va_end(arguments);
    s->fault_at = at;
    return false;
}

bool scan_expected(struct scanner *s, const char *what)
{
    int c = scan_peek(s);
    if (c < 0)
        return scan_fail(s, s->at, "expected %s, got the end of the file", what);
    if (c == '"')
        return scan_fail(s, s->at, "expected %s, got a string", what);
    if (c == '/' || c == '#')
        return scan_fail(s, s->at, "expected %s, got '%c' (JSON has no comments)", what, c);
    if (c > ' ' && c < 0x7f)
        return scan_fail(s, s->at, "expected %s, got '%c'", what, c);
    return scan_fail(s, s->at, "expected %s, got the byte 0x%02x", what, (unsigned)c);
}

void scan_space(struct scanner *s)
{
    for (int c = scan_peek(s); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = scan_peek(s))
        s->at++;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int hex_digit(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits of \uXXXX, with the scanner behind the 'u'. */
static bool scan_unit(struct scanner *s, unsigned *ret)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(scan_peek(s));
        if (digit < 0)
            return scan_expected(s, "four hexadecimal digits after \\u");
        unit = unit << 4 | (unsigned)digit;
        s->at++;
    }
    *ret = unit;
    return true;
}

static void add_utf8(struct text *t, unsigned code)
{
    if (code < 0x80) {
        text_add_char(t, (char)code);
    } else if (code < 0x800) {
        text_add_char(t, (char)(0xc0 | code >> 6));
        text_add_char(t, (char)(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        text_add_char(t, (char)(0xe0 | code >> 12));
        text_add_char(t, (char)(0x80 | (code >> 6 & 0x3f)));
        text_add_char(t, (char)(0x80 | (code & 0x3f)));
    } else {
        text_add_char(t, (char)(0xf0 | code >> 18));
        text_add_char(t, (char)(0x80 | (code >> 12 & 0x3f)));
        text_add_char(t, (char)(0x80 | (code >> 6 & 0x3f)));
        text_add_char(t, (char)(0x80 | (code & 0x3f)));
    }
}

/* \uXXXX, or a pair of them for a character beyond U+FFFF; the scanner is behind the first 'u'. */
static bool scan_unicode(struct scanner *s, struct text *decoded)
{
    size_t start = s->at - 2;
    unsigned high, low;
    if (!scan_unit(s, &high))
        return false;
    if (high == 0)
        return scan_fail(s, start, "\\u0000 is not allowed in a string");
    if (high >= 0xdc00 && high <= 0xdfff)
        return scan_fail(s, start, "\\u%04x is half of a surrogate pair", high);
    if (high >= 0xd800 && high <= 0xdbff) {
        if (s->length - s->at < 2 || s->text[s->at] != '\\' || s->text[s->at + 1] != 'u')
            return scan_fail(s, start, "\\u%04x is half of a surrogate pair", high);
        s->at += 2;
        if (!scan_unit(s, &low))
            return false;
        if (low < 0xdc00 || low > 0xdfff)
            return scan_fail(s, start, "\\u%04x is half of a surrogate pair", high);
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    if (decoded != NULL)
        add_utf8(decoded, high);
    return true;
}

static bool scan_escape(struct scanner *s, struct text *decoded)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    size_t start = s->at++;
    int c = scan_peek(s);
    if (c < 0)
        return scan_expected(s, "an escape after \\");
    s->at++;
    if (c == 'u')
        return scan_unicode(s, decoded);
    const char *hit = c == '\0' ? NULL : strchr(from, c);
    if (hit == NULL)
        return scan_fail(s, start, "no such escape in JSON (a backslash is written \\\\)");
    if (decoded != NULL)
        text_add_char(decoded, to[hit - from]);
    return true;
}

/* Length of the UTF-8 sequence at `at` (RFC 3629 §4: no overlong forms, no surrogates), 0: invalid.
 */
static size_t utf8_length(const struct scanner *s)
{
    const unsigned char *p = s->text + s->at;
    size_t left = s->length - s->at, need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < need)
        return 0;
    unsigned char least = 0x80, most = 0xbf;
    if (p[0] == 0xe0)
        least = 0xa0;
    if (p[0] == 0xed)
        most = 0x9f;
    if (p[0] == 0xf0)
        least = 0x90;
    if (p[0] == 0xf4)
        most = 0x8f;
    if (p[1] < least || p[1] > most)
        return 0;
    for (size_t i = 2; i < need; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return need;
}

/* One character that stands for itself. */
static bool scan_character(struct scanner *s, int c, size_t start, struct text *decoded)
{
    size_t length = 1;
    if (c == '\n' || c == '\r')
        return scan_fail(s, start, "the string is not closed on its line");
    if (c < 0x20)
        return scan_fail(s, s->at, "the byte 0x%02x must be written \\u%04x in a string",
                         (unsigned)c, (unsigned)c);
    if (c >= 0x80)
        length = utf8_length(s);
    if (length == 0)
        return scan_fail(s, s->at, "not UTF-8: the byte 0x%02x", (unsigned)c);
    if (decoded != NULL)
        text_add_span(decoded, span_of(s->text + s->at, length));
    s->at += length;
    return true;
}

bool scan_string(struct scanner *s, struct text *decoded)
{
    size_t start = s->at++;
    for (;;) {
        int c = scan_peek(s);
        if (c < 0)
            return scan_fail(s, start, "the string is not closed");
        if (c == '"') {
            s->at++;
            return true;
        }
        if (!(c == '\\' ? scan_escape(s, decoded) : scan_character(s, c, start, decoded)))
            return false;
    }
}

static bool scan_digits(struct scanner *s)
{
    if (!is_digit(scan_peek(s)))
        return scan_expected(s, "a digit");
    while (is_digit(scan_peek(s)))
        s->at++;
    return true;
}

/* What C can hold is what jansson can hold: a long long, or a finite double. */
static bool number_fits(const struct scanner *s, size_t start, bool whole)
{
    char copy[320];
    size_t length = s->at - start;
    if (length >= sizeof copy)
        return false;
    memcpy(copy, s->text + start, length);
    copy[length] = '\0';
    errno = 0;
    if (!whole)
        return isfinite(strtod(copy, NULL));
    (void)strtoll(copy, NULL, 10);
    return errno == 0;
}

static bool scan_number(struct scanner *s)
{
    size_t start = s->at;
    bool whole = true;
    if (scan_peek(s) == '-')
        s->at++;
    bool zero = scan_peek(s) == '0';
    size_t first = s->at;
    if (!scan_digits(s))
        return false;
    if (zero && s->at - first > 1)
        return scan_fail(s, start, "a number must not begin with 0");
    if (scan_peek(s) == '.') {
        whole = false;
        s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (scan_peek(s) == 'e' || scan_peek(s) == 'E') {
        whole = false;
        s->at++;
        if (scan_peek(s) == '+' || scan_peek(s) == '-')
            s->at++;
        if (!scan_digits(s))
            return false;
    }
    s->too_large = !number_fits(s, start, whole);
    return true;
}

bool scan_plain(struct scanner *s)
{
    static const char *const words[] = {"true", "false", "null"};
    struct span rest = span_of(s->text + s->at, s->length - s->at);
    int c = scan_peek(s);
    if (c == '-' || is_digit(c))
        return scan_number(s);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (span_begins(rest, span_text(words[i]))) {
            s->at += strlen(words[i]);
            return true;
        }
    if (c == '\'')
        return scan_fail(s, s->at, "strings are written in double quotes");
    return scan_expected(s, "a value");
}
