#include "merge.h"

#include "base/text.h"

/* --- what a key of one's own puts out of the way ---------------------------------------------- */

static bool is_true(const json_t *value)
{
    return json_is_true(value);
}

static bool is_there(const json_t *value)
{
    return value != NULL;
}

/* Without fields to pass on in. */
static bool is_other_header(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && strncmp(text, "v2", 2) != 0;
}

/* Keys that exclude each other: whoever sets one takes back what "defaults" has of the other. */
static const struct {
    const char *object; /* the one within; NULL: the listener or pool itself */
    const char *own, *partner;
    bool (*excludes)(const json_t *own);
} exclusions[] = {
    {NULL, "source", "transparent", is_there},
    {NULL, "transparent", "source", is_true},
    {NULL, "proxy_protocol", "pass_tlvs", is_other_header},
    {"health_check", "send", "send_hex", is_there},
    {"health_check", "send_hex", "send", is_there},
    {"health_check", "expect", "expect_hex", is_there},
    {"health_check", "expect_hex", "expect", is_there},
};

static void displace(json_t *defaults, const json_t *own)
{
    for (size_t i = 0; i < COUNT_OF(exclusions); i++) {
        const char *object = exclusions[i].object;
        const json_t *mine = object == NULL ? own : json_object_get(own, object);
        json_t *theirs = object == NULL ? defaults : json_object_get(defaults, object);
        if (exclusions[i].excludes(json_object_get(mine, exclusions[i].own)))
            (void)json_object_del(theirs, exclusions[i].partner);
    }
}

/* --- merging ---------------------------------------------------------------------------------- */

/* Objects merge key by key, everything else is replaced. */
static json_t *merge_one(const json_t *defaults, json_t *own)
{
    if (!json_is_object(defaults) || !json_is_object(own))
        return json_incref(own);
    json_t *merged = json_deep_copy(defaults);
    if (merged != NULL)
        displace(merged, own);
    if (merged != NULL && json_object_update_recursive(merged, own) == 0)
        return merged;
    json_decref(merged);
    return NULL;
}

static bool merge_map(json_t *merged, const char *map, const json_t *defaults)
{
    json_t *own = json_object_get(merged, map), *value, *result = json_object();
    const char *name;
    if (!json_is_object(own) || !json_is_object(defaults)) {
        json_decref(result);
        return result != NULL;
    }
    json_object_foreach(own, name, value)
    {
        if (json_object_set_new(result, name, merge_one(defaults, value)) != 0) {
            json_decref(result);
            return false;
        }
    }
    return json_object_set_new(merged, map, result) == 0;
}

static void inherit(struct locations *l, const char *map, const char *name, const char *defaults)
{
    struct text path = {0}, source = {0};
    text_format(&path, "%s.%s", map, name);
    text_format(&source, "defaults.%s", defaults);
    if (!path.failed && !source.failed)
        locations_inherit(l, path.data, source.data);
    text_add(&path, ".tls");
    text_add(&source, ".tls");
    if (!path.failed && !source.failed)
        locations_inherit(l, path.data, source.data);
    text_release(&path);
    text_release(&source);
}

static void inherit_map(struct locations *l, const json_t *root, const char *map,
                        const char *defaults)
{
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(root, map), name, value) inherit(l, map, name, defaults);
}

json_t *merge_defaults(const json_t *root, struct locations *locations)
{
    const json_t *defaults = json_object_get(root, "defaults");
    json_t *merged = json_copy((json_t *)(uintptr_t)root);
    if (merged == NULL || !merge_map(merged, "listeners", json_object_get(defaults, "listener")) ||
        !merge_map(merged, "pools", json_object_get(defaults, "pool"))) {
        json_decref(merged);
        return NULL;
    }
    if (defaults != NULL) {
        inherit_map(locations, root, "listeners", "listener");
        inherit_map(locations, root, "pools", "pool");
    }
    return merged;
}
