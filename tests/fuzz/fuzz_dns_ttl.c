/* How long a DNS message's answers hold: a message cut short tells nothing else than the whole. */
#include "fuzz.h"

#include "../../src/pool/dns_ttl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t whole, part;
    bool told = dns_least_ttl(span_of(data, size), &whole);
    PROMISE(!told || whole <= INT32_MAX);
    for (size_t length = 0; length < size; length++) {
        if (!dns_least_ttl(span_of(data, length), &part))
            continue;
        PROMISE(told && part == whole); /* what follows the answers is not asked */
    }
    return 0;
}
