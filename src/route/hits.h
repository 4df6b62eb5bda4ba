/* hits: ascending lists of numbers, borrowed, read as one ascending sequence.
 *
 * What a look into an index gives: a list for each key that was met. Reading costs one comparison
 * per list and number; lists are few. */
#ifndef ROUTE_HITS_H
#define ROUTE_HITS_H

#include <stdbool.h>
#include <stddef.h>

/* The most that one connection can meet: a name of 253 bytes has 127 labels, so itself and 126
 * suffixes; a network of each width of an address; a protocol each; some tags; and those that are
 * met by everyone. */
#define HITS_LISTS_MAX 320u

struct hits {
    unsigned count;
    struct {
        const unsigned *next, *end;
    } list[HITS_LISTS_MAX];
};

/* One more list. The caller's kinds of keys bound how many there are (HITS_LISTS_MAX). */
void hits_add(struct hits *hits, const unsigned *ids, size_t count);

/* The next smallest number, each once; false at the end. */
bool hits_next(struct hits *hits, unsigned *ret);

#endif
