/* name_index: from a host name to the numbers kept under the patterns that match it.
 *
 * Patterns are in normal form (base/name.h), exact or "*.example.com"; their text is borrowed.
 * A search costs one pass over the name and one table probe per label, however many patterns there
 * are: ten thousand names cost what ten cost. Built once, then only read, from any thread. */
#ifndef ROUTE_NAME_INDEX_H
#define ROUTE_NAME_INDEX_H

#include "base/compiler.h"
#include "base/span.h"

struct name_index;

struct name_entry {
    const char *pattern;
    unsigned id;
};

/* A name of 253 bytes has at most 127 labels: itself, 126 suffixes, and one list of the caller's.
 */
#define NAME_HITS_MAX 128u

/* Ascending lists of numbers, read as one ascending sequence. */
struct name_hits {
    unsigned count;
    struct {
        const unsigned *next, *end;
    } list[NAME_HITS_MAX];
};

bool name_index_create(struct name_index **ret, const struct name_entry *entries,
                       size_t count) MUST_CHECK;
void name_index_free(struct name_index *index); /* accepts NULL */

/* The numbers under all patterns that match a name in normal form. An index of NULL holds none. */
void name_index_find(const struct name_index *index, struct span name, struct name_hits *ret);

/* The same for a pattern: patterns that match every name it matches. */
void name_index_find_wider(const struct name_index *index, const char *pattern,
                           struct name_hits *ret);

bool name_index_contains(const struct name_index *index, struct span name);
bool name_index_covers(const struct name_index *index, const char *pattern);

/* One more ascending list, borrowed. */
void name_hits_add(struct name_hits *hits, const unsigned *ids, size_t count);

/* The next smallest number, each once; false at the end. */
bool name_hits_next(struct name_hits *hits, unsigned *ret);

#endif
