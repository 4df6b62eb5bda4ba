/* OpenVPN over TCP (openvpn.net, "OpenVPN Protocol"): a length of two bytes, then the client's hard
 * reset: opcode and key id 0, a session id of 8 bytes, then in one of three forms
 *   plain      no acknowledgements (00), message id 0
 *   tls-auth   an HMAC, packet id 1 and the time, then as in plain
 *   tls-crypt  packet id 1 and the time, an HMAC of 32 bytes, the plain form's 5 bytes encrypted,
 *              and with tls-crypt-v2 (opcode 10) the wrapped client key
 * Each form has its own length and zeros at known places, which is what makes the guess certain. */
#include "probes.h"

#include "base/compiler.h"

#define HARD_RESET_V2 0x38 /* opcode 7, key id 0 */
#define HARD_RESET_V3 0x50 /* opcode 10, key id 0 */

/* Offsets count from the length field. */
#define OPCODE_AT    2u
#define BODY_AT      11u /* behind opcode and session id */
#define PLAIN_END    5u  /* no acknowledgements, message id */
#define PACKET_ID    8u  /* with its time */
#define CRYPT_HMAC   32u
#define PLAIN_TOTAL  (BODY_AT + PLAIN_END)
#define CRYPT_TOTAL  (PLAIN_TOTAL + PACKET_ID + CRYPT_HMAC)
#define V3_TOTAL_MAX (CRYPT_TOTAL + 1024u + 256u) /* the wrapped key, and room */

/* First packet id: 1, or with the cookie exchange of 2.6 on 0x0f000001. */
static enum verdict packet_id_probe(struct span bytes)
{
    static const struct span first[] = {PROBE_LITERAL("\0\0\0\1"), PROBE_LITERAL("\17\0\0\1")};
    return probe_literals(bytes, first, COUNT_OF(first));
}

static enum verdict plain_end_probe(struct span bytes)
{
    static const struct span end = PROBE_LITERAL("\0\0\0\0\0");
    return probe_literal(bytes, end);
}

static enum verdict auth_probe(struct span bytes, size_t total)
{
    static const size_t hmacs[] = {16, 20, 28, 32, 48, 64};
    for (size_t i = 0; i < COUNT_OF(hmacs); i++) {
        if (total != PLAIN_TOTAL + PACKET_ID + hmacs[i])
            continue;
        enum verdict id = packet_id_probe(span_skip(bytes, BODY_AT + hmacs[i]));
        return id == VERDICT_YES ? plain_end_probe(span_skip(bytes, total - PLAIN_END)) : id;
    }
    return VERDICT_NO;
}

static enum verdict crypt_probe(struct span bytes, size_t total)
{
    bool v3 = bytes.data[OPCODE_AT] == HARD_RESET_V3;
    if (v3 ? total <= CRYPT_TOTAL || total > V3_TOTAL_MAX : total != CRYPT_TOTAL)
        return VERDICT_NO;
    return packet_id_probe(span_skip(bytes, BODY_AT));
}

static enum verdict body_probe(struct span bytes, size_t total)
{
    if (total == PLAIN_TOTAL)
        return plain_end_probe(span_skip(bytes, BODY_AT));
    enum verdict crypt = crypt_probe(bytes, total);
    if (crypt == VERDICT_YES || bytes.data[OPCODE_AT] == HARD_RESET_V3)
        return crypt;
    enum verdict auth = auth_probe(bytes, total);
    return auth == VERDICT_NO ? crypt : auth;
}

enum verdict probe_openvpn(struct span bytes)
{
    if (bytes.length > 0 && bytes.data[0] > (V3_TOTAL_MAX - OPCODE_AT) >> 8)
        return VERDICT_NO;
    if (bytes.length < OPCODE_AT)
        return VERDICT_MORE;
    size_t total = OPCODE_AT + span_u16(bytes, 0);
    if (total < PLAIN_TOTAL || total > V3_TOTAL_MAX)
        return VERDICT_NO;
    if (bytes.length == OPCODE_AT)
        return VERDICT_MORE;
    if (bytes.data[OPCODE_AT] != HARD_RESET_V2 && bytes.data[OPCODE_AT] != HARD_RESET_V3)
        return VERDICT_NO;
    return body_probe(bytes, total);
}
