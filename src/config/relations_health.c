#include "relations.h"

/* Keys that only checks of one type have. */
static const struct {
    const char *key, *type;
} owned[] = {
    {"send", "script"}, {"expect", "script"}, {"send_hex", "script"}, {"expect_hex", "script"},
    {"path", "http"},   {"host", "http"},     {"status", "http"},
};

static bool has(const json_t *object, const char *key)
{
    return json_object_get(object, key) != NULL;
}

static void refuse(struct form *f, const char *key, const char *before, const char *what)
{
    size_t back = form_enter_key(f, key);
    form_conflict(f, "%s \"%s\"", before, what);
    form_leave(f, back);
}

/* What came from "defaults" was meant for the pools whose checks are of that type. */
static void check_owned(struct form *f, const json_t *check, const char *type)
{
    const json_t *inherited = json_object_get(json_object_get(f->defaults, "pool"), "health_check");
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        if (has(check, owned[i].key) && !has(inherited, owned[i].key) &&
            strcmp(type, owned[i].type) != 0)
            refuse(f, owned[i].key, "needs \"type\":", owned[i].type);
}

static void check_pairs(struct form *f, const json_t *check)
{
    if (has(check, "send") && has(check, "send_hex"))
        refuse(f, "send_hex", "not together with", "send");
    if (has(check, "expect") && has(check, "expect_hex"))
        refuse(f, "expect_hex", "not together with", "expect");
}

static void check_script(struct form *f, const json_t *check)
{
    if (!has(check, "send") && !has(check, "send_hex") && !has(check, "expect") &&
        !has(check, "expect_hex"))
        form_conflict(f, "a script needs \"send\" or \"expect\", or both");
}

void relations_check_health(struct form *f, const json_t *pool)
{
    const json_t *check = json_object_get(pool, "health_check");
    const char *type = json_string_value(json_object_get(check, "type"));
    if (!json_is_object(check))
        return;
    bool unknown = draft_is_unknown(check, "type");
    if (type == NULL)
        type = key_at(KEY_health_check_type)->fallback;
    size_t back = form_enter_key(f, "health_check");
    if (!unknown)
        check_owned(f, check, type);
    if (unknown || strcmp(type, "script") == 0)
        check_pairs(f, check);
    if (strcmp(type, "script") == 0)
        check_script(f, check);
    form_leave(f, back);
}
