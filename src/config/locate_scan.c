/* The pass over the text that makes the index. No recursion: the node under construction knows its
 * parent, which is all the stack that JSON needs. */
#include "locate_private.h"
#include "scan.h"

#include <stdio.h>
#include <stdlib.h>

struct build {
    struct locations *l;
    struct scanner s;
    uint32_t open; /* the innermost container that is not closed yet */
    unsigned depth;
};

static bool no_memory(struct build *b)
{
    return scan_fail(&b->s, b->s.at, "out of memory");
}

static bool note_lines(struct locations *l, const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    while (at != NULL) {
        if (l->line_count == l->line_capacity) {
            uint32_t capacity = l->line_capacity == 0 ? 256 : l->line_capacity * 2;
            uint32_t *lines = realloc(l->lines, capacity * sizeof *lines);
            if (lines == NULL)
                return false;
            l->lines = lines;
            l->line_capacity = capacity;
        }
        l->lines[l->line_count++] = (uint32_t)(at - text);
        at = at == end ? NULL : memchr(at, '\n', (size_t)(end - at));
        if (at != NULL)
            at++;
    }
    return true;
}

/* The value at the scanner: a scalar is read whole, a container is opened. `node` has its key. */
static bool scan_value(struct build *b, struct node node)
{
    int c = scan_peek(&b->s);
    bool opens = c == '{' || c == '[';
    node.parent = b->open;
    node.value_at = (uint32_t)b->s.at;
    node.source = NO_NODE;
    node.kind = c == '{' ? NODE_OBJECT : c == '[' ? NODE_LIST : NODE_PLAIN;
    if (opens && b->depth == LOCATE_MAX_DEPTH)
        return scan_fail(&b->s, b->s.at, "nested deeper than %u levels", LOCATE_MAX_DEPTH);
    if (b->l->count == LOCATE_MAX_VALUES)
        return scan_fail(&b->s, b->s.at, "more than %u values", LOCATE_MAX_VALUES);
    b->s.too_large = false;
    if (!opens && !(c == '"' ? scan_string(&b->s, NULL) : scan_plain(&b->s)))
        return false;
    node.too_large = b->s.too_large;
    if (!locations_add(b->l, node))
        return no_memory(b);
    if (opens) {
        b->open = b->l->count - 1;
        b->depth++;
        b->s.at++;
    }
    return true;
}

static bool scan_member(struct build *b)
{
    struct locations *l = b->l;
    struct node node = {.key_at = (uint32_t)b->s.at, .key = (uint32_t)l->keys.length};
    if (scan_peek(&b->s) != '"')
        return scan_expected(&b->s, "a key in double quotes");
    if (!scan_string(&b->s, &l->keys))
        return false;
    if (l->keys.failed)
        return no_memory(b);
    node.key_length = (uint32_t)(l->keys.length - node.key);
    struct span key = locations_key(l, &node);
    node.hash = locations_hash_member(l, b->open, key);
    node.repeats = locations_member(l, b->open, key, node.hash);
    scan_space(&b->s);
    if (scan_peek(&b->s) != ':')
        return scan_expected(&b->s, "':' after the key");
    b->s.at++;
    scan_space(&b->s);
    return scan_value(b, node);
}

static bool scan_element(struct build *b)
{
    struct node *list = &b->l->nodes[b->open];
    struct node node = {.key_at = (uint32_t)b->s.at, .key = list->children++, .repeats = NO_NODE};
    node.hash = locations_hash_element(b->l, b->open, node.key);
    return scan_value(b, node);
}

/* The next member or element of the open container, or its end. */
static bool scan_next(struct build *b, bool first)
{
    bool object = b->l->nodes[b->open].kind == NODE_OBJECT;
    scan_space(&b->s);
    int c = scan_peek(&b->s);
    if (c == (object ? '}' : ']')) {
        b->s.at++;
        b->open = b->l->nodes[b->open].parent;
        b->depth--;
        return true;
    }
    if (!first) {
        if (c != ',')
            return scan_expected(&b->s, object ? "',' or '}'" : "',' or ']'");
        size_t comma = b->s.at++;
        scan_space(&b->s);
        c = scan_peek(&b->s);
        if (c == '}' || c == ']')
            return scan_fail(&b->s, comma, "a comma must not stand before '%c'", c);
    }
    return object ? scan_member(b) : scan_element(b);
}

static bool scan_document(struct build *b)
{
    static const unsigned char mark[] = {0xef, 0xbb, 0xbf};
    struct span all = span_of(b->s.text, b->s.length);
    if (span_begins(all, span_of(mark, sizeof mark)))
        return scan_fail(&b->s, 0, "JSON begins without a byte order mark");
    scan_space(&b->s);
    if (b->s.at == b->s.length)
        return scan_fail(&b->s, b->s.at, "the file is empty (at least {} is needed)");
    struct node root = {.key_at = (uint32_t)b->s.at, .repeats = NO_NODE};
    root.hash = LOCATE_HASH_START;
    if (!scan_value(b, root))
        return false;
    while (b->open != NO_NODE) {
        uint32_t last = b->l->count - 1;
        if (!scan_next(b, b->open == last))
            return false;
    }
    scan_space(&b->s);
    return b->s.at == b->s.length || scan_expected(&b->s, "the end of the file");
}

bool locations_create(struct locations **ret, const char *text, size_t length, struct place *where,
                      char *fault, size_t size)
{
    struct locations *l = calloc(1, sizeof *l);
    struct build b = {.l = l, .open = NO_NODE};
    b.s = (struct scanner){.text = (const unsigned char *)text, .length = length};
    *where = (struct place){1, 1};
    if (l == NULL || length > LOCATE_MAX_BYTES || !note_lines(l, text, length)) {
        snprintf(fault, size,
                 length > LOCATE_MAX_BYTES ? "the text is too large" : "out of memory");
        goto fail;
    }
    if (!scan_document(&b)) {
        *where = locations_place(l, (uint32_t)b.s.fault_at);
        snprintf(fault, size, "%s", b.s.fault);
        goto fail;
    }
    *ret = l;
    return true;
fail:
    locations_free(l);
    return false;
}
