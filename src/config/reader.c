#include "config/config.h"

#include "build.h"
#include "draft.h"
#include "form.h"
#include "locate.h"
#include "merge.h"
#include "relations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Room for the problems, so that every other failure can be told. */
static bool begin(struct config *ret, const char *file)
{
    *ret = (struct config){0};
    return problems_create(&ret->problems, file);
}

static void out_of_memory(struct config *config)
{
    problems_file(config->problems, "out of memory");
}

static void report_repeated(void *context, const char *path, struct place key, struct place first)
{
    problems_error_at(context, key.line, key.column, path, "repeated key (first in line %d)",
                      first.line);
}

/* What the form leaves of the file, defaults merged in; NULL when memory is out. */
static json_t *check_form(struct config *config, struct form *form, json_t *root)
{
    locations_repeated(config->locations, report_repeated, config->problems);
    form_check(form, root);
    json_t *merged = json_is_object(root) ? merge_defaults(root, config->locations) : json_object();
    json_t *rest = merged == NULL ? NULL : draft_prune(merged, form->broken, config->locations);
    json_decref(merged);
    return rest;
}

/* What all checks of this floor leave: each looks at what is sound for the one before. */
static json_t *check(struct config *config, struct form *form, json_t *root)
{
    json_t *rest = check_form(config, form, root), *sound = NULL;
    if (rest != NULL && relations_check(form, rest, config->locations))
        sound = draft_prune(rest, form->broken, config->locations);
    json_decref(rest);
    return sound;
}

static void build(struct config *config, const char *file, const char *folder, const json_t *sound)
{
    struct model *model = build_model(sound, file, folder);
    if (model == NULL)
        out_of_memory(config);
    else if (problems_errors(config->problems) == 0)
        config->model = model;
    else
        config->draft = model;
}

static void note_too_large(void *context, const char *path, size_t at)
{
    const struct form *form = context;
    (void)at;
    problems_error(form->problems, path, "the number is too large");
    draft_note(form->broken, path);
}

static void check_and_build(struct config *config, const char *file, const char *folder,
                            json_t *root)
{
    struct form form = {.problems = config->problems,
                        .folder = folder,
                        .defaults = json_object_get(root, "defaults"),
                        .broken = json_object()};
    if (form.broken != NULL)
        locations_too_large(config->locations, note_too_large, &form);
    json_t *sound = form.broken == NULL ? NULL : check(config, &form, root);
    if (sound == NULL || form.path.failed)
        out_of_memory(config);
    else
        build(config, file, folder, sound);
    text_release(&form.path);
    json_decref(form.broken);
    json_decref(sound);
}

/* --- the text --------------------------------------------------------------------------------- */

/* "MAP.NAME" or "MAP.NAME.tls"; the name may hold anything. */
static json_t *find_named(json_t *root, const char *map, const char *path)
{
    const json_t *objects = json_object_get(root, map);
    size_t length = strlen(map);
    if (strncmp(path, map, length) != 0 || path[length] != '.')
        return NULL;
    const char *name = path + length + 1;
    json_t *found = json_object_get(objects, name);
    if (found != NULL || strlen(name) < 4 || strcmp(name + strlen(name) - 4, ".tls") != 0)
        return found;
    char *owner = strndup(name, strlen(name) - 4); /* without memory it stays hidden */
    found = owner == NULL ? NULL : json_object_get(json_object_get(objects, owner), "tls");
    free(owner);
    return found;
}

/* The object that the file has at one of the paths whose keys others need: names of the user's,
 * keys that are lent, keys that are required. */
static json_t *find_shared(json_t *root, const char *path)
{
    json_t *defaults = json_object_get(root, "defaults");
    if (strcmp(path, "defaults.listener") == 0)
        return json_object_get(defaults, "listener");
    if (strcmp(path, "defaults.pool") == 0)
        return json_object_get(defaults, "pool");
    bool shared = strcmp(path, "listeners") == 0 || strcmp(path, "pools") == 0 ||
                  strcmp(path, "defaults") == 0;
    if (shared)
        return json_object_get(root, path);
    json_t *listener = find_named(root, "listeners", path);
    return listener != NULL ? listener : find_named(root, "pools", path);
}

struct repeated {
    json_t *root;
    const char *text;
    size_t length;
};

/* Of repeated keys the last counts. What the others held of "pools" and the like is looked at all
 * the same where the last lacks it, so that nothing is called missing that stands there. */
static void add_hidden(void *context, const char *path, size_t at)
{
    const struct repeated *r = context;
    json_t *shared = find_shared(r->root, path);
    if (shared == NULL)
        return;
    json_t *hidden =
        json_loadb(r->text + at, r->length - at, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, NULL);
    if (json_is_object(shared) && json_is_object(hidden))
        (void)json_object_update_missing(shared, hidden);
    json_decref(hidden);
}

/* In place of what jansson could not hold it reads null. The shortest such number has five bytes.
 */
static void blank_number(void *context, const char *path, size_t at)
{
    char *text = context;
    size_t length = strspn(text + at, "0123456789.eE+-");
    (void)path;
    memset(text + at, ' ', length);
    memcpy(text + at, "null", 4);
}

/* A copy for jansson; sound JSON has no NUL in it. */
static char *blanked(const struct locations *locations, const char *text, size_t length)
{
    char *copy = strndup(text, length);
    if (copy != NULL)
        locations_too_large(locations, blank_number, copy);
    return copy;
}

/* The scanner has found every syntax error that there is; what jansson may still say is told, too.
 */
static json_t *parse(struct config *config, const char *text, size_t length)
{
    json_error_t error;
    json_t *root = json_loadb(text, length, JSON_DECODE_ANY, &error);
    if (root == NULL)
        problems_syntax(config->problems, error.line, error.column, "%s", error.text);
    struct repeated repeated = {root, text, length};
    locations_hidden(config->locations, add_hidden, &repeated);
    return root;
}

static void read_once(struct config *config, const char *file, const char *folder, const char *text,
                      size_t length)
{
    struct place where;
    char fault[160], *own;
    if (!locations_create(&config->locations, text, length, &where, fault, sizeof fault)) {
        problems_syntax(config->problems, where.line, where.column, "%s", fault);
        return;
    }
    problems_locate(config->problems, config->locations);
    own = blanked(config->locations, text, length);
    if (own == NULL) {
        out_of_memory(config);
        return;
    }
    json_t *root = parse(config, own, length);
    if (root != NULL)
        check_and_build(config, file, folder, root);
    json_decref(root);
    free(own);
}

/* --- what repeated keys hide ------------------------------------------------------------------ */

struct reading {
    struct config *config;
    const char *file, *folder, *text;
    size_t length;
    size_t budget; /* bytes that may still be read once more */
};

/* Where the value at byte `at` ends. */
static size_t end_of_value(const char *text, size_t length, size_t at)
{
    json_error_t error;
    json_t *value =
        json_loadb(text + at, length - at, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &error);
    size_t end = value == NULL ? at : at + (size_t)error.position;
    json_decref(value);
    return end;
}

/* Gets a key that nobody has, and a value that says nothing. Lines stay where they are. */
static void blank_member(void *context, size_t key_at, size_t value_at)
{
    const struct reading *copy = context;
    char *text = (char *)(uintptr_t)copy->text;
    size_t end = end_of_value(text, copy->length, value_at);
    for (size_t i = key_at + 1; text[i] != '"'; i++) {
        if (text[i] == '\\')
            text[i + 1] = '~';
        text[i] = '~';
    }
    for (size_t i = value_at; i < end; i++)
        if (text[i] != '\n')
            text[i] = ' ';
    text[value_at] = '0';
}

/* Reads the file as if the value at byte `at` were the one that counts, and takes over what is
 * wrong in it. */
static void judge_hidden(void *context, const char *path, size_t at)
{
    struct reading *r = context;
    struct config other;
    (void)path;
    if (r->budget < r->length)
        return;
    r->budget -= r->length;
    size_t end = end_of_value(r->text, r->length, at);
    char *copy = strndup(r->text, r->length);
    if (copy == NULL || !begin(&other, r->file)) {
        free(copy);
        out_of_memory(r->config);
        return;
    }
    struct reading own = {.text = copy, .length = r->length};
    locations_rivals(r->config->locations, at, blank_member, &own);
    read_once(&other, r->file, r->folder, copy, r->length);
    problems_take_errors(r->config->problems, other.problems,
                         locations_place(r->config->locations, (uint32_t)at),
                         locations_place(r->config->locations, (uint32_t)end));
    config_free(&other);
    free(copy);
}

static void read_text(struct config *config, const char *file, const char *folder, const char *text,
                      size_t length)
{
    struct reading r = {config, file, folder, text, length, LOCATE_MAX_BYTES};
    read_once(config, file, folder, text, length);
    if (config->locations != NULL)
        locations_hidden(config->locations, judge_hidden, &r);
}

/* The same folder wherever the process goes; symlinks on the way are kept, as they may be swapped.
 */
static char *absolute_folder(const char *folder)
{
    char *here, *absolute = NULL;
    if (folder[0] == '/')
        return strdup(folder);
    here = getcwd(NULL, 0);
    if (here != NULL && (folder[0] == '\0' || strcmp(folder, ".") == 0))
        return here;
    if (here != NULL &&
        asprintf(&absolute, "%s/%s", strcmp(here, "/") == 0 ? "" : here, folder) < 0)
        absolute = NULL;
    free(here);
    return absolute;
}

static char *folder_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    size_t length = slash == NULL ? 0 : slash == file ? 1 : (size_t)(slash - file);
    return strndup(slash == NULL ? "." : file, slash == NULL ? 1 : length);
}

bool config_read_text(struct config *ret, const char *file, const char *folder, const char *text,
                      size_t length)
{
    if (!begin(ret, file))
        return false;
    char *absolute = absolute_folder(folder);
    if (absolute == NULL)
        problems_file(ret->problems, "cannot find the current folder: %s", strerror(errno));
    else
        read_text(ret, file, absolute, text, length);
    free(absolute);
    return ret->model != NULL;
}

/* A regular file whole, or a pipe to its end; `*ret` is the caller's. */
static bool read_all(int fd, struct text *ret, int *ret_errno)
{
    char piece[65536];
    ssize_t got;
    while (ret->length <= LOCATE_MAX_BYTES && (got = read(fd, piece, sizeof piece)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        *ret_errno = errno;
        if (got < 0)
            return false;
        text_add_span(ret, span_of(piece, (size_t)got));
        *ret_errno = ENOMEM;
        if (ret->failed)
            return false;
    }
    *ret_errno = EFBIG;
    return ret->length <= LOCATE_MAX_BYTES;
}

bool config_read_file(struct config *ret, const char *file)
{
    struct text text = {0};
    int error = 0;
    if (!begin(ret, file))
        return false;
    char *folder = folder_of(file);
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        error = errno;
    if (fd >= 0 && read_all(fd, &text, &error))
        error = 0;
    if (fd >= 0)
        close(fd);
    struct problems *problems = ret->problems;
    if (error != 0) {
        problems_file(problems, "cannot read: %s", strerror(error));
    } else if (folder == NULL) {
        out_of_memory(ret);
    } else {
        problems_free(problems);
        (void)!config_read_text(ret, file, folder, text.data == NULL ? "" : text.data, text.length);
    }
    free(folder);
    text_release(&text);
    return ret->model != NULL;
}

void config_free(struct config *config)
{
    model_free(config->model);
    model_free(config->draft);
    problems_free(config->problems);
    locations_free(config->locations);
    *config = (struct config){0};
}
