/* cidr: networks, and sets of them.
 *
 * A set is built once and then only read, from any thread. Lookup is logarithmic in the number of
 * networks. IPv4 networks match IPv4 addresses only (addresses are normalised beforehand). */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include "base/address.h"

struct cidr {
    uint8_t family_bits; /* 32 or 128 */
    uint8_t prefix_bits;
    uint8_t network[16]; /* big-endian; IPv4 in the first four */
};

/* "10.0.0.0/8", "::1/128", or an address alone (all bits). Bits behind the prefix must be zero:
 * "10.0.0.1/8" is refused with the network that was probably meant. */
bool cidr_parse(struct cidr *ret, struct span text, struct error *error) MUST_CHECK;

/* The network of so many bits that an address lies in; false for what is no IP, or too many bits.
 */
bool cidr_of(struct cidr *ret, const struct address *a, unsigned prefix_bits) MUST_CHECK;
bool cidr_contains(const struct cidr *network, const struct address *a);

struct cidr_set;
/* Copies the networks. An empty set contains nothing. */
bool cidr_set_create(struct cidr_set **ret, const struct cidr *networks, size_t count) MUST_CHECK;
bool cidr_set_contains(const struct cidr_set *set, const struct address *a); /* NULL: nothing */
/* Every address of the network; also where only several networks of the set together have them. */
bool cidr_set_covers(const struct cidr_set *set, const struct cidr *network);
void cidr_set_free(struct cidr_set *set); /* accepts NULL */

#endif
