#include "name_index.h"

#include "postings.h"

#include <stdlib.h>

enum { KIND_EXACT, KIND_WILDCARD };

/* Kept without "*.". */
struct name_index {
    struct postings *names;
};

/* Names are hashed from their end to their start, so that one pass gives the hash of each suffix.
 */
#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t hash_step(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

static uint64_t hash_name(struct span name)
{
    uint64_t hash = HASH_START;
    for (size_t at = name.length; at-- > 0;)
        hash = hash_step(hash, name.data[at]);
    return hash;
}

static bool is_wildcard(const char *pattern)
{
    return pattern[0] == '*' && pattern[1] == '.';
}

static struct span name_of(const char *pattern)
{
    return span_text(is_wildcard(pattern) ? pattern + 2 : pattern);
}

static struct posting posting_of(const struct name_entry *entry)
{
    struct span name = name_of(entry->pattern);
    return (struct posting){name, is_wildcard(entry->pattern) ? KIND_WILDCARD : KIND_EXACT,
                            hash_name(name), entry->id};
}

bool name_index_create(struct name_index **ret, const struct name_entry *entries, size_t count)
{
    struct name_index *index = calloc(1, sizeof *index);
    struct posting *postings = calloc(count + 1, sizeof *postings);
    bool ok = index != NULL && postings != NULL;
    for (size_t i = 0; ok && i < count; i++)
        postings[i] = posting_of(&entries[i]);
    ok = ok && postings_create(&index->names, postings, count);
    free(postings);
    if (ok)
        *ret = index;
    else
        name_index_free(index);
    return ok;
}

void name_index_free(struct name_index *index)
{
    if (index == NULL)
        return;
    postings_free(index->names);
    free(index);
}

/* From the last label to the first: what follows a dot can only be met by a wildcard. */
static void find(const struct name_index *index, struct span name, unsigned kind, struct hits *ret)
{
    if (index == NULL || name.length == 0)
        return;
    uint64_t hash = HASH_START;
    for (size_t at = name.length; at-- > 0;) {
        hash = hash_step(hash, name.data[at]);
        if (at == 0)
            postings_find(index->names, hash, name, kind, ret);
        else if (name.data[at - 1] == '.')
            postings_find(index->names, hash, span_skip(name, at), KIND_WILDCARD, ret);
    }
}

void name_index_find(const struct name_index *index, struct span name, struct hits *ret)
{
    find(index, name, KIND_EXACT, ret);
}

void name_index_find_wider(const struct name_index *index, const char *pattern, struct hits *ret)
{
    find(index, name_of(pattern), is_wildcard(pattern) ? KIND_WILDCARD : KIND_EXACT, ret);
}

bool name_index_contains(const struct name_index *index, struct span name)
{
    struct hits hits = {.count = 0};
    name_index_find(index, name, &hits);
    return hits.count > 0;
}

bool name_index_covers(const struct name_index *index, const char *pattern)
{
    struct hits hits = {.count = 0};
    name_index_find_wider(index, pattern, &hits);
    return hits.count > 0;
}
