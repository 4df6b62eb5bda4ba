#include "inspect/proxy_header.h"

#include "crc32c.h"

#define CRC_LENGTH     4u
#define SSL_HEAD       5u
#define SUB_TLV_HEADER 3u

/* Five texts of at most 255 bytes each, which is more than any of them has. */
#define SSL_ROOM (SSL_HEAD + 5u * (SUB_TLV_HEADER + 255u))

static void put_u32(unsigned char *at, uint32_t value)
{
    at[0] = (unsigned char)(value >> 24);
    at[1] = (unsigned char)(value >> 16 & 0xff);
    at[2] = (unsigned char)(value >> 8 & 0xff);
    at[3] = (unsigned char)(value & 0xff);
}

/* A text that is longer is left out: a part of a name is another name. */
static size_t put_text(unsigned char *room, size_t length, uint8_t type, const char *text)
{
    size_t size = text == NULL ? 0 : strlen(text);
    if (size == 0 || size > 255)
        return length;
    room[length] = type;
    room[length + 1] = 0;
    room[length + 2] = (unsigned char)size;
    memcpy(room + length + SUB_TLV_HEADER, text, size);
    return length + SUB_TLV_HEADER + size;
}

static size_t add_ssl(unsigned char *room, size_t length, const struct proxy_ssl *ssl)
{
    unsigned char value[SSL_ROOM];
    size_t at = SSL_HEAD;
    value[0] = PROXY_CLIENT_SSL;
    if (ssl->verified)
        value[0] |= ssl->resumed ? PROXY_CLIENT_CERT_SESS
                                 : PROXY_CLIENT_CERT_CONN | PROXY_CLIENT_CERT_SESS;
    put_u32(value + 1, ssl->verified ? 0 : 1);
    at = put_text(value, at, PROXY_SSL_VERSION, ssl->version);
    at = put_text(value, at, PROXY_SSL_CIPHER, ssl->cipher);
    at = put_text(value, at, PROXY_SSL_SIG_ALG, ssl->signature_algorithm);
    at = put_text(value, at, PROXY_SSL_KEY_ALG, ssl->key_algorithm);
    if (ssl->verified)
        at = put_text(value, at, PROXY_SSL_CN, ssl->cn);
    return proxy_header_add_tlv(room, length, PROXY_TLV_SSL, span_of(value, at));
}

/* --- passed on -------------------------------------------------------------------------------- */

static bool find_first(struct span tlvs, uint8_t wanted, struct span *ret)
{
    size_t at = 0;
    uint8_t type;
    while (proxy_tlv_next(tlvs, &at, &type, ret))
        if (type == wanted)
            return true;
    return false;
}

/* Neither is anybody's but the header's that they are in. */
static bool belongs_to_its_header(uint8_t type)
{
    return type == PROXY_TLV_CRC32C || type == PROXY_TLV_NOOP;
}

static bool is_passed(const struct proxy_fields *fields, uint8_t type)
{
    struct span value;
    for (size_t i = 0; i < fields->passed_count; i++)
        if (fields->passed[i] == type)
            return find_first(fields->received, type, &value);
    return false;
}

static size_t add_passed(unsigned char *room, size_t length, const struct proxy_fields *fields)
{
    struct span value;
    for (size_t i = 0; i < fields->passed_count; i++) {
        uint8_t type = fields->passed[i];
        if (!belongs_to_its_header(type) && find_first(fields->received, type, &value))
            length = proxy_header_add_tlv(room, length, type, value);
    }
    return length;
}

/* --- all -------------------------------------------------------------------------------------- */

static size_t add_own(unsigned char *room, size_t length, const struct proxy_fields *fields,
                      uint8_t type, struct span value)
{
    if (value.length == 0 || is_passed(fields, type))
        return length;
    return proxy_header_add_tlv(room, length, type, value);
}

size_t proxy_header_add_fields(unsigned char *room, size_t length,
                               const struct proxy_fields *fields)
{
    static const unsigned char zeros[CRC_LENGTH];
    size_t checksum = length;
    if (fields->checksum)
        length = proxy_header_add_tlv(room, length, PROXY_TLV_CRC32C, span_of(zeros, CRC_LENGTH));
    bool sealed = length > checksum;
    length = add_passed(room, length, fields);
    if (fields->ssl != NULL && !is_passed(fields, PROXY_TLV_SSL))
        length = add_ssl(room, length, fields->ssl);
    length = add_own(room, length, fields, PROXY_TLV_ALPN, fields->alpn);
    length = add_own(room, length, fields, PROXY_TLV_AUTHORITY, fields->authority);
    length = add_own(room, length, fields, PROXY_TLV_UNIQUE_ID, fields->unique_id);
    if (sealed)
        put_u32(room + checksum + 3, ~crc32c_add(CRC32C_START, span_of(room, length)));
    return length;
}
