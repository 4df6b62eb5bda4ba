#include "inventory.h"

#include "base/clock.h"

#include <stdlib.h>

/* A certificate as one listener has it. Texts are owned. */
struct item {
    char *file, *json; /* of the certificate, without its listeners */
    char **names;
    size_t name_count;
    int64_t not_after;
    const char *listener; /* borrowed from the snapshot */
};

struct inventory {
    struct item *items;
    size_t count, room;
    const char *listener; /* being looked at */
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
    *item = (struct item){.listener = inventory->listener};
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
    inventory->failed = inventory->failed || item->file == NULL || item->json == NULL ||
                        !copy_names(item, shown);
}

static void collect(struct inventory *inventory, const struct snapshot *snapshot)
{
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

static void release(struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->count; i++) {
        struct item *item = &inventory->items[i];
        for (size_t n = 0; n < item->name_count; n++)
            free(item->names[n]);
        free(item->names);
        free(item->file);
        free(item->json);
    }
    free(inventory->items);
}

/* --- the list --------------------------------------------------------------------------------- */

static int compare_items(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    int order = strcmp(a->file, b->file);
    if (order == 0)
        order = strcmp(a->json, b->json);
    return order != 0 ? order : strcmp(a->listener, b->listener);
}

/* The listeners of items that are the same certificate of the same file; returns their number. */
static size_t add_group(struct text *ret, const struct item *first, size_t left)
{
    size_t count = 0;
    const char *before = NULL;
    text_add(ret, "{");
    text_add(ret, first->json);
    text_add(ret, ", \"listeners\": [");
    for (; count < left && strcmp(first[count].json, first->json) == 0; count++) {
        const char *listener = first[count].listener;
        if (before != NULL && strcmp(before, listener) == 0)
            continue;
        text_add(ret, before == NULL ? "" : ", ");
        text_add_json(ret, span_text(listener));
        before = listener;
    }
    text_add(ret, "]}");
    return count;
}

void inventory_describe(const struct snapshot *snapshot, struct text *ret)
{
    struct inventory inventory = {0};
    collect(&inventory, snapshot);
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
    collect(&inventory, snapshot);
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
