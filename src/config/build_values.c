#include "build.h"
#include "host.h"

#include "base/clock.h"
#include "base/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void *build_array(struct build *b, size_t count, size_t size)
{
    if (count == 0)
        return NULL;
    void *array = calloc(count, size);
    b->failed = b->failed || array == NULL;
    return array;
}

char *build_text(struct build *b, const char *text)
{
    if (text == NULL)
        return NULL;
    char *copy = strdup(text);
    b->failed = b->failed || copy == NULL;
    return copy;
}

char *build_format(struct build *b, const char *format, ...)
{
    char *text;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) {
        text = NULL;
        b->failed = true;
    }
    va_end(arguments);
    return text;
}

const char *build_get_text(const json_t *object, enum key_id id)
{
    const char *text = json_string_value(json_object_get(object, key_at(id)->name));
    return text == NULL ? key_at(id)->fallback : text;
}

uint64_t build_get_duration(const json_t *object, enum key_id id)
{
    uint64_t ms;
    const char *text = build_get_text(object, id);
    return text != NULL && duration_parse(&ms, span_text(text)) ? ms : 0;
}

uint64_t build_get_time(const json_t *object, enum key_id id)
{
    uint64_t seconds;
    const char *text = build_get_text(object, id);
    return text != NULL && clock_parse(&seconds, span_text(text)) ? seconds : 0;
}

uint64_t build_get_size(const json_t *object, enum key_id id)
{
    uint64_t bytes;
    const char *text = build_get_text(object, id);
    return text != NULL && size_parse(&bytes, span_text(text)) ? bytes : 0;
}

struct rate build_get_rate(const json_t *object, enum key_id id)
{
    struct rate rate;
    const char *text = build_get_text(object, id);
    return text != NULL && rate_parse(&rate, span_text(text)) ? rate : (struct rate){0};
}

uint64_t build_get_count(const json_t *object, enum key_id id)
{
    const json_t *value = json_object_get(object, key_at(id)->name);
    const char *fallback = key_at(id)->fallback;
    if (json_is_integer(value))
        return (uint64_t)json_integer_value(value);
    return fallback == NULL ? 0 : strtoull(fallback, NULL, 10);
}

bool build_get_boolean(const json_t *object, enum key_id id)
{
    const json_t *value = json_object_get(object, key_at(id)->name);
    const char *fallback = key_at(id)->fallback;
    if (json_is_boolean(value))
        return json_is_true(value);
    return fallback != NULL && strcmp(fallback, "true") == 0;
}

int build_get_choice(const json_t *object, enum key_id id)
{
    const char *text = build_get_text(object, id), *cursor = key_at(id)->values;
    struct key_value v;
    for (int i = 0; text != NULL && key_next_value(&cursor, &v); i++)
        if (strlen(text) == v.length && memcmp(text, v.text, v.length) == 0)
            return i;
    return -1;
}

size_t build_count_of(const json_t *value)
{
    if (json_is_array(value))
        return json_array_size(value);
    return value == NULL || json_is_null(value) ? 0 : 1;
}

const json_t *build_item(const json_t *value, size_t index)
{
    return json_is_array(value) ? json_array_get(value, index) : value;
}

void build_strings(struct build *b, struct string_list *ret, const json_t *value)
{
    size_t count = build_count_of(value);
    ret->item = build_array(b, count, sizeof *ret->item);
    for (size_t i = 0; ret->item != NULL && i < count; i++) {
        const char *text = json_string_value(build_item(value, i));
        if (text != NULL)
            ret->item[ret->count++] = build_text(b, text);
    }
}

void build_places(struct build *b, struct string_list *ret, const json_t *value)
{
    size_t count = build_count_of(value);
    ret->item = build_array(b, count, sizeof *ret->item);
    for (; ret->item != NULL && ret->count < count; ret->count++) {
        const char *text = json_string_value(build_item(value, ret->count));
        ret->item[ret->count] = build_text(b, text == NULL ? "" : text);
    }
}

void build_cidrs(struct build *b, struct cidr_list *ret, const json_t *value)
{
    size_t count = build_count_of(value);
    ret->item = build_array(b, count, sizeof *ret->item);
    for (size_t i = 0; ret->item != NULL && i < count; i++) {
        const char *text = json_string_value(build_item(value, i));
        if (text != NULL && cidr_parse(&ret->item[ret->count], span_text(text), NULL))
            ret->count++;
    }
}

void build_address(struct build *b, struct model_address *ret, const char *text, char *path)
{
    char name[256];
    bool srv = text != NULL && strncmp(text, SRV_PREFIX, strlen(SRV_PREFIX)) == 0;
    if (text == NULL || !(srv ? host_parse_srv(ret, name, text, NULL)
                              : host_parse(ret, name, text, b->folder, NULL)))
        b->failed = true;
    bool named = ret->kind == HOST_NAME || ret->kind == HOST_SRV;
    ret->text = build_text(b, text);
    ret->path = path;
    ret->name = named ? build_text(b, name) : NULL;
}
