#include "config/config.h"

#include "build.h"
#include "draft.h"
#include "form.h"
#include "locate.h"
#include "relations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void out_of_memory(struct config *config)
{
    problems_file(config->problems, "out of memory");
}

static void report_repeated(void *context, const char *path, struct place key, struct place first)
{
    problems_error_at(context, key.line, key.column, path, "repeated key (first in line %d)",
                      first.line);
}

/* Form first, then relations; both on the whole file. */
static void check(struct config *config, struct form *form, const json_t *root,
                  const json_t *merged)
{
    locations_repeated(config->locations, report_repeated, config->problems);
    form_check(form, root);
    if (!relations_check(form, merged, config->locations) || form->path.failed ||
        form->broken == NULL)
        out_of_memory(config);
    text_release(&form->path);
}

static void build_draft(struct config *config, const char *file, const char *folder,
                        const json_t *merged, const json_t *broken)
{
    json_t *rest = draft_prune(merged, broken);
    if (rest != NULL)
        config->draft = build_model(rest, file, folder);
    json_decref(rest);
}

static void build(struct config *config, const char *file, const char *folder, const json_t *merged)
{
    config->model = build_model(merged, file, folder);
    if (config->model == NULL)
        out_of_memory(config);
}

static void check_and_build(struct config *config, const char *file, const char *folder,
                            const json_t *root)
{
    json_t *merged = json_is_object(root) ? relations_merge(root, config->locations)
                                          : json_object();
    struct form form = {.problems = config->problems,
                        .folder = folder,
                        .defaults = json_object_get(root, "defaults"),
                        .broken = json_object()};
    if (merged == NULL)
        out_of_memory(config);
    else
        check(config, &form, root, merged);
    if (problems_errors(config->problems) == 0)
        build(config, file, folder, merged);
    else if (merged != NULL)
        build_draft(config, file, folder, merged, form.broken);
    json_decref(form.broken);
    json_decref(merged);
}

/* The scanner has found every syntax error that there is; what jansson may still say is told, too.
 */
static json_t *load(struct config *config, const char *text, size_t length)
{
    struct place where;
    char fault[160];
    json_error_t error;
    if (!locations_create(&config->locations, text, length, &where, fault, sizeof fault)) {
        problems_syntax(config->problems, where.line, where.column, "%s", fault);
        return NULL;
    }
    problems_locate(config->problems, config->locations);
    json_t *root = json_loadb(text, length, JSON_DECODE_ANY, &error);
    if (root == NULL)
        problems_syntax(config->problems, error.line, error.column, "%s", error.text);
    return root;
}

static void read_text(struct config *config, const char *file, const char *folder, const char *text,
                      size_t length)
{
    json_t *root = load(config, text, length);
    if (root != NULL)
        check_and_build(config, file, folder, root);
    json_decref(root);
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

/* Room for the problems, so that every other failure can be told. */
static bool begin(struct config *ret, const char *file)
{
    *ret = (struct config){0};
    return problems_create(&ret->problems, file);
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
