#include "draft.h"

#include "base/text.h"

#include <stdlib.h>

void draft_note(json_t *broken, const char *path)
{
    (void)json_object_set_new(broken, path, json_true());
}

bool draft_is_noted(const json_t *broken, const char *path)
{
    return json_object_get(broken, path) != NULL;
}

struct pruning {
    const json_t *broken;
    const struct locations *locations;
    struct text path; /* of the value at hand */
    bool failed;
};

static void cut(struct text *path, size_t length)
{
    path->length = length;
    if (path->data != NULL)
        path->data[length] = '\0';
}

static bool is_broken(struct pruning *p)
{
    struct location place;
    char *own = NULL;
    if (p->path.failed)
        return false;
    (void)!locations_resolve(p->locations, p->path.data, &place, &own);
    bool broken = own != NULL && draft_is_noted(p->broken, own);
    p->failed = p->failed || own == NULL;
    free(own);
    return broken;
}

static void prune(struct pruning *p, json_t *container);

/* Whether the value at p->path is to be replaced; looks into it where it is not. What stands for a
 * slip (form.h) is in no index, and null already. */
static bool prune_value(struct pruning *p, json_t *value)
{
    if (json_is_null(value))
        return false;
    if (is_broken(p))
        return true;
    if (json_is_object(value) || json_is_array(value))
        prune(p, value);
    return false;
}

/* Depth is bounded by the pass that made the index. */
static void prune(struct pruning *p, json_t *container)
{
    const char *key;
    json_t *value;
    size_t index, back = p->path.length;
    json_object_foreach(container, key, value)
    {
        text_format(&p->path, back == 0 ? "%s" : ".%s", key);
        if (prune_value(p, value) && json_object_set_new(container, key, json_null()) != 0)
            p->failed = true;
        cut(&p->path, back);
    }
    json_array_foreach(container, index, value)
    {
        text_format(&p->path, "[%zu]", index);
        if (prune_value(p, value) && json_array_set_new(container, index, json_null()) != 0)
            p->failed = true;
        cut(&p->path, back);
    }
}

json_t *draft_prune(json_t *merged, const json_t *broken, const struct locations *locations)
{
    struct pruning p = {.broken = broken, .locations = locations};
    if (json_object_size(broken) == 0)
        return json_incref(merged);
    json_t *rest = json_deep_copy(merged);
    if (rest != NULL)
        prune(&p, rest);
    if (rest != NULL && (p.failed || p.path.failed)) {
        json_decref(rest);
        rest = NULL;
    }
    text_release(&p.path);
    return rest;
}
