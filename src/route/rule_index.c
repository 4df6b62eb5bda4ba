#include "rule_index.h"

#include "match_fix.h"
#include "postings.h"

#include <stdlib.h>

_Static_assert(sizeof(struct cidr) == 18, "a network is its key, byte by byte: no padding");
_Static_assert(HITS_LISTS_MAX >= 127 + 129 + FIX_TAG_COUNT + PROTOCOL_COUNT + 1,
               "a list for everything that one connection can meet");

#define WIDTHS_MAX (33u + 129u)

struct id_list {
    unsigned *ids; /* owned, ascending */
    size_t count, room;
};

struct width {
    uint8_t family_bits, prefix_bits;
};

struct rule_index {
    struct name_index *names;
    struct postings *values;              /* of FIX fields; the tag is the kind */
    struct id_list by_tag[FIX_TAG_COUNT]; /* all that are filed under a value of that tag */
    struct id_list logons;                /* filed under fix, but under no value */
    struct postings *networks;
    struct width widths[WIDTHS_MAX]; /* that occur among them */
    unsigned width_count;
    struct id_list by_protocol[PROTOCOL_COUNT];
    uint64_t protocols; /* whose list is not empty */
    struct id_list others;
    struct id_list unnamed; /* all but those filed under a name */
};

/* What is gathered while building, before it is sorted. */
struct gathered {
    struct name_entry *names;
    struct posting *values, *networks;
    size_t name_count, value_count, network_count;
};

/* --- hashing --------------------------------------------------------------------------------- */

/* Eight bytes at a time: keys are short, and the configuration's own. */
static uint64_t hash_bytes(struct span key)
{
    uint64_t hash = key.length;
    while (key.length > 0) {
        uint64_t word = 0;
        size_t taken = key.length < sizeof word ? key.length : sizeof word;
        memcpy(&word, key.data, taken);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
        key = span_skip(key, taken);
    }
    return hash;
}

/* --- filing ---------------------------------------------------------------------------------- */

/* The tags in the order of how many values they usually have. */
static const enum fix_tag telling_tags[FIX_TAG_COUNT] = {
    FIX_SENDER_COMP_ID, FIX_USERNAME, FIX_SENDER_SUB_ID, FIX_TARGET_COMP_ID, FIX_BEGIN_STRING};

static const struct string_list *telling_values(const struct model_fix *asked, enum fix_tag *tag)
{
    for (unsigned i = 0; i < FIX_TAG_COUNT; i++) {
        const struct string_list *values = match_fix_values(asked, telling_tags[i]);
        *tag = telling_tags[i];
        if (values->count > 0)
            return values;
    }
    return NULL;
}

static bool id_list_add(struct id_list *list, unsigned id)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 8 : 2 * list->room;
        unsigned *ids = realloc(list->ids, room * sizeof *ids);
        if (ids == NULL)
            return false;
        list->ids = ids;
        list->room = room;
    }
    list->ids[list->count++] = id;
    return true;
}

static void file_names(struct gathered *g, const struct match *match, unsigned id)
{
    const struct string_list *names = &match->model->sni;
    for (size_t i = 0; i < names->count; i++)
        g->names[g->name_count++] = (struct name_entry){names->item[i], id};
}

static bool file_fix(struct rule_index *index, struct gathered *g, const struct match *match,
                     unsigned id)
{
    enum fix_tag tag;
    const struct string_list *values = telling_values(&match->model->fix, &tag);
    if (values == NULL)
        return id_list_add(&index->logons, id);
    for (size_t i = 0; i < values->count; i++) {
        struct span value = span_text(values->item[i]);
        g->values[g->value_count++] = (struct posting){value, tag, hash_bytes(value), id};
    }
    return id_list_add(&index->by_tag[tag], id);
}

static void note_width(struct rule_index *index, const struct cidr *network)
{
    for (unsigned i = 0; i < index->width_count; i++) {
        if (index->widths[i].family_bits == network->family_bits &&
            index->widths[i].prefix_bits == network->prefix_bits)
            return;
    }
    index->widths[index->width_count++] =
        (struct width){network->family_bits, network->prefix_bits};
}

static void file_networks(struct rule_index *index, struct gathered *g, const struct match *match,
                          unsigned id)
{
    const struct cidr_list *networks = &match->model->source;
    for (size_t i = 0; i < networks->count; i++) {
        struct span key = span_of(&networks->item[i], sizeof networks->item[i]);
        note_width(index, &networks->item[i]);
        g->networks[g->network_count++] = (struct posting){key, 0, hash_bytes(key), id};
    }
}

static bool file_protocols(struct rule_index *index, const struct match *match, unsigned id)
{
    index->protocols |= match->protocols;
    for (unsigned i = 0; i < PROTOCOL_COUNT; i++) {
        if ((match->protocols & UINT64_C(1) << i) != 0 && !id_list_add(&index->by_protocol[i], id))
            return false;
    }
    return true;
}

static bool file_rule(struct rule_index *index, struct gathered *g, const struct match *match,
                      unsigned id)
{
    if (match_has(match, MATCH_SNI)) {
        file_names(g, match, id);
        return true;
    }
    bool done = id_list_add(&index->unnamed, id);
    if (match_has(match, MATCH_FIX))
        return done && file_fix(index, g, match, id);
    if (match_has(match, MATCH_SOURCE)) {
        file_networks(index, g, match, id);
        return done;
    }
    if (match_has(match, MATCH_PROTOCOL))
        return done && file_protocols(index, match, id);
    return done && id_list_add(&index->others, id);
}

/* --- building -------------------------------------------------------------------------------- */

static bool gathered_init(struct gathered *g, const struct match *const *matches, unsigned count)
{
    size_t names = 0, values = 0, networks = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct model_match *model = matches[i]->model;
        names += model->sni.count;
        networks += model->source.count;
        for (unsigned tag = 0; tag < FIX_TAG_COUNT; tag++)
            values += match_fix_values(&model->fix, (enum fix_tag)tag)->count;
    }
    g->names = calloc(names + 1, sizeof *g->names);
    g->values = calloc(values + 1, sizeof *g->values);
    g->networks = calloc(networks + 1, sizeof *g->networks);
    return g->names != NULL && g->values != NULL && g->networks != NULL;
}

static void gathered_release(struct gathered *g)
{
    free(g->names);
    free(g->values);
    free(g->networks);
}

static bool build(struct rule_index *index, struct gathered *g, const struct match *const *matches,
                  unsigned count)
{
    if (!gathered_init(g, matches, count))
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (!file_rule(index, g, matches[i], i))
            return false;
    }
    if (g->name_count > 0 && !name_index_create(&index->names, g->names, g->name_count))
        return false;
    if (g->value_count > 0 && !postings_create(&index->values, g->values, g->value_count))
        return false;
    return g->network_count == 0 ||
           postings_create(&index->networks, g->networks, g->network_count);
}

bool rule_index_create(struct rule_index **ret, const struct match *const *matches, unsigned count)
{
    struct gathered gathered = {.name_count = 0};
    struct rule_index *index = calloc(1, sizeof *index);
    bool ok = index != NULL && build(index, &gathered, matches, count);
    gathered_release(&gathered);
    if (ok)
        *ret = index;
    else
        rule_index_free(index);
    return ok;
}

void rule_index_free(struct rule_index *index)
{
    if (index == NULL)
        return;
    name_index_free(index->names);
    postings_free(index->values);
    postings_free(index->networks);
    for (unsigned i = 0; i < FIX_TAG_COUNT; i++)
        free(index->by_tag[i].ids);
    for (unsigned i = 0; i < PROTOCOL_COUNT; i++)
        free(index->by_protocol[i].ids);
    free(index->logons.ids);
    free(index->others.ids);
    free(index->unnamed.ids);
    free(index);
}

/* --- finding --------------------------------------------------------------------------------- */

static void add_list(struct hits *hits, const struct id_list *list)
{
    hits_add(hits, list->ids, list->count);
}

/* A field that may still come can have any value. */
static void find_fix(const struct rule_index *index, const struct fix_logon *logon,
                     struct hits *ret)
{
    if (logon->message == VERDICT_NO)
        return;
    add_list(ret, &index->logons);
    for (unsigned tag = 0; tag < FIX_TAG_COUNT; tag++) {
        if (index->by_tag[tag].count == 0)
            continue;
        if (logon->has[tag])
            postings_find(index->values, hash_bytes(logon->field[tag]), logon->field[tag], tag,
                          ret);
        else if (!logon->complete)
            add_list(ret, &index->by_tag[tag]);
    }
}

static void find_networks(const struct rule_index *index, const struct address *source,
                          struct hits *ret)
{
    struct cidr network;
    if (source == NULL)
        return;
    for (unsigned i = 0; i < index->width_count; i++) {
        const struct width *width = &index->widths[i];
        if (!cidr_of(&network, source, width->prefix_bits) ||
            network.family_bits != width->family_bits)
            continue;
        struct span key = span_of(&network, sizeof network);
        postings_find(index->networks, hash_bytes(key), key, 0, ret);
    }
}

static void find_protocols(const struct rule_index *index, const struct facts *facts,
                           struct hits *ret)
{
    if (index->protocols == 0 || facts->tls == VERDICT_YES)
        return;
    for (unsigned i = 0; i < PROTOCOL_COUNT; i++) {
        if (facts->protocol[i] != VERDICT_NO)
            add_list(ret, &index->by_protocol[i]);
    }
}

void rule_index_find(const struct rule_index *index, const struct question *question,
                     struct hits *ret)
{
    name_index_find(index->names, question->sni, ret);
    find_fix(index, &question->facts->fix, ret);
    find_networks(index, question->facts->source, ret);
    find_protocols(index, question->facts, ret);
    add_list(ret, &index->others);
}

void rule_index_find_wider(const struct rule_index *index, const char *pattern, struct hits *ret)
{
    name_index_find_wider(index->names, pattern, ret);
}

void rule_index_unnamed(const struct rule_index *index, struct hits *ret)
{
    add_list(ret, &index->unnamed);
}
