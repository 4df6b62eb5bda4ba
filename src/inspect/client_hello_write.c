#include "inspect/client_hello_write.h"

#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN        16

/* Fixed parts, as they go over the wire (RFC 8446 §4.1.2, appendix B.3 for the numbers). */
static const unsigned char beginning[] = {
    /* legacy_version, random, a session id as for the middlebox compatibility mode */
    0x03, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0,
    /* cipher_suites: three of TLS 1.3, six with ECDHE of TLS 1.2 */
    0, 18, 0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc,
    0xa9, 0xcc, 0xa8,
    /* no compression */
    1, 0};

static const unsigned char extensions[] = {
    /* supported_groups: x25519, secp256r1, secp384r1 */
    0, 10, 0, 8, 0, 6, 0, 0x1d, 0, 0x17, 0, 0x18,
    /* signature_algorithms: ECDSA, RSA-PSS and RSA with SHA-256 to SHA-512, Ed25519 */
    0, 13, 0, 22, 0, 20, 4, 3, 5, 3, 6, 3, 8, 4, 8, 5, 8, 6, 4, 1, 5, 1, 6, 1, 8, 7,
    /* supported_versions: TLS 1.3, TLS 1.2 */
    0, 43, 0, 5, 4, 3, 4, 3, 3,
    /* psk_key_exchange_modes: psk_dhe_ke */
    0, 45, 0, 2, 1, 1,
    /* key_share: x25519, a point that is one (RFC 7748 §4.1) */
    0, 51, 0, 38, 0, 36, 0, 0x1d, 0, 32, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

struct writer {
    unsigned char *room;
    size_t length;
    bool full;
};

static void put(struct writer *w, struct span bytes)
{
    w->full = w->full || bytes.length > CLIENT_HELLO_RECORD_MAX - w->length;
    if (w->full || bytes.length == 0)
        return;
    memcpy(w->room + w->length, bytes.data, bytes.length);
    w->length += bytes.length;
}

static void put_number(struct writer *w, size_t value, unsigned width)
{
    while (width-- > 0) {
        unsigned char byte = (unsigned char)(value >> (8 * width) & 0xff);
        put(w, span_of(&byte, 1));
    }
}

/* Room for a length, to be filled in by end_vector() once what it counts is there. */
static size_t begin_vector(struct writer *w, unsigned width)
{
    put_number(w, 0, width);
    return w->length;
}

static void end_vector(struct writer *w, size_t start, unsigned width)
{
    struct writer length = {w->room, start - width, w->full};
    if (!w->full)
        put_number(&length, w->length - start, width);
}

static void put_server_name(struct writer *w, struct span name)
{
    put_number(w, EXTENSION_SERVER_NAME, 2);
    size_t extension = begin_vector(w, 2), list = begin_vector(w, 2);
    put_number(w, 0, 1); /* host_name */
    size_t start = begin_vector(w, 2);
    put(w, name);
    end_vector(w, start, 2);
    end_vector(w, list, 2);
    end_vector(w, extension, 2);
}

static void put_alpn(struct writer *w, const struct client_hello_offer *offer)
{
    put_number(w, EXTENSION_ALPN, 2);
    size_t extension = begin_vector(w, 2), list = begin_vector(w, 2);
    for (size_t i = 0; i < offer->alpn_count; i++) {
        struct span name = span_text(offer->alpn[i]);
        w->full = w->full || name.length > 255;
        put_number(w, name.length, 1);
        put(w, name);
    }
    end_vector(w, list, 2);
    end_vector(w, extension, 2);
}

size_t client_hello_write(unsigned char *room, const struct client_hello_offer *offer)
{
    struct writer w = {.room = room};
    static const unsigned char header[] = {0x16, 0x03, 0x01};
    put(&w, span_of(header, sizeof header));
    size_t record = begin_vector(&w, 2);
    put_number(&w, 1, 1); /* client_hello */
    size_t message = begin_vector(&w, 3);
    put(&w, span_of(beginning, sizeof beginning));
    size_t all = begin_vector(&w, 2);
    if (offer->sni != NULL)
        put_server_name(&w, span_text(offer->sni));
    put(&w, span_of(extensions, sizeof extensions));
    if (offer->alpn_count > 0)
        put_alpn(&w, offer);
    end_vector(&w, all, 2);
    end_vector(&w, message, 3);
    end_vector(&w, record, 2);
    return w.full ? 0 : w.length;
}
