#include "tlv.h"

#include "base/compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "The PROXY protocol" §2.2: types that are nobody's own; in the order of TLV_NAMES. */
static const struct {
    const char *name;
    uint8_t type;
} named[] = {
    {"alpn", 0x01}, {"authority", 0x02}, {"unique_id", 0x05}, {"ssl", 0x20}, {"netns", 0x30},
};

#define CHECKSUM 0x03
#define PADDING  0x04

bool tlv_parse(uint8_t *ret, const char *text)
{
    for (size_t i = 0; i < COUNT_OF(named); i++) {
        if (strcmp(named[i].name, text) == 0) {
            *ret = named[i].type;
            return true;
        }
    }
    if (strlen(text) != 4 || strncmp(text, "0x", 2) != 0 ||
        strspn(text + 2, "0123456789abcdefABCDEF") != 2)
        return false;
    *ret = (uint8_t)strtoul(text, NULL, 16);
    return *ret != 0 && *ret != CHECKSUM && *ret != PADDING;
}

void tlv_format(uint8_t type, char text[TLV_TEXT_MAX])
{
    for (size_t i = 0; i < COUNT_OF(named); i++) {
        if (named[i].type == type) {
            snprintf(text, TLV_TEXT_MAX, "%s", named[i].name);
            return;
        }
    }
    snprintf(text, TLV_TEXT_MAX, "0x%02X", type);
}
