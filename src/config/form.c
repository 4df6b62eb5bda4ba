#include "form.h"

#include "draft.h"

#include "config/suggest.h"

#include <stdarg.h>
#include <stdio.h>

size_t form_enter_key(struct form *f, const char *name)
{
    size_t length = f->path.length;
    if (length > 0)
        text_add_char(&f->path, '.');
    text_add(&f->path, name);
    return length;
}

size_t form_enter_index(struct form *f, size_t index)
{
    size_t length = f->path.length;
    text_format(&f->path, "[%zu]", index);
    return length;
}

void form_leave(struct form *f, size_t length)
{
    f->path.length = length;
    if (f->path.data != NULL)
        f->path.data[length] = '\0';
}

static const char *path_of(const struct form *f)
{
    return f->path.data == NULL ? "" : f->path.data;
}

static void tell(struct form *f, bool at_key, const char *format, va_list arguments)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    (at_key ? problems_error_key : problems_error)(f->problems, path_of(f), "%s", text);
}

void form_error(struct form *f, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(f, false, format, arguments);
    va_end(arguments);
    draft_note(f->broken, path_of(f));
}

void form_conflict(struct form *f, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(f, false, format, arguments);
    va_end(arguments);
}

void form_error_key(struct form *f, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tell(f, true, format, arguments);
    va_end(arguments);
}

/* Does not cut a character in two. */
void form_show_text(const char *text, char ret[FORM_SHOWN_MAX])
{
    struct text t = {0};
    size_t length = strlen(text), shown = length;
    if (length > 60)
        for (shown = 57; shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80;)
            shown--;
    text_add_json(&t, span_of(text, shown));
    if (t.failed)
        snprintf(ret, FORM_SHOWN_MAX, "a text");
    else
        snprintf(ret, FORM_SHOWN_MAX, shown < length ? "%.*s...\"" : "%.*s\"",
                 (int)(t.length - 1 < 150 ? t.length - 1 : 150), t.data);
    text_release(&t);
}

void form_show(const json_t *value, char ret[FORM_SHOWN_MAX])
{
    if (json_is_string(value)) {
        form_show_text(json_string_value(value), ret);
        return;
    }
    if (json_is_object(value) || json_is_array(value)) {
        snprintf(ret, FORM_SHOWN_MAX, json_is_object(value) ? "an object" : "a list");
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    snprintf(ret, FORM_SHOWN_MAX, "%s", text == NULL ? "a value" : text);
    free(text);
}

static struct suggestion suggest_key(enum object_kind kind, const char *name)
{
    size_t count;
    const struct key *keys = keys_of(kind, &count);
    struct suggestion s = {.word = name};
    for (size_t i = 0; i < count; i++)
        suggest_offer(&s, keys[i].name, strlen(keys[i].name));
    return s;
}

/* What was meant is there, and nobody knows what it is. */
static void fill_slips(struct form *f, enum object_kind kind, json_t *object)
{
    const char *name;
    json_t *value, *meant = json_object();
    json_object_foreach(object, name, value)
    {
        struct suggestion s = {.word = ""};
        if (key_find(kind, name) == NULL)
            s = suggest_key(kind, name);
        if (s.best[0] == '\0' || json_object_get(object, s.best) != NULL)
            continue;
        size_t back = form_enter_key(f, s.best);
        draft_note(f->broken, path_of(f));
        form_leave(f, back);
        (void)json_object_set_new(meant, s.best, json_null());
    }
    (void)json_object_update(object, meant);
    json_decref(meant);
}

static void unknown_key(struct form *f, enum object_kind kind, const char *name)
{
    size_t count;
    const struct key *keys = keys_of(kind, &count);
    struct suggestion s = suggest_key(kind, name);
    if (s.best[0] != '\0') {
        form_error_key(f, "unknown key (did you mean \"%s\"?)", s.best);
        return;
    }
    struct text known = {0};
    for (size_t i = 0; i < count; i++)
        if (keys[i].type != TYPE_LATER)
            text_format(&known, "%s%s", known.length == 0 ? "" : ", ", keys[i].name);
    form_error_key(f, "unknown key (known here: %s)", known.failed ? "" : known.data);
    text_release(&known);
}

static void check_object(struct form *f, enum object_kind kind, json_t *object,
                         const json_t *defaults, bool partial);

/* What "defaults" has for this kind of object. */
static const json_t *defaults_of(const struct form *f, enum object_kind kind)
{
    if (kind == OBJECT_listener)
        return json_object_get(f->defaults, "listener");
    return kind == OBJECT_pool ? json_object_get(f->defaults, "pool") : NULL;
}

static void check_missing_one(struct form *f, const char *name, const char *why)
{
    size_t back = form_enter_key(f, name);
    form_error(f, "missing (needed with \"%s\")", why);
    form_leave(f, back);
}

static void check_excluded(struct form *f, const json_t *object, const char *name,
                           const char *other)
{
    if (json_object_get(object, name) == NULL)
        return;
    size_t back = form_enter_key(f, name);
    form_error(f, "not together with \"%s\"", other);
    form_leave(f, back);
}

/* {cert, key} or {pem} or {directory}: the one thing that rows of keys cannot say. */
static void check_certificate(struct form *f, const json_t *object)
{
    bool cert = json_object_get(object, "cert") != NULL;
    bool key = json_object_get(object, "key") != NULL;
    const char *whole = json_object_get(object, "pem") != NULL         ? "pem"
                        : json_object_get(object, "directory") != NULL ? "directory"
                                                                       : NULL;
    if (whole != NULL) {
        check_excluded(f, object, "cert", whole);
        check_excluded(f, object, "key", whole);
        if (strcmp(whole, "pem") == 0)
            check_excluded(f, object, "directory", whole);
    } else if (cert != key) {
        check_missing_one(f, cert ? "key" : "cert", cert ? "cert" : "key");
    } else if (!cert) {
        form_error(f, "needs \"cert\" and \"key\", or \"pem\", or \"directory\"");
    }
}

static void check_inner(struct form *f, const struct key *key, json_t *value)
{
    char shown[FORM_SHOWN_MAX];
    bool or_false = (key->flags & FLAG_OR_FALSE) != 0;
    if (or_false && json_is_false(value))
        return;
    form_show(value, shown);
    if (!json_is_object(value))
        form_error(f, "expected an object%s, got %s", or_false ? " or false" : "", shown);
    else
        check_object(f, key->inner, value, defaults_of(f, key->inner),
                     (key->flags & FLAG_PARTIAL) != 0);
}

/* A number that was too large to be read: told already. */
static bool is_told(const struct form *f, const json_t *value)
{
    return json_is_null(value) && draft_is_noted(f->broken, path_of(f));
}

static void check_one(struct form *f, const struct key *key, json_t *value)
{
    if (is_told(f, value))
        return;
    if (key->type == TYPE_OBJECT || (key->type == TYPE_SERVER && json_is_object(value)))
        check_inner(f, key, value);
    else
        form_check_scalar(f, key, value);
}

static void check_list(struct form *f, const struct key *key, json_t *value)
{
    if (json_array_size(value) == 0 && (key->flags & FLAG_FILLED) != 0)
        form_error(f, "must not be empty");
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t back = form_enter_index(f, i);
        check_one(f, key, json_array_get(value, i));
        form_leave(f, back);
    }
}

static void check_map(struct form *f, const struct key *key, json_t *value)
{
    char shown[FORM_SHOWN_MAX];
    const char *name;
    json_t *entry;
    form_show(value, shown);
    if (!json_is_object(value)) {
        form_error(f, "expected an object of names, got %s", shown);
        return;
    }
    if (json_object_size(value) == 0 && (key->flags & FLAG_FILLED) != 0)
        form_error(f, "must not be empty");
    json_object_foreach(value, name, entry)
    {
        size_t back = form_enter_key(f, name);
        if (name[0] == '\0')
            form_error_key(f, "a name must not be empty");
        if (!is_told(f, entry))
            check_inner(f, key, entry);
        form_leave(f, back);
    }
}

/* The value of a list's only element, to show how a list is written. */
static void expected_list(struct form *f, const json_t *value)
{
    char shown[FORM_SHOWN_MAX];
    form_show(value, shown);
    if (json_is_string(value))
        form_error(f, "expected a list, got %s (write [%s])", shown, shown);
    else
        form_error(f, "expected a list, got %s", shown);
}

static void check_value(struct form *f, const struct key *key, json_t *value)
{
    bool list = json_is_array(value);
    if (is_told(f, value))
        return;
    if (key->type == TYPE_LATER)
        form_error(f, "not supported by this version");
    else if ((key->flags & FLAG_MAP) != 0)
        check_map(f, key, value);
    else if ((key->flags & FLAG_LIST) != 0 && !list)
        expected_list(f, value);
    else if (list && (key->flags & (FLAG_LIST | FLAG_ONE_OR_LIST)) != 0)
        check_list(f, key, value);
    else
        check_one(f, key, value);
}

static void check_missing(struct form *f, enum object_kind kind, const json_t *object,
                          const json_t *defaults)
{
    size_t count;
    const struct key *keys = keys_of(kind, &count);
    for (size_t i = 0; i < count; i++) {
        if ((keys[i].flags & FLAG_REQUIRED) == 0 || json_object_get(object, keys[i].name) != NULL ||
            json_object_get(defaults, keys[i].name) != NULL)
            continue;
        size_t back = form_enter_key(f, keys[i].name);
        form_error(f, "missing (required)");
        form_leave(f, back);
    }
}

/* Depth is bounded by the pass that made the index. */
static void check_object(struct form *f, enum object_kind kind, json_t *object,
                         const json_t *defaults, bool partial)
{
    const char *name;
    json_t *value;
    fill_slips(f, kind, object);
    json_object_foreach(object, name, value)
    {
        const struct key *key = key_find(kind, name);
        size_t back = form_enter_key(f, name);
        if (key == NULL)
            unknown_key(f, kind, name);
        else
            check_value(f, key, value);
        form_leave(f, back);
    }
    if (!partial)
        check_missing(f, kind, object, defaults);
    if (kind == OBJECT_certificate)
        check_certificate(f, object);
}

void form_check(struct form *f, json_t *root)
{
    char shown[FORM_SHOWN_MAX];
    form_show(root, shown);
    if (is_told(f, root))
        return;
    if (!json_is_object(root)) {
        form_error(f, "expected an object, got %s", shown);
        return;
    }
    check_object(f, OBJECT_top, root, NULL, false);
}
