#include "base/name.h"

#define LABEL_MAX_LENGTH 63u

static bool is_name_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

bool name_normalise(char ret[NAME_MAX_LENGTH + 1], struct span bytes)
{
    if (bytes.length > 0 && bytes.data[bytes.length - 1] == '.')
        bytes.length--;
    if (bytes.length == 0 || bytes.length > NAME_MAX_LENGTH)
        return false;
    size_t label = 0;
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char c = lower(bytes.data[i]);
        if (c == '.' ? label == 0 : !is_name_byte(c))
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > LABEL_MAX_LENGTH)
            return false;
        ret[i] = (char)c;
    }
    ret[bytes.length] = '\0';
    return label > 0;
}

bool name_normalise_pattern(char ret[NAME_MAX_LENGTH + 3], struct span bytes)
{
    if (!span_begins(bytes, span_text("*.")))
        return name_normalise(ret, bytes);
    ret[0] = '*';
    ret[1] = '.';
    return name_normalise(ret + 2, span_skip(bytes, 2));
}

bool name_matches(const char *pattern, struct span name)
{
    struct span wanted = span_text(pattern);
    if (!span_begins(wanted, span_text("*.")))
        return span_equal(wanted, name);
    struct span suffix = span_skip(wanted, 1); /* ".example.com" */
    return name.length > suffix.length &&
           span_equal(span_skip(name, name.length - suffix.length), suffix);
}
