/* name_index: from a host name to the numbers kept under the patterns that match it.
 *
 * Patterns are in normal form (base/name.h), exact or "*.example.com"; their text is borrowed.
 * A search costs one pass over the name and one table probe per label, however many patterns there
 * are: ten thousand names cost what ten cost. Built once, then only read, from any thread. */
#ifndef ROUTE_NAME_INDEX_H
#define ROUTE_NAME_INDEX_H

#include "base/compiler.h"
#include "base/span.h"
#include "hits.h"

struct name_index;

struct name_entry {
    const char *pattern;
    unsigned id;
};

bool name_index_create(struct name_index **ret, const struct name_entry *entries,
                       size_t count) MUST_CHECK;
void name_index_free(struct name_index *index); /* accepts NULL */

/* Adds the numbers under all patterns that match a name in normal form. NULL holds none. */
void name_index_find(const struct name_index *index, struct span name, struct hits *ret);

/* The same for a pattern: patterns that match every name it matches. */
void name_index_find_wider(const struct name_index *index, const char *pattern, struct hits *ret);

bool name_index_contains(const struct name_index *index, struct span name);
bool name_index_covers(const struct name_index *index, const char *pattern);

#endif
