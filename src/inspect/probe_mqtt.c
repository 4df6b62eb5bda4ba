/* MQTT: the first packet is CONNECT (3.1.1 §3.1, 5.0 §3.1): 0x10, the remaining length in one to
 * four bytes, then the protocol name with its length, "MQTT" or, in 3.1, "MQIsdp". The level behind
 * it is left to the server: bridges set its top bit. */
#include "probes.h"

#include "base/compiler.h"

#define CONNECT          0x10
#define LENGTH_BYTES_MAX 4u
#define CONTINUES        0x80
/* Protocol name, level, flags, keep-alive and an empty client id. */
#define CONNECT_LENGTH_MIN 12u

enum verdict probe_mqtt(struct span bytes)
{
    static const struct span names[] = {PROBE_LITERAL("\0\4MQTT"), PROBE_LITERAL("\0\6MQIsdp")};
    if (bytes.length == 0)
        return VERDICT_MORE;
    if (bytes.data[0] != CONNECT)
        return VERDICT_NO;
    uint32_t length = 0;
    for (size_t i = 1; i <= LENGTH_BYTES_MAX; i++) {
        if (i >= bytes.length)
            return VERDICT_MORE;
        length |= (uint32_t)(bytes.data[i] & 0x7f) << (7 * (i - 1));
        if ((bytes.data[i] & CONTINUES) == 0)
            return length < CONNECT_LENGTH_MIN
                       ? VERDICT_NO
                       : probe_literals(span_skip(bytes, i + 1), names, COUNT_OF(names));
    }
    return VERDICT_NO;
}
