/* sources: how many per client address, over the whole process.
 *
 * A source is an IPv4 address or the /64 of an IPv6 one. An entry exists only while it counts, so
 * the table holds no more of them than there are sessions, whoever connects from wherever. Sharded,
 * a short lock per call; the way to an entry is keyed, as clients choose their addresses. */
#ifndef SESSION_SOURCES_H
#define SESSION_SOURCES_H

#include "base/address.h"
#include "base/siphash.h"

struct sources;

struct source_key {
    uint8_t family; /* AF_UNSPEC: has no address, as a client of a UNIX socket */
    uint64_t bits;  /* the IPv4 address, or the first half of the IPv6 one */
};

struct source_key source_key_of(const struct ip_address *source);
uint64_t source_hash(const struct source_key *key, struct siphash_key seed);
void source_seed(struct siphash_key *seed);

bool sources_create(struct sources **ret) MUST_CHECK;
void sources_free(struct sources *sources); /* accepts NULL */

/* Takes one for the source unless it has `most` already, or memory is out. */
bool sources_take(struct sources *sources, const struct ip_address *source,
                  uint64_t most) MUST_CHECK;
void sources_give(struct sources *sources, const struct ip_address *source);
size_t sources_count(struct sources *sources); /* entries now */

#endif
