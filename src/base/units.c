#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first, so that formatting finds the shortest exact form. */
static const struct unit duration_units[] = {
    {"d", UINT64_C(86400000)}, {"h", UINT64_C(3600000)}, {"m", UINT64_C(60000)},
    {"s", UINT64_C(1000)},     {"ms", UINT64_C(1)},
};
static const struct unit size_units[] = {
    {"g", UINT64_C(1) << 30},
    {"m", UINT64_C(1) << 20},
    {"k", UINT64_C(1) << 10},
};

static const struct unit rate_units[] = {
    {"/s", UINT64_C(1000)},
    {"/m", UINT64_C(60000)},
    {"/h", UINT64_C(3600000)},
};

/* The digits at the start; `*ret_unit` is what follows them. */
static bool parse_number(uint64_t *ret, struct span *ret_unit, struct span text)
{
    uint64_t number = 0;
    size_t at = 0;
    for (; at < text.length && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        if (number > UINT64_MAX / 100)
            return false;
        number = number * 10 + (uint64_t)(text.data[at] - '0');
    }
    *ret = number;
    *ret_unit = span_skip(text, at);
    return at > 0;
}

static bool parse(uint64_t *ret, struct span text, const struct unit *units, size_t count)
{
    uint64_t number;
    struct span unit;
    if (!parse_number(&number, &unit, text))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!span_is(unit, units[i].name))
            continue;
        if (number > UINT64_MAX / units[i].factor)
            return false;
        *ret = number * units[i].factor;
        return true;
    }
    return false;
}

static void format(uint64_t value, char text[24], const struct unit *units, size_t count)
{
    size_t best = count - 1;
    for (size_t i = 0; i < count; i++)
        if (value != 0 && value % units[i].factor == 0) {
            best = i;
            break;
        }
    (void)snprintf(text, 24, "%" PRIu64 "%s", value / units[best].factor, units[best].name);
}

bool duration_parse(uint64_t *ret_ms, struct span text)
{
    return parse(ret_ms, text, duration_units, COUNT_OF(duration_units));
}

bool size_parse(uint64_t *ret_bytes, struct span text)
{
    return parse(ret_bytes, text, size_units, COUNT_OF(size_units));
}

void duration_format(uint64_t ms, char text[24])
{
    format(ms, text, duration_units, COUNT_OF(duration_units));
}

void size_format(uint64_t bytes, char text[24])
{
    format(bytes, text, size_units, COUNT_OF(size_units));
}

bool rate_parse(struct rate *ret, struct span text)
{
    uint64_t number;
    struct span unit;
    if (!parse_number(&number, &unit, text))
        return false;
    for (size_t i = 0; i < COUNT_OF(rate_units); i++)
        if (span_is(unit, rate_units[i].name)) {
            *ret = (struct rate){number, rate_units[i].factor};
            return true;
        }
    return false;
}

void rate_format(const struct rate *rate, char text[24])
{
    const char *unit = "";
    for (size_t i = 0; i < COUNT_OF(rate_units); i++)
        if (rate->period_ms == rate_units[i].factor)
            unit = rate_units[i].name;
    (void)snprintf(text, 24, "%" PRIu64 "%s", rate->count, unit);
}
