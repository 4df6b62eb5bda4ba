#include "draft.h"

#include "base/text.h"

static void cut(struct text *path, size_t length)
{
    path->length = length;
    if (path->data != NULL)
        path->data[length] = '\0';
}

/* A parent that is noted has all its parents noted. */
void draft_note(json_t *broken, const char *path)
{
    struct text step = {0};
    text_add(&step, path);
    while (!step.failed && step.length > 0 && json_object_get(broken, step.data) == NULL) {
        size_t length = step.length;
        (void)json_object_set_new(broken, step.data, json_true());
        do
            length--;
        while (length > 0 && step.data[length] != '.' && step.data[length] != '[');
        cut(&step, length);
    }
    text_release(&step);
}

struct pruning {
    const json_t *broken;
    struct text path;
};

static bool is_broken(const struct pruning *p)
{
    return p->path.failed || json_object_get(p->broken, p->path.data) != NULL;
}

static void prune_list(struct pruning *p, json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        size_t back = p->path.length;
        text_format(&p->path, "[%zu]", i);
        if (is_broken(p))
            (void)json_array_set_new(list, i, json_null());
        cut(&p->path, back);
    }
}

/* A rule's policy builds on the listener's: without that one, neither can be looked at. */
static void prune_terminating(json_t *rules)
{
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const char *tls = json_string_value(json_object_get(json_array_get(rules, i), "tls"));
        if (tls != NULL && strcmp(tls, "terminate") == 0)
            (void)json_array_set_new(rules, i, json_null());
    }
}

/* One listener or pool: of its list the broken elements go, else the whole key. */
static void prune_object(struct pruning *p, json_t *object, const char *list)
{
    const char *key;
    void *next;
    json_t *value;
    bool tls = json_object_get(object, "tls") != NULL;
    json_object_foreach_safe(object, next, key, value)
    {
        size_t back = p->path.length;
        text_format(&p->path, ".%s", key);
        bool broken = is_broken(p);
        if (broken && strcmp(key, list) == 0 && json_is_array(value))
            prune_list(p, value);
        else if (broken)
            (void)json_object_del(object, key);
        cut(&p->path, back);
    }
    if (tls && json_object_get(object, "tls") == NULL)
        prune_terminating(json_object_get(object, "rules"));
}

static void prune_map(struct pruning *p, json_t *root, const char *map, const char *list)
{
    const char *name;
    void *next;
    json_t *value, *objects = json_object_get(root, map);
    json_object_foreach_safe(objects, next, name, value)
    {
        text_clear(&p->path);
        text_format(&p->path, "%s.%s", map, name);
        if (!json_is_object(value))
            (void)json_object_del(objects, name);
        else if (is_broken(p))
            prune_object(p, value, list);
    }
}

json_t *draft_prune(const json_t *merged, const json_t *broken)
{
    static const char *const others[] = {"log",   "limits",        "workers", "user",
                                         "group", "drain_timeout", "ledger"};
    struct pruning p = {.broken = broken};
    if (broken == NULL || json_object_get(broken, "defaults") != NULL)
        return NULL;
    json_t *root = json_deep_copy(merged);
    if (root == NULL)
        return NULL;
    prune_map(&p, root, "listeners", "rules");
    prune_map(&p, root, "pools", "servers");
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (json_object_get(broken, others[i]) != NULL)
            (void)json_object_del(root, others[i]);
    text_release(&p.path);
    return root;
}
