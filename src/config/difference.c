#include "config/difference.h"

#include "config/config.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const subjects[DIFFERENCE_SUBJECTS][2] = {
    [DIFFERENCE_LISTENER] = {"listener", "listeners"},
    [DIFFERENCE_RULE] = {"rule", "rules"},
    [DIFFERENCE_POOL] = {"pool", "pools"},
    [DIFFERENCE_SERVER] = {"server", "servers"},
    [DIFFERENCE_SETTING] = {"setting", "settings"},
};

static const char *const changes[] = {
    [DIFFERENCE_ADDED] = "added",
    [DIFFERENCE_REMOVED] = "removed",
    [DIFFERENCE_CHANGED] = "changed",
};

/* --- the list --------------------------------------------------------------------------------- */

/* A comparison on its way; failure is sticky. */
struct search {
    struct difference *found;
    bool failed;
};

static void note(struct search *s, enum difference_change change, enum difference_subject subject,
                 const char *path, const char *name)
{
    struct difference *d = s->found;
    struct difference_item *items = realloc(d->items, (d->count + 1) * sizeof *items);
    if (items == NULL) {
        s->failed = true;
        return;
    }
    d->items = items;
    items[d->count] = (struct difference_item){change, subject, strdup(path), strdup(name)};
    s->failed = s->failed || items[d->count].path == NULL || items[d->count].name == NULL;
    d->count++;
}

void difference_release(struct difference *difference)
{
    for (size_t i = 0; i < difference->count; i++) {
        free(difference->items[i].path);
        free(difference->items[i].name);
    }
    free(difference->items);
    *difference = (struct difference){0};
}

/* --- lists of things with names: rules, servers ----------------------------------------------- */

struct named_list {
    const char *parent, *key; /* "listeners.combined", "rules" */
    enum difference_subject subject;
};

static void note_at(struct search *s, enum difference_change change, const struct named_list *list,
                    size_t index, const char *name)
{
    struct text path = {0};
    text_format(&path, "%s.%s[%zu]", list->parent, list->key, index);
    if (path.failed)
        s->failed = true;
    else
        note(s, change, list->subject, path.data, name);
    text_release(&path);
}

static const char *name_of(const json_t *thing)
{
    const char *name = json_string_value(json_object_get(thing, "name"));
    return name == NULL ? "" : name;
}

/* How many before it have its name, too. */
static size_t rank_of(const json_t *list, size_t index)
{
    size_t rank = 0;
    const char *name = name_of(json_array_get(list, index));
    for (size_t i = 0; i < index; i++)
        rank += strcmp(name_of(json_array_get(list, i)), name) == 0;
    return rank;
}

/* The thing of that name, of several the one of that rank; NULL: there is none. */
static const json_t *find_named(const json_t *list, const char *name, size_t rank)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *thing = json_array_get(list, i);
        if (strcmp(name_of(thing), name) == 0 && rank-- == 0)
            return thing;
    }
    return NULL;
}

static void compare_named(struct search *s, const struct named_list *list, const json_t *before,
                          const json_t *after)
{
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *now = json_array_get(after, i);
        const json_t *then = find_named(before, name_of(now), rank_of(after, i));
        if (then == NULL)
            note_at(s, DIFFERENCE_ADDED, list, i, name_of(now));
        else if (!json_equal(then, now))
            note_at(s, DIFFERENCE_CHANGED, list, i, name_of(now));
    }
    for (size_t i = 0; i < json_array_size(before); i++) {
        const char *name = name_of(json_array_get(before, i));
        if (find_named(after, name, rank_of(before, i)) == NULL)
            note_at(s, DIFFERENCE_REMOVED, list, i, name);
    }
}

/* --- listeners and pools ---------------------------------------------------------------------- */

/* Objects by name, each with a list that is compared on its own. */
struct family {
    const char *key, *list; /* "listeners", "rules" */
    enum difference_subject subject, listed;
};

static const struct family families[] = {
    {"listeners", "rules", DIFFERENCE_LISTENER, DIFFERENCE_RULE},
    {"pools", "servers", DIFFERENCE_POOL, DIFFERENCE_SERVER},
};

/* Compares two of one name, and takes their lists out. */
static void compare_member(struct search *s, const struct family *family, const char *path,
                           const char *name, json_t *then, json_t *now)
{
    const struct named_list list = {path, family->list, family->listed};
    json_t *before = json_incref(json_object_get(then, family->list));
    json_t *after = json_incref(json_object_get(now, family->list));
    (void)json_object_del(then, family->list);
    (void)json_object_del(now, family->list);
    if (!json_equal(then, now))
        note(s, DIFFERENCE_CHANGED, family->subject, path, name);
    compare_named(s, &list, before, after);
    json_decref(before);
    json_decref(after);
}

static void compare_family(struct search *s, const struct family *family, json_t *before,
                           json_t *after)
{
    const char *name;
    json_t *now, *then;
    struct text path = {0};
    json_object_foreach(after, name, now)
    {
        text_clear(&path);
        text_format(&path, "%s.%s", family->key, name);
        s->failed = s->failed || path.failed;
        if (s->failed)
            break;
        then = json_object_get(before, name);
        if (then == NULL)
            note(s, DIFFERENCE_ADDED, family->subject, path.data, name);
        else
            compare_member(s, family, path.data, name, then, now);
    }
    json_object_foreach(before, name, then)
    {
        text_clear(&path);
        text_format(&path, "%s.%s", family->key, name);
        s->failed = s->failed || path.failed;
        if (!s->failed && json_object_get(after, name) == NULL)
            note(s, DIFFERENCE_REMOVED, family->subject, path.data, name);
    }
    text_release(&path);
}

/* --- the rest of the top level ---------------------------------------------------------------- */

static void compare_settings(struct search *s, json_t *before, json_t *after)
{
    const char *key;
    json_t *value;
    json_object_foreach(after, key, value)
    {
        const json_t *then = json_object_get(before, key);
        if (then == NULL)
            note(s, DIFFERENCE_ADDED, DIFFERENCE_SETTING, key, key);
        else if (!json_equal(then, value))
            note(s, DIFFERENCE_CHANGED, DIFFERENCE_SETTING, key, key);
    }
    json_object_foreach(before, key, value)
    {
        if (json_object_get(after, key) == NULL)
            note(s, DIFFERENCE_REMOVED, DIFFERENCE_SETTING, key, key);
    }
}

static json_t *tree_of(const struct model *model)
{
    struct text text = {0};
    json_t *tree = config_dump(model, &text) ? json_loadb(text.data, text.length, 0, NULL) : NULL;
    text_release(&text);
    return tree;
}

bool difference_find(struct difference *ret, const struct model *before, const struct model *after)
{
    struct search s = {.found = ret};
    json_t *then = tree_of(before), *now = tree_of(after);
    *ret = (struct difference){0};
    s.failed = then == NULL || now == NULL;
    for (size_t i = 0; !s.failed && i < COUNT_OF(families); i++) {
        compare_family(&s, &families[i], json_object_get(then, families[i].key),
                       json_object_get(now, families[i].key));
        (void)json_object_del(then, families[i].key);
        (void)json_object_del(now, families[i].key);
    }
    if (!s.failed)
        compare_settings(&s, then, now);
    json_decref(then);
    json_decref(now);
    return !s.failed;
}

/* --- telling it ------------------------------------------------------------------------------- */

static size_t count_of(const struct difference *d, size_t subject, size_t change)
{
    size_t count = 0;
    for (size_t i = 0; i < d->count; i++)
        count += d->items[i].subject == subject && d->items[i].change == change;
    return count;
}

void difference_add_summary(const struct difference *difference, struct text *ret)
{
    bool first = true;
    for (size_t s = 0; s < DIFFERENCE_SUBJECTS; s++) {
        for (size_t c = 0; c < COUNT_OF(changes); c++) {
            size_t count = count_of(difference, s, c);
            if (count == 0)
                continue;
            text_format(ret, "%s%zu %s %s", first ? "" : ", ", count, subjects[s][count != 1],
                        changes[c]);
            first = false;
        }
    }
    if (first)
        text_add(ret, "none");
}

void difference_add_json(const struct difference *difference, struct text *ret)
{
    text_add_char(ret, '[');
    for (size_t i = 0; i < difference->count; i++) {
        const struct difference_item *item = &difference->items[i];
        text_format(ret,
                    "%s\n  {\"change\": \"%s\", \"what\": \"%s\", \"path\": ", i == 0 ? "" : ",",
                    changes[item->change], subjects[item->subject][0]);
        text_add_json(ret, span_text(item->path));
        text_add(ret, ", \"name\": ");
        text_add_json(ret, span_text(item->name));
        text_add_char(ret, '}');
    }
    text_add(ret, difference->count == 0 ? "]" : "\n]");
}
