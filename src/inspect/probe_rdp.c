/* RDP (MS-RDPBCGR §2.2.1.1, Client X.224 Connection Request PDU): a TPKT header (RFC 1006 §6), an
 * X.224 connection request of class 0, then nothing, a routing token or cookie, or RDP_NEG_REQ.
 * What follows the request tells it from other users of TPKT (S7, MMS: X.224 parameters). */
#include "probes.h"

#include "base/compiler.h"

#define REQUEST_LENGTH     11u
#define LENGTH_MAX         (5u + 254u) /* X.224 §13.2.1: a length indicator is at most 254 */
#define NEGOTIATION        0x01
#define NEGOTIATION_LENGTH 8u

static bool fits(struct span bytes, size_t at)
{
    unsigned char byte = bytes.data[at];
    switch (at) {
    case 0: /* TPKT version */
        return byte == 3;
    case 1:
        return byte == 0;
    case 2:
        return byte <= LENGTH_MAX >> 8;
    case 3:
        return span_u16(bytes, 2) >= REQUEST_LENGTH && span_u16(bytes, 2) <= LENGTH_MAX;
    case 4: /* X.224 length indicator: what is left without itself */
        return byte == span_u16(bytes, 2) - 5u;
    case 5: /* connection request, no credit */
        return byte == 0xe0;
    case 6: /* destination reference */
    case 7:
    case 10: /* class 0, no options */
        return byte == 0;
    default: /* source reference */
        return true;
    }
}

static enum verdict payload_probe(struct span payload, size_t length)
{
    static const struct span tokens[] = {PROBE_LITERAL("Cookie: msts"), PROBE_LITERAL("tsv://")};
    if (length == 0)
        return VERDICT_YES;
    if (payload.length == 0)
        return VERDICT_MORE;
    if (payload.data[0] == NEGOTIATION)
        return length == NEGOTIATION_LENGTH ? VERDICT_YES : VERDICT_NO;
    return probe_literals(payload, tokens, COUNT_OF(tokens));
}

enum verdict probe_rdp(struct span bytes)
{
    for (size_t at = 0; at < REQUEST_LENGTH; at++) {
        if (at >= bytes.length)
            return VERDICT_MORE;
        if (!fits(bytes, at))
            return VERDICT_NO;
    }
    return payload_probe(span_skip(bytes, REQUEST_LENGTH), span_u16(bytes, 2) - REQUEST_LENGTH);
}
