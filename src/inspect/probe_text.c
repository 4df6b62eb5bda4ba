/* Protocols that begin with fixed bytes. */
#include "probes.h"

#include "base/compiler.h"

/* FIX session layer ("FIX Session Layer", §4.3, "Message format"): BeginString is the first field.
 * FIX.4.0 to FIX.4.4, FIX.5.0 as some engines write it, FIXT.1.1. */
enum verdict probe_fix(struct span bytes)
{
    static const struct span begins[] = {PROBE_LITERAL("8=FIX."), PROBE_LITERAL("8=FIXT.")};
    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        enum verdict verdict = probe_literal(bytes, begins[i]);
        if (verdict == VERDICT_MORE)
            return verdict;
        if (verdict == VERDICT_YES) {
            struct span version = span_skip(bytes, begins[i].length);
            if (version.length == 0)
                return VERDICT_MORE;
            return version.data[0] >= '0' && version.data[0] <= '9' ? VERDICT_YES : VERDICT_NO;
        }
    }
    return VERDICT_NO;
}

/* RFC 9113 §3.4: the 24 bytes every HTTP/2 client begins with. */
enum verdict probe_http2(struct span bytes)
{
    static const struct span preface = PROBE_LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    return probe_literal(bytes, preface);
}

/* RFC 4253 §4.2 and §5.1: "SSH-protoversion-softwareversion"; 1.99 stands for 2.0 with older
 * versions understood. Only a server may send other lines before it. */
enum verdict probe_ssh(struct span bytes)
{
    static const struct span versions[] = {PROBE_LITERAL("SSH-2.0-"), PROBE_LITERAL("SSH-1.99-")};
    return probe_literals(bytes, versions, COUNT_OF(versions));
}

/* The protocol header: AMQP 0-9-1 §2.2.4 / §4.2.2; AMQP 1.0 part 2, §2.2, and part 5, §5.2.1 and
 * §5.3.2 (id 2: TLS, id 3: SASL); the earlier ones are class 1, instance 1, major, minor. */
enum verdict probe_amqp(struct span bytes)
{
    static const struct span headers[] = {
        PROBE_LITERAL("AMQP\0\0\11\1"), /* 0-9-1 */
        PROBE_LITERAL("AMQP\0\1\0\0"),  /* 1.0 */
        PROBE_LITERAL("AMQP\3\1\0\0"),  /* 1.0, SASL first */
        PROBE_LITERAL("AMQP\2\1\0\0"),  /* 1.0, TLS first */
        PROBE_LITERAL("AMQP\1\1\0\12"), /* 0-10 */
        PROBE_LITERAL("AMQP\1\1\0\11"), /* 0-9 */
        PROBE_LITERAL("AMQP\1\1\11\1"), /* 0-9-1, as early clients write it */
        PROBE_LITERAL("AMQP\1\1\10\0"), /* 0-8 */
    };
    return probe_literals(bytes, headers, COUNT_OF(headers));
}
