/* postings: from a key to the numbers kept under it, in one probe however many there are.
 *
 * A key is a kind and some bytes, which are borrowed. The caller hashes: it may have a cheaper way
 * for its keys than going over their bytes. Built once, then only read, from any thread. */
#ifndef ROUTE_POSTINGS_H
#define ROUTE_POSTINGS_H

#include "base/compiler.h"
#include "base/span.h"
#include "hits.h"

struct postings;

struct posting {
    struct span key;
    unsigned kind;
    uint64_t hash; /* equal for equal keys of a kind */
    unsigned id;
};

/* Sorts the entries. Of one key each number is kept once or more: hits_next() gives it once. */
bool postings_create(struct postings **ret, struct posting *entries, size_t count) MUST_CHECK;
void postings_free(struct postings *postings); /* accepts NULL */

/* Adds the numbers under that key, if there are any. NULL holds none. */
void postings_find(const struct postings *postings, uint64_t hash, struct span key, unsigned kind,
                   struct hits *ret);

#endif
