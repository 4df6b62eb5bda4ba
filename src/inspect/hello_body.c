/* From the body of the ClientHello message to facts (RFC 8446 §4.1.2 and §4.2). */
#include "hello.h"

#include "base/compiler.h"
#include "cursor.h"

#define RANDOM_LENGTH   32u
#define SESSION_ID_MAX  32u
#define TLS_1_2         0x0303
#define NAME_TYPE_HOST  0
#define EXTENSION_PSK   41
#define EXTENSION_TYPES 65536u

static bool decode_error(struct client_hello *ret, const char *reason)
{
    return hello_refuse(ret, TLS_ALERT_DECODE_ERROR, reason);
}

bool tls_value_is_grease(uint16_t value)
{
    return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

/* --- extensions ------------------------------------------------------------------------------ */

/* A list of 16-bit values that fills the extension; never empty. */
static bool read_list(struct span *ret, struct span list, const struct cursor *c)
{
    *ret = list;
    return cursor_done(c) && list.length > 0 && list.length % 2 == 0;
}

static bool read_groups(struct client_hello *ret, struct span data)
{
    struct cursor c = {data, false};
    struct span list = cursor_vector16(&c);
    return read_list(&ret->groups, list, &c) || decode_error(ret, "supported_groups is malformed");
}

static bool read_signatures(struct client_hello *ret, struct span data)
{
    struct cursor c = {data, false};
    struct span list = cursor_vector16(&c);
    return read_list(&ret->signatures, list, &c) ||
           decode_error(ret, "signature_algorithms is malformed");
}

static bool read_versions(struct client_hello *ret, struct span data)
{
    struct cursor c = {data, false};
    struct span list = cursor_vector8(&c);
    return read_list(&ret->versions, list, &c) ||
           decode_error(ret, "supported_versions is malformed");
}

static bool read_alpn(struct client_hello *ret, struct span data)
{
    struct cursor c = {data, false};
    struct span list = cursor_vector16(&c);
    if (!cursor_done(&c) || list.length == 0)
        return decode_error(ret, "the list of application protocols is malformed");
    struct cursor names = {list, false};
    while (names.rest.length > 0)
        if (cursor_vector8(&names).length == 0)
            return decode_error(ret, "an application protocol is empty or overruns its list");
    ret->alpn = list;
    return true;
}

/* The first host_name counts; what else is in the list only has to fit. */
static bool read_server_name(struct client_hello *ret, struct span data)
{
    struct cursor c = {data, false};
    struct span list = cursor_vector16(&c);
    if (!cursor_done(&c) || list.length == 0)
        return decode_error(ret, "the list of server names is malformed");
    struct cursor names = {list, false};
    while (names.rest.length > 0) {
        uint8_t type = cursor_u8(&names);
        struct span name = cursor_vector16(&names);
        if (name.length == 0)
            return decode_error(ret, "a server name is empty or overruns its list");
        if (type != NAME_TYPE_HOST || ret->has_sni)
            continue;
        if (memchr(name.data, 0, name.length) != NULL)
            return hello_refuse(ret, TLS_ALERT_UNRECOGNIZED_NAME, "a NUL in the server name");
        ret->has_sni = true;
        ret->sni_raw = name;
        ret->sni_is_name = name_normalise(ret->sni, name);
        if (!ret->sni_is_name)
            ret->sni[0] = '\0';
    }
    return true;
}

static bool read_ech(struct client_hello *ret, struct span data)
{
    (void)data;
    ret->has_ech = true;
    return true;
}

static const struct reader {
    uint16_t type;
    bool (*read)(struct client_hello *ret, struct span data);
} readers[] = {
    {0, read_server_name}, {10, read_groups},   {13, read_signatures},
    {16, read_alpn},       {43, read_versions}, {0xfe0d, read_ech},
};

static bool read_extension(struct client_hello *ret, uint16_t type, struct span data)
{
    for (size_t i = 0; i < COUNT_OF(readers); i++)
        if (readers[i].type == type)
            return readers[i].read(ret, data);
    return true;
}

static bool read_extensions(struct client_hello *ret)
{
    uint64_t seen[EXTENSION_TYPES / 64] = {0};
    struct cursor c = {ret->extensions, false};
    while (c.rest.length > 0) {
        uint16_t type = cursor_u16(&c);
        struct span data = cursor_vector16(&c);
        if (c.failed)
            return decode_error(ret, "an extension overruns its block");
        uint64_t bit = UINT64_C(1) << type % 64;
        if ((seen[type / 64] & bit) != 0)
            return hello_refuse(ret, TLS_ALERT_ILLEGAL_PARAMETER, "an extension comes twice");
        seen[type / 64] |= bit;
        if (type == EXTENSION_PSK && c.rest.length > 0)
            return hello_refuse(ret, TLS_ALERT_ILLEGAL_PARAMETER, "pre_shared_key is not the last");
        if (!read_extension(ret, type, data))
            return false;
    }
    return true;
}

/* --- the message ----------------------------------------------------------------------------- */

/* RFC 8446 §4.2.1 and D.2: without the extension, what is above TLS 1.2 means TLS 1.2. */
static uint16_t highest_version(const struct client_hello *hello)
{
    if (hello->versions.length == 0)
        return hello->legacy_version < TLS_1_2 ? hello->legacy_version : TLS_1_2;
    uint16_t highest = 0;
    for (size_t at = 0; at < hello->versions.length; at += 2) {
        uint16_t version = span_u16(hello->versions, at);
        if (version >> 8 == 3 && version > highest)
            highest = version;
    }
    return highest;
}

static bool read_ciphers(struct client_hello *ret, struct span ciphers, struct span compressions)
{
    if (ciphers.length == 0)
        return hello_refuse(ret, TLS_ALERT_ILLEGAL_PARAMETER, "no cipher suite is offered");
    if (ciphers.length % 2 != 0)
        return decode_error(ret, "the list of cipher suites is malformed");
    if (compressions.length == 0 || memchr(compressions.data, 0, compressions.length) == NULL)
        return decode_error(ret, "the null compression method is missing");
    ret->ciphers = ciphers;
    return true;
}

bool hello_read_body(struct client_hello *ret, struct span body)
{
    struct cursor c = {body, false};
    ret->legacy_version = cursor_u16(&c);
    (void)cursor_take(&c, RANDOM_LENGTH);
    struct span session_id = cursor_vector8(&c);
    struct span ciphers = cursor_vector16(&c);
    struct span compressions = cursor_vector8(&c);
    if (!c.failed && c.rest.length > 0) /* SSL 3.0 to TLS 1.2 may end here */
        ret->extensions = cursor_vector16(&c);
    if (!cursor_done(&c))
        return decode_error(ret, "the lengths in the ClientHello do not add up");
    if (session_id.length > SESSION_ID_MAX)
        return decode_error(ret, "the session id is longer than 32 bytes");
    if (!read_ciphers(ret, ciphers, compressions) || !read_extensions(ret))
        return false;
    ret->max_version = highest_version(ret);
    return true;
}

/* --- walking --------------------------------------------------------------------------------- */

bool client_hello_next_alpn(const struct client_hello *hello, size_t *at, struct span *ret_name)
{
    struct cursor c = {span_skip(hello->alpn, *at), false};
    struct span name = cursor_vector8(&c);
    if (c.failed)
        return false;
    *at += 1 + name.length;
    *ret_name = name;
    return true;
}

bool client_hello_next_extension(const struct client_hello *hello, size_t *at, uint16_t *ret_type,
                                 struct span *ret_data)
{
    struct cursor c = {span_skip(hello->extensions, *at), false};
    uint16_t type = cursor_u16(&c);
    struct span data = cursor_vector16(&c);
    if (c.failed)
        return false;
    *at += 4 + data.length;
    *ret_type = type;
    *ret_data = data;
    return true;
}
