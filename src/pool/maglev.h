/* maglev: keys to servers, the same on every machine that knows the same names and weights.
 *
 * A table of a prime number of slots (Eisenbud et al., "Maglev", NSDI 2016, §3.4): every server has
 * a permutation of the slots, made from its name; in turns each takes the first slot of its
 * permutation that is still free, turns being given by weight. When a server is added or goes, few
 * slots but its own change hands.
 *
 * What a gateway computes is fixed, so that all agree: servers stand in the order of their names
 * (bytewise); a name's permutation begins at H1 mod M and steps by 1 + H2 mod (M - 1), H1 and H2
 * being SipHash-2-4 of the name under the keys (1, 0) and (2, 0); in turn t a server of weight w
 * takes a slot unless t × w is less than the heaviest weight times the slots it has. A key K asks
 * the slots mix(H3 + n × step) mod M for n = 0, 1, …, H3 being SipHash-2-4 of K under (3, 0), mix
 * and step those of SplitMix64. M is 65537, from 656 servers on 524287.
 *
 * Who is down, full or drained stays in the table. A key whose server cannot take it asks its next
 * slot: so only the keys of a server that is gone move, each to where it would move again, and all
 * come back with the server. */
#ifndef POOL_MAGLEV_H
#define POOL_MAGLEV_H

#include "view.h"

struct maglev;

/* Of the view's backups or of its other servers. *ret is NULL when none has a weight. */
bool maglev_create(struct maglev **ret, const struct view *view, bool backup) MUST_CHECK;
void maglev_free(struct maglev *maglev); /* accepts NULL */

/* Among the members of that tier marked as candidates, of which there is one at least. */
struct member *maglev_find(const struct maglev *maglev, const struct view *view, struct span key);

/* For tests: how many slots there are, and whose each is (its place in the view). */
uint32_t maglev_size(const struct maglev *maglev);
uint32_t maglev_slot(const struct maglev *maglev, uint32_t at);

#endif
