/* tlv: how the configuration names the fields (TLVs) of a PROXY v2 header. */
#ifndef CONFIG_TLV_H
#define CONFIG_TLV_H

#include <stdbool.h>
#include <stdint.h>

#define TLV_NAMES "alpn|authority|unique_id|ssl|netns"

/* One of the names, or "0xEA". False: neither, or one that belongs to its own header only (the
 * checksum 0x03, padding 0x04). */
bool tlv_parse(uint8_t *ret, const char *text);

#define TLV_TEXT_MAX 12
void tlv_format(uint8_t type, char text[TLV_TEXT_MAX]);

#endif
