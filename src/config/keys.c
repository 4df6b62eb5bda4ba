#include "keys.h"

#include <string.h>

static const struct key table[KEY_COUNT] = {
#define KEY(object, id, name, type, flags, min, max, fallback, values, inner, help)                \
    [KEY_##object##_##                                                                             \
        id] = {OBJECT_##object, name, type, flags, min, max, fallback, values, inner, help},
#include "keys.def"
};

const struct key *key_at(enum key_id id)
{
    return &table[id];
}

const struct key *keys_of(enum object_kind object, size_t *ret_count)
{
    size_t first = 0;
    while (first < KEY_COUNT && table[first].object != object)
        first++;
    size_t end = first;
    while (end < KEY_COUNT && table[end].object == object)
        end++;
    *ret_count = end - first;
    return table + first;
}

const struct key *key_find(enum object_kind object, const char *name)
{
    size_t count;
    const struct key *keys = keys_of(object, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

bool key_next_value(const char **cursor, struct key_value *ret)
{
    const char *text = *cursor;
    if (text == NULL || *text == '\0')
        return false;
    size_t length = strcspn(text, "|");
    *cursor = text[length] == '|' ? text + length + 1 : text + length;
    ret->supported = length == 0 || text[length - 1] != '!';
    ret->text = text;
    ret->length = ret->supported ? length : length - 1;
    return true;
}
