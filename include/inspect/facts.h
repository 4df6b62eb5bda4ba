/* facts: everything the first bytes of a connection say, in one place.
 *
 * facts_read() is pure: the same bytes give the same facts, whatever the chunking before. The
 * structure is large and lives in the worker's scratch memory, not in the session; spans point
 * into the bytes given (or into the scratch). */
#ifndef INSPECT_FACTS_H
#define INSPECT_FACTS_H

#include "base/address.h"
#include "inspect/client_cert.h"
#include "inspect/client_hello.h"
#include "inspect/fix.h"
#include "inspect/protocol.h"
#include "inspect/starttls.h"

struct recalled;

struct facts {
    struct span bytes;
    bool final;  /* nothing more will be looked at: FIN, max_bytes, or the delay is over */
    bool silent; /* final, and not one byte */

    enum verdict tls;   /* NO: plain. YES: TLS. MORE: fewer than six fitting bytes */
    enum verdict hello; /* with tls YES: YES, MORE, BROKEN */
    struct client_hello client_hello;

    enum verdict protocol[PROTOCOL_COUNT]; /* of plain bytes: YES, NO, MORE */
    struct fix_logon fix;                  /* read only where the fix probe did not say no */

    /* The bytes are gone: what is above is what was noted of them (route/recall.h); NULL: they are
     * there. */
    struct recalled *recalled;

    /* Facts that do not come from the bytes; set by the caller. */
    const struct address *source;
    uint64_t now;           /* seconds since 1970, for rules that hold for a time */
    enum starttls starttls; /* what has come before, and was answered: only a hello may follow */
    bool terminated;  /* nested rules: the bytes are decrypted, the names are the handshake's */
    const char *sni;  /* terminated: normal form, NULL for none */
    struct span alpn; /* terminated: the negotiated protocol, empty for none */
    const struct client_cert *client_cert; /* terminated: the client's, verified; NULL for none */
    const char *ja4; /* of the hello, also once terminated; NULL where it is not known */
};

/* Fills all but the last group. `look_for_tls` is false for decrypted bytes, which stay plain
 * whatever they look like. `scratch` as for client_hello_parse(). */
void facts_read(struct facts *ret, struct span bytes, bool final, bool look_for_tls,
                unsigned char *scratch);

/* The first protocol, in the order of the table, that the plain bytes are; PROTOCOL_UNKNOWN. */
enum protocol facts_protocol(const struct facts *facts);

/* The least number of bytes with which anything in the facts can change (for SO_RCVLOWAT); always
 * more than bytes.length. It may be more than will ever come (a FIX data field of a length that the
 * client made up): the caller's own bound goes first. Rules that look at the
 * raw bytes (prefix, regex) may need fewer: rules_need() knows. */
size_t facts_need(const struct facts *facts);

#endif
