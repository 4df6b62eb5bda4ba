/* From records to one handshake message (RFC 8446 §5.1, RFC 5246 §6.2.1). What is in the message is
 * hello_body.c's job. */
#include "inspect/client_hello.h"

#include "hello.h"
#include "inspect/tls_record.h"

#define RECORD_HEADER     5u
#define FRAGMENT_MAX      16384u
#define CONTENT_HANDSHAKE 22
#define HANDSHAKE_HEADER  4u
#define TLS_1_3           0x0304

struct gather {
    struct client_hello *ret;
    struct span records;
    unsigned char *scratch;
    size_t have; /* handshake bytes seen */
    size_t want; /* bytes of the message; of its header until that was read */
    bool length_known;
    struct span message; /* once have == want */
};

bool hello_refuse(struct client_hello *ret, uint8_t alert, const char *reason)
{
    ret->alert = alert;
    ret->reason = reason;
    return false;
}

/* Checks the header of the record at `at`, which is there. */
static bool record_check(struct client_hello *ret, struct span header, size_t *ret_length)
{
    *ret_length = span_u16(header, 3);
    if (header.data[0] != CONTENT_HANDSHAKE)
        return hello_refuse(ret, TLS_ALERT_UNEXPECTED_MESSAGE,
                            "a record of another type in the middle of the ClientHello");
    if (header.data[1] != 3)
        return hello_refuse(ret, TLS_ALERT_PROTOCOL_VERSION, "a record of an unknown version");
    if (*ret_length == 0)
        return hello_refuse(ret, TLS_ALERT_UNEXPECTED_MESSAGE, "an empty handshake record");
    if (*ret_length > FRAGMENT_MAX)
        return hello_refuse(ret, TLS_ALERT_RECORD_OVERFLOW, "a record of more than 16384 bytes");
    return true;
}

static bool length_learn(struct gather *g, struct span header)
{
    g->length_known = true;
    g->want = HANDSHAKE_HEADER + span_u24(header, 1);
    if (g->want > CLIENT_HELLO_MAX)
        return hello_refuse(g->ret, TLS_ALERT_ILLEGAL_PARAMETER,
                            "a ClientHello of more than 65536 bytes");
    return true;
}

/* Copies of the fragment what belongs to the message. */
static bool fragment_copy(struct gather *g, struct span fragment)
{
    while (fragment.length > 0 && g->have < g->want) {
        struct span part = span_first(fragment, g->want - g->have);
        memcpy(g->scratch + g->have, part.data, part.length);
        g->have += part.length;
        fragment = span_skip(fragment, part.length);
        if (g->have == HANDSHAKE_HEADER && !g->length_known &&
            !length_learn(g, span_of(g->scratch, HANDSHAKE_HEADER)))
            return false;
    }
    g->message = span_of(g->scratch, g->have);
    return true;
}

/* The usual case, a first record that holds all of the message: nothing is copied. */
static bool fragment_whole(struct gather *g, struct span fragment, size_t length)
{
    if (length < HANDSHAKE_HEADER || fragment.length < HANDSHAKE_HEADER)
        return false;
    size_t want = HANDSHAKE_HEADER + span_u24(fragment, 1);
    if (want > length || want > fragment.length)
        return false;
    g->length_known = true;
    g->have = g->want = want;
    g->message = span_first(fragment, want);
    return true;
}

/* RFC 8446 §5.1: a hello that may be followed by a change of keys ends with its record. */
static enum verdict gather_end(struct gather *g, bool aligned)
{
    if (!hello_read_body(g->ret, span_skip(g->message, HANDSHAKE_HEADER)))
        return VERDICT_BROKEN;
    if (!aligned && g->ret->max_version >= TLS_1_3) {
        (void)hello_refuse(g->ret, TLS_ALERT_UNEXPECTED_MESSAGE,
                           "the ClientHello does not end with its record");
        return VERDICT_BROKEN;
    }
    return VERDICT_YES;
}

static enum verdict gather_run(struct gather *g)
{
    size_t at = 0;
    for (;;) {
        struct span rest = span_skip(g->records, at);
        g->ret->need = at + RECORD_HEADER;
        if (rest.length < RECORD_HEADER)
            return VERDICT_MORE;
        size_t length;
        if (!record_check(g->ret, rest, &length))
            return VERDICT_BROKEN;
        struct span fragment = span_first(span_skip(rest, RECORD_HEADER), length);
        size_t before = g->have;
        at += RECORD_HEADER;
        if ((before > 0 || !fragment_whole(g, fragment, length)) && !fragment_copy(g, fragment))
            return VERDICT_BROKEN;
        if (g->length_known && g->have == g->want)
            return gather_end(g, before + length == g->want);
        if (fragment.length < length) {
            bool ends_here = g->want - before <= length;
            g->ret->need = ends_here ? at + g->want - before : at + length + RECORD_HEADER;
            return VERDICT_MORE;
        }
        at += length;
    }
}

enum verdict client_hello_parse(struct client_hello *ret, struct span records,
                                unsigned char *scratch)
{
    memset(ret, 0, sizeof *ret);
    enum verdict verdict = tls_record_probe(records);
    if (verdict != VERDICT_YES) {
        ret->need = records.length + 1;
        return verdict;
    }
    struct gather g = {
        .ret = ret, .records = records, .scratch = scratch, .want = HANDSHAKE_HEADER};
    return gather_run(&g);
}
