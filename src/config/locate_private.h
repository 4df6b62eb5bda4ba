/* locate's insides: the tree of places, shared by the pass that makes it and the look-ups. */
#ifndef CONFIG_LOCATE_PRIVATE_H
#define CONFIG_LOCATE_PRIVATE_H

#include "locate.h"

#include "base/text.h"

#include <stdint.h>

#define NO_NODE           UINT32_MAX
#define LOCATE_HASH_START UINT64_C(0xcbf29ce484222325)

enum node_kind { NODE_PLAIN, NODE_OBJECT, NODE_LIST };

struct node {
    uint64_t hash; /* of the whole path's text */
    uint32_t parent;
    uint32_t key, key_length; /* a member: its key in `keys`; an element: its index in `key` */
    uint32_t key_at, value_at;
    uint32_t chain;   /* the next node in the same bucket */
    uint32_t repeats; /* the earlier member of the same key */
    uint32_t source;  /* the node that lends what this one lacks */
    uint32_t children;
    enum node_kind kind;
    bool too_large; /* a number that cannot be held */
};

struct locations {
    struct node *nodes; /* nodes[0] is the root */
    uint32_t count, capacity;
    uint32_t *buckets; /* a power of two of them */
    uint32_t bucket_count;
    struct text keys; /* decoded, end to end */
    uint32_t *lines;  /* where each line begins */
    uint32_t line_count, line_capacity;
};

/* Appends a node below `parent` (NO_NODE for the root) and enters it into the index. */
bool locations_add(struct locations *l, struct node node) MUST_CHECK;

/* The hash of the path one step below `parent`. */
uint64_t locations_hash_member(const struct locations *l, uint32_t parent, struct span key);
uint64_t locations_hash_element(const struct locations *l, uint32_t parent, uint32_t index);

/* The key of a member. While all keys are empty, `keys` has no memory. */
struct span locations_key(const struct locations *l, const struct node *member);

/* The member of `parent` with that key, NO_NODE for none. */
uint32_t locations_member(const struct locations *l, uint32_t parent, struct span key,
                          uint64_t hash);

#endif
