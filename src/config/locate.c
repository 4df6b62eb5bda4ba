#include "locate_private.h"

#include <stdio.h>
#include <stdlib.h>

/* A path's hash grows step by step (FNV-1a over its text), so that no path is ever stored: the
 * index keeps the hash, and a hit is proved by walking from the node up to the root. */
static uint64_t hash_more(uint64_t h, struct span s)
{
    for (size_t i = 0; i < s.length; i++)
        h = (h ^ s.data[i]) * UINT64_C(0x100000001b3);
    return h;
}

uint64_t locations_hash_member(const struct locations *l, uint32_t parent, struct span key)
{
    uint64_t h = l->nodes[parent].hash;
    if (parent != 0)
        h = hash_more(h, span_of(".", 1));
    return hash_more(h, key);
}

static size_t element_text(uint32_t index, char text[16])
{
    return (size_t)snprintf(text, 16, "[%u]", index);
}

uint64_t locations_hash_element(const struct locations *l, uint32_t parent, uint32_t index)
{
    char text[16];
    size_t length = element_text(index, text);
    return hash_more(l->nodes[parent].hash, span_of(text, length));
}

struct span locations_key(const struct locations *l, const struct node *n)
{
    return span_of(l->keys.data == NULL ? "" : l->keys.data + n->key, n->key_length);
}

uint32_t locations_member(const struct locations *l, uint32_t parent, struct span key,
                          uint64_t hash)
{
    if (l->bucket_count == 0)
        return NO_NODE;
    for (uint32_t i = l->buckets[hash & (l->bucket_count - 1)]; i != NO_NODE; i = l->nodes[i].chain)
        if (l->nodes[i].hash == hash && l->nodes[i].parent == parent &&
            span_equal(locations_key(l, &l->nodes[i]), key))
            return i;
    return NO_NODE;
}

/* A newer node goes to the front of its bucket: of repeated keys the last is found. */
static void enter(struct locations *l, uint32_t i)
{
    uint32_t *bucket = &l->buckets[l->nodes[i].hash & (l->bucket_count - 1)];
    l->nodes[i].chain = *bucket;
    *bucket = i;
}

static bool grow(struct locations *l)
{
    uint32_t capacity = l->capacity == 0 ? 256 : l->capacity * 2;
    struct node *nodes = realloc(l->nodes, capacity * sizeof *nodes);
    if (nodes == NULL)
        return false;
    l->nodes = nodes;
    uint32_t *buckets = malloc(capacity * sizeof *buckets);
    if (buckets == NULL)
        return false;
    free(l->buckets);
    l->buckets = buckets;
    l->capacity = l->bucket_count = capacity;
    memset(buckets, 0xff, capacity * sizeof *buckets); /* NO_NODE everywhere */
    for (uint32_t i = 0; i < l->count; i++)
        enter(l, i);
    return true;
}

bool locations_add(struct locations *l, struct node node)
{
    if (l->count == l->capacity && !grow(l))
        return false;
    l->nodes[l->count] = node;
    enter(l, l->count++);
    return true;
}

struct place locations_place(const struct locations *l, uint32_t at)
{
    uint32_t low = 0, high = l->line_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (l->lines[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    if (l->line_count == 0)
        return (struct place){1, 1};
    return (struct place){(int)low + 1, (int)(at - l->lines[low]) + 1};
}

static bool ends_with(struct span path, struct span tail)
{
    return path.length >= tail.length &&
           span_equal(span_skip(path, path.length - tail.length), tail);
}

/* Is `path` the path of node `i`? Taken off step by step, from the end. */
static bool is_path_of(const struct locations *l, uint32_t i, struct span path)
{
    while (i != 0) {
        const struct node *n = &l->nodes[i], *parent = &l->nodes[n->parent];
        char text[16];
        bool member = parent->kind == NODE_OBJECT;
        struct span step = member ? locations_key(l, n) : span_of(text, element_text(n->key, text));
        if (!ends_with(path, step))
            return false;
        path.length -= step.length;
        if (member && n->parent != 0) {
            if (!ends_with(path, span_of(".", 1)))
                return false;
            path.length--;
        }
        i = n->parent;
    }
    return path.length == 0;
}

static uint32_t find(const struct locations *l, struct span path)
{
    uint64_t hash = hash_more(LOCATE_HASH_START, path);
    for (uint32_t i = l->buckets[hash & (l->bucket_count - 1)]; i != NO_NODE; i = l->nodes[i].chain)
        if (l->nodes[i].hash == hash && is_path_of(l, i, path))
            return i;
    return NO_NODE;
}

static struct location location_of(const struct locations *l, uint32_t i)
{
    return (struct location){locations_place(l, l->nodes[i].value_at),
                             locations_place(l, l->nodes[i].key_at)};
}

bool locations_find(const struct locations *l, const char *path, struct location *ret)
{
    uint32_t i = find(l, span_text(path));
    if (i == NO_NODE)
        return false;
    *ret = location_of(l, i);
    return true;
}

/* The nearest node at or above `path`; `*length` becomes the length of its path. Above all is the
 * root, and not the member whose key is empty, though both have the path "". */
static uint32_t find_nearest(const struct locations *l, const char *path, size_t *length)
{
    uint32_t i = find(l, span_of(path, *length));
    while (i == NO_NODE && *length > 0) {
        (*length)--;
        if (*length == 0)
            return l->count > 0 ? 0 : NO_NODE;
        if (path[*length] == '.' || path[*length] == '[')
            i = find(l, span_of(path, *length));
    }
    return i;
}

void locations_inherit(struct locations *l, const char *path, const char *source)
{
    uint32_t i = find(l, span_text(path)), from = find(l, span_text(source));
    if (i != NO_NODE && from != NO_NODE && i != from)
        l->nodes[i].source = from;
}

static void add_path(const struct locations *l, uint32_t i, struct text *ret)
{
    uint32_t way[LOCATE_MAX_DEPTH + 1];
    size_t steps = 0;
    for (; i != 0 && steps < COUNT_OF(way); i = l->nodes[i].parent)
        way[steps++] = i;
    while (steps-- > 0) {
        const struct node *n = &l->nodes[way[steps]];
        if (l->nodes[n->parent].kind == NODE_LIST) {
            text_format(ret, "[%u]", n->key);
            continue;
        }
        if (n->parent != 0)
            text_add_char(ret, '.');
        text_add_span(ret, locations_key(l, n));
    }
}

/* `rest` (".tls.ciphers") below what node `i` inherits from, or what that inherits in turn. Lists
 * are replaced, never merged: nothing is looked for across one. */
static uint32_t find_inherited(const struct locations *l, uint32_t i, const char *path,
                               size_t length, struct text *scratch)
{
    while (i != NO_NODE && l->nodes[i].kind != NODE_LIST) {
        uint32_t from = l->nodes[i].source;
        for (int hops = 0; from != NO_NODE && hops < 4; hops++, from = l->nodes[from].source) {
            text_clear(scratch);
            add_path(l, from, scratch);
            text_add(scratch, path + length);
            uint32_t hit = scratch->failed ? NO_NODE : find(l, span_text(scratch->data));
            if (hit != NO_NODE)
                return hit;
        }
        if (i == 0)
            break;
        bool member = l->nodes[l->nodes[i].parent].kind == NODE_OBJECT;
        char text[16];
        size_t step = member ? l->nodes[i].key_length + (l->nodes[i].parent != 0)
                             : element_text(l->nodes[i].key, text);
        length -= step;
        i = l->nodes[i].parent;
    }
    return NO_NODE;
}

bool locations_resolve(const struct locations *l, const char *path, struct location *ret,
                       char **ret_path)
{
    size_t length = strlen(path);
    uint32_t i = find_nearest(l, path, &length);
    *ret_path = NULL;
    if (i != NO_NODE && path[length] != '\0') {
        struct text scratch = {0};
        uint32_t inherited = find_inherited(l, i, path, length, &scratch);
        if (inherited != NO_NODE) {
            *ret = location_of(l, inherited);
            *ret_path = scratch.data;
            return true;
        }
        text_release(&scratch);
    }
    *ret = location_of(l, i == NO_NODE ? 0 : i);
    bool bare = i != NO_NODE && l->nodes[i].kind == NODE_PLAIN && strcmp(path + length, "[0]") == 0;
    *ret_path = bare ? strndup(path, length) : strdup(path);
    return i != NO_NODE && (bare || path[length] == '\0');
}

void locations_repeated(const struct locations *l,
                        void (*each)(void *context, const char *path, struct place key,
                                     struct place first),
                        void *context)
{
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->nodes[i].repeats == NO_NODE)
            continue;
        struct text path = {0};
        add_path(l, i, &path);
        if (!path.failed)
            each(context, path.data, locations_place(l, l->nodes[i].key_at),
                 locations_place(l, l->nodes[l->nodes[i].repeats].key_at));
        text_release(&path);
    }
}

void locations_too_large(const struct locations *l,
                         void (*each)(void *context, const char *path, size_t at), void *context)
{
    for (uint32_t i = 0; i < l->count; i++) {
        struct text path = {0};
        if (!l->nodes[i].too_large)
            continue;
        text_add(&path, "");
        add_path(l, i, &path);
        if (!path.failed)
            each(context, path.data, l->nodes[i].value_at);
        text_release(&path);
    }
}

void locations_hidden(const struct locations *l,
                      void (*each)(void *context, const char *path, size_t at), void *context)
{
    for (uint32_t i = l->count; i-- > 0;) {
        if (l->nodes[i].repeats == NO_NODE)
            continue;
        struct text path = {0};
        add_path(l, i, &path);
        if (!path.failed && path.data != NULL)
            each(context, path.data, l->nodes[l->nodes[i].repeats].value_at);
        text_release(&path);
    }
}

/* Nodes are in the order of the text. A container begins where no other value does. */
static uint32_t find_value(const struct locations *l, size_t at)
{
    uint32_t low = 0, high = l->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (l->nodes[middle].value_at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->count && l->nodes[low].value_at == at ? low : NO_NODE;
}

void locations_rivals(const struct locations *l, size_t at,
                      void (*each)(void *context, size_t key_at, size_t value_at), void *context)
{
    uint32_t own = find_value(l, at);
    for (; own != NO_NODE && own != 0; own = l->nodes[own].parent) {
        const struct node *n = &l->nodes[own];
        if (l->nodes[n->parent].kind != NODE_OBJECT)
            continue;
        struct span key = locations_key(l, n);
        uint32_t i = l->buckets[n->hash & (l->bucket_count - 1)];
        for (; i != NO_NODE; i = l->nodes[i].chain) {
            const struct node *other = &l->nodes[i];
            if (i != own && other->hash == n->hash && other->parent == n->parent &&
                span_equal(locations_key(l, other), key))
                each(context, other->key_at, other->value_at);
        }
    }
}

void locations_free(struct locations *l)
{
    if (l == NULL)
        return;
    free(l->nodes);
    free(l->buckets);
    free(l->lines);
    text_release(&l->keys);
    free(l);
}
