#include "inventory.h"

#include "base/clock.h"
#include "tls/client.h"

#include <stdlib.h>

/* A certificate as one listener or pool has it. Texts are owned. */
struct item {
    char *file, *json; /* of the certificate, without who has it */
    char *ocsp;        /* what becomes of its response; NULL: none is wanted here */
    bool stapled;
    char **names;
    size_t name_count;
    int64_t not_after;
    const char *listener, *pool; /* borrowed from the snapshot; one of them is NULL */
};

struct inventory {
    struct item *items;
    size_t count, room;
    const char *listener, *pool; /* being looked at */
    bool failed;
};

/* --- collecting ------------------------------------------------------------------------------- */

static void add_time(struct text *t, const char *key, int64_t seconds)
{
    char text[CLOCK_TEXT_MAX];
    clock_format(seconds < 0 ? 0 : (uint64_t)seconds * 1000, text);
    text_format(t, ", \"%s\": \"%.19sZ\"", key, text);
}

static char *describe(const struct tls_certificate *shown)
{
    struct text t = {0};
    text_add(&t, "\"names\": [");
    for (size_t i = 0; i < shown->name_count; i++) {
        text_add(&t, i == 0 ? "" : ", ");
        text_add_json(&t, span_text(shown->names[i]));
    }
    text_add(&t, "], \"file\": ");
    text_add_json(&t, span_text(shown->file));
    text_format(&t, ", \"serial\": \"%s\"", shown->serial);
    add_time(&t, "not_before", shown->not_before);
    add_time(&t, "not_after", shown->not_after);
    text_format(&t, ", \"fingerprint_sha256\": \"%s\"", shown->fingerprint_sha256);
    if (t.failed)
        text_release(&t);
    return t.data;
}

static char *describe_ocsp(const struct tls_ocsp_state *ocsp)
{
    struct text t = {0};
    text_format(&t, "{\"stapled\": %s", ocsp->stapled ? "true" : "false");
    if (ocsp->url != NULL || ocsp->file != NULL) {
        text_add(&t, ocsp->url != NULL ? ", \"responder\": " : ", \"file\": ");
        text_add_json(&t, span_text(ocsp->url != NULL ? ocsp->url : ocsp->file));
    }
    if (ocsp->stapled) {
        add_time(&t, "produced_at", ocsp->produced_at);
        add_time(&t, "this_update", ocsp->this_update);
        add_time(&t, "next_update", ocsp->next_update);
    }
    if (ocsp->last_error != NULL) {
        text_add(&t, ", \"last_error\": ");
        text_add_json(&t, span_text(ocsp->last_error));
    }
    text_add(&t, "}");
    if (t.failed)
        text_release(&t);
    return t.data;
}

/* Those without a name in the form of one are known by their title. */
static bool copy_names(struct item *item, const struct tls_certificate *shown)
{
    size_t count = shown->name_count > 0 ? shown->name_count : 1;
    item->names = calloc(count, sizeof *item->names);
    for (; item->names != NULL && item->name_count < count; item->name_count++) {
        const char *name = shown->name_count > 0 ? shown->names[item->name_count] : shown->title;
        if ((item->names[item->name_count] = strdup(name)) == NULL)
            return false;
    }
    return item->names != NULL;
}

static struct item *add_item(struct inventory *inventory)
{
    if (inventory->count == inventory->room) {
        size_t room = inventory->room * 2 + 16;
        struct item *items = realloc(inventory->items, room * sizeof *items);
        if (items == NULL)
            return NULL;
        inventory->items = items;
        inventory->room = room;
    }
    struct item *item = &inventory->items[inventory->count++];
    *item = (struct item){.listener = inventory->listener, .pool = inventory->pool};
    return item;
}

static void take_certificate(void *context, const struct tls_certificate *shown)
{
    struct inventory *inventory = context;
    struct item *item = add_item(inventory);
    if (item == NULL) {
        inventory->failed = true;
        return;
    }
    item->not_after = shown->not_after;
    item->file = strdup(shown->file);
    item->json = describe(shown);
    item->ocsp = shown->ocsp.wanted ? describe_ocsp(&shown->ocsp) : NULL;
    item->stapled = shown->ocsp.stapled;
    inventory->failed = inventory->failed || item->file == NULL || item->json == NULL ||
                        (shown->ocsp.wanted && item->ocsp == NULL) || !copy_names(item, shown);
}

static void collect_served(struct inventory *inventory, const struct snapshot *snapshot)
{
    inventory->pool = NULL;
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct listener *listener = &snapshot->listeners[i];
        inventory->listener = listener->model->name;
        if (listener->policy != NULL)
            tls_policy_each_certificate(listener->policy, take_certificate, inventory);
        for (unsigned r = 0; r < rules_count(listener->rules); r++)
            if (listener->targets[r].policy != NULL &&
                listener->targets[r].policy != listener->policy)
                tls_policy_each_certificate(listener->targets[r].policy, take_certificate,
                                            inventory);
    }
}

/* Ours, for servers that ask who comes. */
static void collect_shown(struct inventory *inventory, const struct snapshot *snapshot)
{
    inventory->listener = NULL;
    for (unsigned i = 0; i < pool_set_count(snapshot->pools); i++) {
        const struct pool *pool = pool_set_at(snapshot->pools, i);
        inventory->pool = pool_name(pool);
        if (pool_tls(pool) != NULL)
            tls_client_each_certificate(pool_tls(pool), take_certificate, inventory);
    }
}

static void release(struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->count; i++) {
        struct item *item = &inventory->items[i];
        for (size_t n = 0; n < item->name_count; n++)
            free(item->names[n]);
        free(item->names);
        free(item->file);
        free(item->json);
        free(item->ocsp);
    }
    free(inventory->items);
}

/* --- the list --------------------------------------------------------------------------------- */

static const char *user_of(const struct item *item)
{
    return item->pool != NULL ? item->pool : item->listener;
}

static int compare_items(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    int order = strcmp(a->file, b->file);
    if (order == 0)
        order = strcmp(a->json, b->json);
    if (order == 0)
        order = (a->pool != NULL) - (b->pool != NULL);
    return order != 0 ? order : strcmp(user_of(a), user_of(b));
}

/* Those of a group, each once: the listeners or the pools. */
static void add_users(struct text *ret, const char *key, const struct item *group, size_t count,
                      bool pools)
{
    const char *before = NULL;
    text_format(ret, ", \"%s\": [", key);
    for (size_t i = 0; i < count; i++) {
        const char *user = user_of(&group[i]);
        if ((group[i].pool != NULL) != pools || (before != NULL && strcmp(before, user) == 0))
            continue;
        text_add(ret, before == NULL ? "" : ", ");
        text_add_json(ret, span_text(user));
        before = user;
    }
    text_add(ret, "]");
}

/* Of several listeners that want responses, one that has one speaks for all. */
static void add_ocsp(struct text *ret, const struct item *group, size_t count)
{
    const struct item *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (group[i].ocsp != NULL && (best == NULL || group[i].stapled > best->stapled))
            best = &group[i];
    if (best == NULL)
        return;
    text_add(ret, ", \"ocsp\": ");
    text_add(ret, best->ocsp);
}

/* Items that are the same certificate of the same file; returns their number. */
static size_t add_group(struct text *ret, const struct item *first, size_t left)
{
    size_t count = 1;
    while (count < left && strcmp(first[count].file, first->file) == 0 &&
           strcmp(first[count].json, first->json) == 0)
        count++;
    text_add(ret, "{");
    text_add(ret, first->json);
    add_users(ret, "listeners", first, count, false);
    add_users(ret, "pools", first, count, true);
    add_ocsp(ret, first, count);
    text_add(ret, "}");
    return count;
}

void inventory_describe(const struct snapshot *snapshot, struct text *ret)
{
    struct inventory inventory = {0};
    collect_served(&inventory, snapshot);
    collect_shown(&inventory, snapshot);
    if (!inventory.failed && inventory.count > 1)
        qsort(inventory.items, inventory.count, sizeof *inventory.items, compare_items);
    text_add(ret, "[");
    for (size_t i = 0; !inventory.failed && i < inventory.count;) {
        text_add(ret, i == 0 ? "\n" : ",\n");
        i += add_group(ret, &inventory.items[i], inventory.count - i);
    }
    text_add(ret, "\n]\n");
    ret->failed = ret->failed || inventory.failed;
    release(&inventory);
}

/* --- per name --------------------------------------------------------------------------------- */

struct end_of_name {
    const char *name;
    int64_t not_after;
};

static int compare_ends(const void *left, const void *right)
{
    const struct end_of_name *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order != 0 ? order : (a->not_after > b->not_after) - (a->not_after < b->not_after);
}

void inventory_each_name(const struct snapshot *snapshot,
                         void (*each)(void *context, const char *name, int64_t not_after),
                         void *context)
{
    struct inventory inventory = {0};
    collect_served(&inventory, snapshot);
    collect_shown(&inventory, snapshot);
    size_t total = 0, at = 0;
    for (size_t i = 0; i < inventory.count; i++)
        total += inventory.items[i].name_count;
    struct end_of_name *ends = calloc(total + 1, sizeof *ends);
    for (size_t i = 0; ends != NULL && i < inventory.count; i++)
        for (size_t n = 0; n < inventory.items[i].name_count; n++)
            ends[at++] =
                (struct end_of_name){inventory.items[i].names[n], inventory.items[i].not_after};
    if (at > 1)
        qsort(ends, at, sizeof *ends, compare_ends);
    for (size_t i = 0; i < at; i++)
        if (i == 0 || strcmp(ends[i].name, ends[i - 1].name) != 0)
            each(context, ends[i].name, ends[i].not_after);
    free(ends);
    release(&inventory);
}
