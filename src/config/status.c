#include "status.h"

#define STATUS_LEAST 100
#define STATUS_MOST  599

/* Three digits; takes them from the text. */
static bool take_number(uint16_t *ret, struct span *text)
{
    unsigned number = 0;
    if (text->length < 3)
        return false;
    for (size_t i = 0; i < 3; i++) {
        if (text->data[i] < '0' || text->data[i] > '9')
            return false;
        number = 10 * number + (unsigned)(text->data[i] - '0');
    }
    *ret = (uint16_t)number;
    *text = span_skip(*text, 3);
    return number >= STATUS_LEAST && number <= STATUS_MOST;
}

static bool take_range(struct status_list *ret, struct span *text)
{
    uint16_t low, high;
    if (ret->count == STATUS_RANGES_MAX || !take_number(&low, text))
        return false;
    high = low;
    if (text->length > 0 && text->data[0] == '-') {
        *text = span_skip(*text, 1);
        if (!take_number(&high, text) || high < low)
            return false;
    }
    ret->range[ret->count].low = low;
    ret->range[ret->count++].high = high;
    return true;
}

bool status_parse(struct status_list *ret, struct span text)
{
    ret->count = 0;
    while (take_range(ret, &text)) {
        if (text.length == 0)
            return true;
        if (text.data[0] != ',')
            return false;
        text = span_skip(text, 1);
    }
    return false;
}
