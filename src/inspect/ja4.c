/* JA4 (FoxIO, "JA4: TLS Client Fingerprinting", technical details), three parts:
 *
 * First t, the version, d with a server name or i, the numbers of ciphers and of extensions (at
 * most 99 each), and the first application protocol's first and last character, or 00.
 *
 * Then the ciphers as four hex digits each, sorted, with commas: the first 12 digits of their
 * SHA-256.
 *
 * Last likewise the extensions but server_name and ALPN, then "_" and the signature algorithms in
 * the order they came. GREASE is left out everywhere; an empty list hashes to twelve zeros. */
#include "inspect/client_hello.h"

#include <stdio.h>
#include <stdlib.h>

/* A list of 16-bit values fills at most 65535 bytes, "xxxx," takes 5 characters of each. What is
 * beyond the bound is left out of the hash: no client offers a tenth of it. */
#define VALUES_MAX 512u
#define TEXT_MAX   (2u * VALUES_MAX * 5u)

#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN        16

struct values {
    uint16_t value[VALUES_MAX];
    size_t count; /* kept */
    size_t seen;  /* without GREASE, for the two digits */
};

static void values_add(struct values *v, uint16_t value, bool hashed)
{
    if (tls_value_is_grease(value))
        return;
    v->seen++;
    if (hashed && v->count < VALUES_MAX)
        v->value[v->count++] = value;
}

static void values_add_list(struct values *v, struct span list)
{
    for (size_t at = 0; at + 1 < list.length; at += 2)
        values_add(v, span_u16(list, at), true);
}

static int compare(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void values_sort(struct values *v)
{
    qsort(v->value, v->count, sizeof v->value[0], compare);
}

static const char digits[] = "0123456789abcdef";

static size_t values_write(const struct values *v, char *text)
{
    char *end = text;
    for (size_t i = 0; i < v->count; i++) {
        if (i > 0)
            *end++ = ',';
        for (unsigned shift = 16; shift > 0; shift -= 4)
            *end++ = digits[v->value[i] >> (shift - 4) & 0xf];
    }
    return (size_t)(end - text);
}

static void hash(const char *text, size_t length, sha256_function *sha256, char ret[13])
{
    unsigned char digest[32] = {0};
    if (length > 0)
        sha256(text, length, digest);
    for (size_t i = 0; i < 6; i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 0xf];
    }
    ret[12] = '\0';
}

static const char *version_text(const struct client_hello *hello)
{
    uint16_t version = hello->versions.length == 0 ? hello->legacy_version : 0;
    for (size_t at = 0; at < hello->versions.length; at += 2) {
        uint16_t offered = span_u16(hello->versions, at);
        if (offered > version && !tls_value_is_grease(offered))
            version = offered;
    }
    switch (version) {
    case 0x0304:
        return "13";
    case 0x0303:
        return "12";
    case 0x0302:
        return "11";
    case 0x0301:
        return "10";
    case 0x0300:
        return "s3";
    default:
        return "00";
    }
}

static bool alphanumeric(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Where either end is not alphanumeric, both come from the hex form. */
static void alpn_text(const struct client_hello *hello, char ret[3])
{
    struct span name;
    size_t at = 0;
    memcpy(ret, "00", 3);
    if (!client_hello_next_alpn(hello, &at, &name) || name.length == 0)
        return;
    unsigned char first = name.data[0], last = name.data[name.length - 1];
    if (alphanumeric(first) && alphanumeric(last))
        snprintf(ret, 3, "%c%c", first, last);
    else
        snprintf(ret, 3, "%x%x", first >> 4, last & 0xfu);
}

/* Returns the number of extensions. */
static size_t extensions_hash(const struct client_hello *hello, sha256_function *sha256,
                              char ret[13])
{
    struct values extensions = {.count = 0}, signatures = {.count = 0};
    char text[TEXT_MAX];
    uint16_t type;
    struct span data;
    for (size_t at = 0; client_hello_next_extension(hello, &at, &type, &data);)
        values_add(&extensions, type, type != EXTENSION_SERVER_NAME && type != EXTENSION_ALPN);
    values_sort(&extensions);
    values_add_list(&signatures, hello->signatures);
    size_t length = values_write(&extensions, text);
    if (length > 0 && signatures.count > 0) {
        text[length++] = '_';
        length += values_write(&signatures, text + length);
    }
    hash(text, length, sha256, ret);
    return extensions.seen;
}

static size_t ciphers_hash(const struct client_hello *hello, sha256_function *sha256, char ret[13])
{
    struct values ciphers = {.count = 0};
    char text[TEXT_MAX];
    values_add_list(&ciphers, hello->ciphers);
    values_sort(&ciphers);
    hash(text, values_write(&ciphers, text), sha256, ret);
    return ciphers.seen;
}

static unsigned two_digits(size_t count)
{
    return count < 99 ? (unsigned)count : 99;
}

void client_hello_ja4(const struct client_hello *hello, sha256_function *sha256,
                      char ret[JA4_TEXT_MAX])
{
    char alpn[3], b[13], c[13];
    unsigned ciphers = two_digits(ciphers_hash(hello, sha256, b));
    unsigned extensions = two_digits(extensions_hash(hello, sha256, c));
    alpn_text(hello, alpn);
    snprintf(ret, JA4_TEXT_MAX, "t%s%c%02u%02u%s_%s_%s", version_text(hello),
             hello->has_sni ? 'd' : 'i', ciphers, extensions, alpn, b, c);
}
