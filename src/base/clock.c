#include "base/clock.h"

#include <stdio.h>
#include <time.h>

uint64_t clock_wall_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int64_t clock_wall_s(void)
{
    return (int64_t)(clock_wall_ms() / 1000);
}

uint64_t clock_monotonic_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void clock_format(uint64_t wall_ms, char text[CLOCK_TEXT_MAX])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    (void)gmtime_r(&seconds, &parts);
    size_t used = strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + used, CLOCK_TEXT_MAX - used, ".%03uZ", (unsigned)(wall_ms % 1000));
}

/* --- RFC 3339 --------------------------------------------------------------------------------- */

/* The digits where the pattern has a 0; a letter in either case; else the very byte. */
static bool has_form(struct span text, const char *pattern)
{
    for (size_t i = 0; i < text.length && pattern[i] != '\0'; i++) {
        unsigned char c = text.data[i];
        bool fits = pattern[i] == '0'   ? c >= '0' && c <= '9'
                    : pattern[i] == 'T' ? c == 'T' || c == 't'
                                        : c == (unsigned char)pattern[i];
        if (!fits)
            return false;
    }
    return text.length == strlen(pattern);
}

/* Digits that has_form() has seen. */
static unsigned number_at(struct span text, size_t at, size_t digits)
{
    unsigned number = 0;
    for (size_t i = at; i < at + digits; i++)
        number = number * 10 + (unsigned)(text.data[i] - '0');
    return number;
}

static unsigned days_in(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

static uint64_t days_before(unsigned year, unsigned month)
{
    unsigned past = year - 1;
    uint64_t days = (uint64_t)past * 365 + past / 4 - past / 100 + past / 400 - 719162; /* 1970 */
    for (unsigned m = 1; m < month; m++)
        days += days_in(year, m);
    return days;
}

/* Seconds to the east; false where it is no offset. */
static bool read_offset(int64_t *ret, struct span text)
{
    *ret = 0;
    if (span_is(text, "Z") || span_is(text, "z"))
        return true;
    if (!has_form(text, "+00:00") && !has_form(text, "-00:00"))
        return false;
    unsigned hours = number_at(text, 1, 2), minutes = number_at(text, 4, 2);
    int64_t seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    *ret = text.data[0] == '-' ? -seconds : seconds;
    return hours <= 23 && minutes <= 59;
}

/* Behind a fraction of a second, which does not count; false where the dot has no digit. */
static bool skip_fraction(struct span *text)
{
    size_t i = 1;
    if (text->length == 0 || text->data[0] != '.')
        return true;
    while (i < text->length && text->data[i] >= '0' && text->data[i] <= '9')
        i++;
    *text = span_skip(*text, i);
    return i > 1;
}

bool clock_parse(uint64_t *ret_seconds, struct span text)
{
    static const char pattern[] = "0000-00-00T00:00:00";
    struct span local = span_first(text, sizeof pattern - 1);
    struct span rest = span_skip(text, local.length);
    int64_t offset;
    if (!has_form(local, pattern) || !skip_fraction(&rest) || !read_offset(&offset, rest))
        return false;
    unsigned year = number_at(text, 0, 4), month = number_at(text, 5, 2),
             day = number_at(text, 8, 2), hour = number_at(text, 11, 2),
             minute = number_at(text, 14, 2), second = number_at(text, 17, 2);
    if (year < 2000 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) ||
        hour > 23 || minute > 59 || second > 60) /* 60: a leap second */
        return false;
    uint64_t days = days_before(year, month) + day - 1;
    int64_t seconds = (int64_t)(days * 86400 + hour * 3600u + minute * 60u + second) - offset;
    *ret_seconds = (uint64_t)seconds;
    return true;
}

void clock_format_seconds(uint64_t seconds, char text[CLOCK_TEXT_MAX])
{
    time_t time = (time_t)seconds;
    struct tm parts;
    (void)gmtime_r(&time, &parts);
    (void)strftime(text, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts);
}
