#include "server_change.h"

#include <jansson.h>

static const char *const names[] = {"ready", "drain", "maint"};

const char *server_change_state_name(enum server_state state)
{
    return names[state];
}

static bool read_state(struct server_change *ret, const json_t *value, struct error *error)
{
    const char *text = json_string_value(value);
    for (unsigned i = 0; text != NULL && i < COUNT_OF(names); i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        ret->state = (enum server_state)i;
        return ret->has_state = true;
    }
    return error_input(error, "state is \"ready\", \"drain\" or \"maint\"");
}

static bool read_weight(struct server_change *ret, const json_t *value, struct error *error)
{
    json_int_t weight = json_integer_value(value);
    if (!json_is_integer(value) || weight < 0 || weight > 256)
        return error_input(error, "weight is a number from 0 to 256");
    ret->weight = (unsigned)weight;
    return ret->has_weight = true;
}

static bool read_object(struct server_change *ret, json_t *object, struct error *error)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return error_input(error, "the body is an object of JSON");
    json_object_foreach(object, key, value)
    {
        if (strcmp(key, "state") == 0) {
            if (!read_state(ret, value, error))
                return false;
        } else if (strcmp(key, "weight") == 0) {
            if (!read_weight(ret, value, error))
                return false;
        } else {
            return error_input(error, "unknown key \"%.80s\"; there are state and weight", key);
        }
    }
    return ret->has_state || ret->has_weight ||
           error_input(error, "nothing to change; there are state and weight");
}

bool server_change_parse(struct server_change *ret, struct span body, struct error *error)
{
    json_error_t place;
    json_t *object =
        json_loadb((const char *)body.data, body.length, JSON_REJECT_DUPLICATES, &place);
    if (object == NULL)
        return error_input(error, "the body is no JSON: %s", place.text);
    bool good = read_object(ret, object, error);
    json_decref(object);
    return good;
}
