#include "inspect/proxy_header.h"

#include "base/compiler.h"
#include "crc32c.h"
#include "cursor.h"
#include "probes.h"
#include "proxy_v2.h"

#include <arpa/inet.h>

#define V1_MAX           107u
#define V1_SIGNATURE     "PROXY "
#define UNIX_PATH_LENGTH 108u
#define CRC_LENGTH       4u
#define SSL_LENGTH_MIN   5u
#define IP_TEXT_MAX      INET6_ADDRSTRLEN

static enum verdict broken(struct proxy_header *ret, const char *reason)
{
    ret->reason = reason;
    return VERDICT_BROKEN;
}

static enum verdict more(struct proxy_header *ret, size_t need)
{
    ret->need = need;
    return VERDICT_MORE;
}

/* --- version 1 ------------------------------------------------------------------------------- */

/* Takes up to the next blank, and the blank. */
static struct span word_take(struct cursor *c)
{
    const unsigned char *blank = c->rest.length == 0 ? NULL
                                                     : memchr(c->rest.data, ' ', c->rest.length);
    if (blank == NULL)
        return cursor_take(c, c->rest.length);
    struct span word = cursor_take(c, (size_t)(blank - c->rest.data));
    (void)cursor_take(c, 1);
    return word;
}

static bool port_read(uint16_t *ret, struct span text)
{
    uint32_t value = 0;
    if (text.length == 0 || text.length > 5 || (text.data[0] == '0' && text.length > 1))
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text.data[i] - '0');
    }
    *ret = (uint16_t)value;
    return value <= UINT16_MAX;
}

/* inet_pton() is as strict as the protocol: four numbers without leading zeros, no zone. */
static bool ip_read(struct address *ret, int family, struct span text)
{
    char copy[IP_TEXT_MAX];
    if (text.length == 0 || text.length >= sizeof copy || memchr(text.data, 0, text.length))
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    memset(ret, 0, sizeof *ret);
    ret->any.sa_family = (sa_family_t)family;
    ret->length = family == AF_INET ? sizeof ret->v4 : sizeof ret->v6;
    return inet_pton(family, copy,
                     family == AF_INET ? (void *)&ret->v4.sin_addr : (void *)&ret->v6.sin6_addr) ==
           1;
}

static enum verdict v1_addresses(struct proxy_header *ret, int family, struct span line)
{
    struct cursor c = {line, false};
    uint16_t source_port, destination_port;
    if (!ip_read(&ret->source, family, word_take(&c)) ||
        !ip_read(&ret->destination, family, word_take(&c)))
        return broken(ret, "an address in the PROXY line is malformed");
    /* The last word must not be followed by a blank: then nothing would be left for it. */
    struct span first = word_take(&c), second = c.rest;
    if (!port_read(&source_port, first) || !port_read(&destination_port, second))
        return broken(ret, "a port in the PROXY line is malformed");
    address_set_port(&ret->source, source_port);
    address_set_port(&ret->destination, destination_port);
    address_normalise(&ret->source);
    address_normalise(&ret->destination);
    ret->has_addresses = true;
    return VERDICT_YES;
}

/* `line` is without its CR LF. For UNKNOWN whatever follows is ignored. */
static enum verdict v1_line(struct proxy_header *ret, struct span line)
{
    static const struct span tcp4 = PROBE_LITERAL("PROXY TCP4 ");
    static const struct span tcp6 = PROBE_LITERAL("PROXY TCP6 ");
    static const struct span unknown = PROBE_LITERAL("PROXY UNKNOWN");
    if (span_begins(line, tcp4))
        return v1_addresses(ret, AF_INET, span_skip(line, tcp4.length));
    if (span_begins(line, tcp6))
        return v1_addresses(ret, AF_INET6, span_skip(line, tcp6.length));
    if (span_begins(line, unknown) &&
        (line.length == unknown.length || line.data[unknown.length] == ' '))
        return VERDICT_YES;
    return broken(ret, "the PROXY line names no protocol");
}

static enum verdict v1_parse(struct proxy_header *ret, struct span bytes)
{
    static const struct span begins[] = {PROBE_LITERAL("PROXY TCP4 "), PROBE_LITERAL("PROXY TCP6 "),
                                         PROBE_LITERAL("PROXY UNKNOWN")};
    ret->version = 1;
    if (probe_literals(bytes, begins, COUNT_OF(begins)) == VERDICT_NO)
        return broken(ret, "the PROXY line names no protocol");
    struct span window = span_first(bytes, V1_MAX);
    for (size_t at = 0; at < window.length; at++) {
        bool cr = window.data[at] == '\r';
        if (cr && at + 1 == window.length)
            break;
        if (cr && window.data[at + 1] == '\n') {
            ret->length = at + 2;
            return v1_line(ret, span_first(bytes, at));
        }
        if (cr || window.data[at] == '\n')
            return broken(ret, "the PROXY line does not end in CR LF");
    }
    if (window.length == V1_MAX)
        return broken(ret, "the PROXY line is longer than 107 bytes");
    return more(ret, bytes.length + 1);
}

/* --- version 2 ------------------------------------------------------------------------------- */

bool proxy_tlv_next(struct span tlvs, size_t *at, uint8_t *ret_type, struct span *ret_value)
{
    struct cursor c = {span_skip(tlvs, *at), false};
    uint8_t type = cursor_u8(&c);
    struct span value = cursor_vector16(&c);
    if (c.failed)
        return false;
    *at += 3 + value.length;
    *ret_type = type;
    *ret_value = value;
    return true;
}

static void keep_first(struct span *ret, struct span value)
{
    if (ret->data == NULL)
        *ret = value;
}

/* The checksum of the whole header, with its own four bytes taken as zeros. */
static bool crc_fits(struct span header, struct span field)
{
    static const unsigned char zeros[CRC_LENGTH];
    if (field.length != CRC_LENGTH)
        return false;
    size_t at = (size_t)(field.data - header.data);
    uint32_t crc = crc32c_add(CRC32C_START, span_first(header, at));
    crc = crc32c_add(crc, span_of(zeros, sizeof zeros));
    crc = crc32c_add(crc, span_skip(header, at + CRC_LENGTH));
    return ~crc == span_u32(field, 0);
}

static enum verdict tlv_keep(struct proxy_header *ret, struct span header, uint8_t type,
                             struct span value)
{
    switch (type) {
    case PROXY_TLV_ALPN:
        keep_first(&ret->alpn, value);
        break;
    case PROXY_TLV_AUTHORITY:
        keep_first(&ret->authority, value);
        break;
    case PROXY_TLV_UNIQUE_ID:
        keep_first(&ret->unique_id, value);
        break;
    case PROXY_TLV_SSL:
        if (value.length < SSL_LENGTH_MIN)
            return broken(ret, "the SSL part of the PROXY header is too short");
        keep_first(&ret->ssl, value);
        break;
    case PROXY_TLV_CRC32C:
        if (!crc_fits(header, value))
            return broken(ret, "the checksum of the PROXY header is wrong");
        break;
    default:
        break;
    }
    return VERDICT_YES;
}

static bool tlvs_whole(struct span tlvs)
{
    size_t at = 0;
    uint8_t type;
    struct span value;
    while (proxy_tlv_next(tlvs, &at, &type, &value))
        continue;
    return at == tlvs.length;
}

static enum verdict tlvs_read(struct proxy_header *ret, struct span header, struct span tlvs)
{
    size_t at = 0;
    uint8_t type;
    struct span value;
    enum verdict verdict = VERDICT_YES;
    ret->tlvs = tlvs;
    while (verdict == VERDICT_YES && proxy_tlv_next(tlvs, &at, &type, &value))
        verdict = tlv_keep(ret, header, type, value);
    return verdict;
}

static void inet_read(struct address *ret, const unsigned char *ip, const unsigned char *port)
{
    ret->length = sizeof ret->v4;
    ret->v4.sin_family = AF_INET;
    memcpy(&ret->v4.sin_addr, ip, 4);
    memcpy(&ret->v4.sin_port, port, 2);
}

static void inet6_read(struct address *ret, const unsigned char *ip, const unsigned char *port)
{
    ret->length = sizeof ret->v6;
    ret->v6.sin6_family = AF_INET6;
    memcpy(&ret->v6.sin6_addr, ip, 16);
    memcpy(&ret->v6.sin6_port, port, 2);
    address_normalise(ret);
}

/* How long the addresses of a family are, by its number. */
static const size_t address_lengths[] = {
    [V2_UNSPEC] = 0, [V2_INET] = 12, [V2_INET6] = 36, [V2_UNIX] = 2 * UNIX_PATH_LENGTH};

static void addresses_read(struct proxy_header *ret, unsigned family, const unsigned char *block)
{
    if (family == V2_INET) {
        inet_read(&ret->source, block, block + 8);
        inet_read(&ret->destination, block + 4, block + 10);
        ret->has_addresses = true;
    } else if (family == V2_INET6) {
        inet6_read(&ret->source, block, block + 32);
        inet6_read(&ret->destination, block + 16, block + 34);
        ret->has_addresses = true;
    }
}

/* A whole header. UNIX addresses fall back to the real ones, as the protocol allows: no rule,
 * limit or list could use them. */
static enum verdict v2_whole(struct proxy_header *ret, struct span header)
{
    unsigned family = header.data[13] >> 4, transport = header.data[13] & 0xf;
    struct span block = span_skip(header, V2_HEADER);
    if (header.data[12] == V2_LOCAL) /* its block is to be discarded, the family included */
        return VERDICT_YES;
    if (family >= COUNT_OF(address_lengths) || transport > V2_DGRAM)
        return broken(ret, "the PROXY header has an unknown family or transport");
    if (block.length < address_lengths[family])
        return broken(ret, "the PROXY header is too short for its addresses");
    struct span tlvs = span_skip(block, address_lengths[family]);
    if (transport != V2_UNSPEC)
        addresses_read(ret, family, block.data);
    if (!tlvs_whole(tlvs)) {
        /* Behind UNSPEC there may be addresses of a kind nobody told us. */
        if (family == V2_UNSPEC)
            return VERDICT_YES;
        return broken(ret, "a part of the PROXY header overruns it");
    }
    return tlvs_read(ret, header, tlvs);
}

static enum verdict v2_parse(struct proxy_header *ret, struct span bytes)
{
    ret->version = 2;
    if (bytes.length < V2_HEADER)
        return more(ret, V2_HEADER);
    if (bytes.data[12] != V2_LOCAL && bytes.data[12] != V2_PROXY)
        return broken(ret, "the PROXY header has an unknown version or command");
    size_t length = V2_HEADER + span_u16(bytes, 14);
    if (length > PROXY_HEADER_MAX)
        return broken(ret, "the PROXY header is longer than 4112 bytes");
    if (bytes.length < length)
        return more(ret, length);
    ret->length = length;
    return v2_whole(ret, span_first(bytes, length));
}

/* --- both ------------------------------------------------------------------------------------ */

static const struct span v1_signature = PROBE_LITERAL(V1_SIGNATURE);
static const struct span v2_signature = PROBE_LITERAL(V2_SIGNATURE);

enum verdict proxy_header_probe(struct span bytes)
{
    const struct span signatures[] = {v1_signature, v2_signature};
    return probe_literals(bytes, signatures, COUNT_OF(signatures));
}

enum verdict proxy_header_parse(struct proxy_header *ret, struct span bytes)
{
    memset(ret, 0, sizeof *ret);
    switch (proxy_header_probe(bytes)) {
    case VERDICT_YES:
        return bytes.data[0] == v1_signature.data[0] ? v1_parse(ret, bytes) : v2_parse(ret, bytes);
    case VERDICT_MORE:
        return more(ret, bytes.length + 1);
    default:
        return VERDICT_NO;
    }
}
