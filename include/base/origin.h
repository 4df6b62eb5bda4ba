/* origin: where an outgoing connection comes from. */
#ifndef BASE_ORIGIN_H
#define BASE_ORIGIN_H

#include "base/address.h"

struct origin {
    struct address address; /* an IP without a port; length 0: the kernel chooses */
    uint16_t low, high;     /* the ports to use, both included; 0: any free one */
    bool transparent;       /* the address may be another host's (IP_TRANSPARENT) */
};

/* "1.2.3.4", "1.2.3.4:LOW-HIGH", "::1", "[::1]:LOW-HIGH". */
bool origin_parse(struct origin *ret, struct span text, struct error *error) MUST_CHECK;

/* As origin_parse() takes it. */
#define ORIGIN_TEXT_MAX (ADDRESS_TEXT_MAX + 16)
void origin_format(const struct origin *origin, char text[ORIGIN_TEXT_MAX]);

#endif
