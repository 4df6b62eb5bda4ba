/* alpn_table: the ALPN names that a listener's rules ask for, numbered, so that the offers of a
 * hello are read once per walk and each rule then compares two bit sets. A hello of 64 KB may offer
 * tens of thousands of names; without this it would cost that many comparisons per rule. */
#ifndef ROUTE_ALPN_TABLE_H
#define ROUTE_ALPN_TABLE_H

#include "base/compiler.h"
#include "base/span.h"

#define ALPN_NAMES_MAX 1024u

struct alpn_set {
    uint64_t bits[ALPN_NAMES_MAX / 64];
};

struct alpn_table {
    const char **names; /* owned array of borrowed texts; sorted and unique once finished */
    size_t count, capacity;
};

bool alpn_table_add(struct alpn_table *table, const char *name) MUST_CHECK;

/* Sorts. False: more than ALPN_NAMES_MAX different names. */
bool alpn_table_finish(struct alpn_table *table) MUST_CHECK;
void alpn_table_release(struct alpn_table *table);

/* Adds the name to the set where the table knows it. */
void alpn_table_mark(const struct alpn_table *table, struct span name, struct alpn_set *set);

bool alpn_set_meets(const struct alpn_set *a, const struct alpn_set *b); /* share a name */

#endif
