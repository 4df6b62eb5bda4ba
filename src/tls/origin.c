#include "tls/origin.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX ".pem"

static char *join(const char *folder, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* NULL stays NULL. */
static bool copy(char **ret, const char *text)
{
    *ret = text == NULL ? NULL : strdup(text);
    return *ret != NULL || text == NULL;
}

static void release_source(struct tls_source *source)
{
    tls_credential_unref(source->credential);
    free(source->certificate);
    free(source->key);
}

static bool init_pair(struct tls_origin *origin, const struct model_certificate *model)
{
    origin->sources = calloc(1, sizeof *origin->sources);
    if (origin->sources == NULL)
        return false;
    origin->count = 1;
    return copy(&origin->sources[0].certificate, model->cert) &&
           copy(&origin->sources[0].key, model->key);
}

static bool init_folder(struct tls_origin *origin, const struct model_certificate *model)
{
    origin->folder = strdup(model->directory);
    origin->watch = join(model->directory, "*" SUFFIX);
    return origin->folder != NULL && origin->watch != NULL;
}

bool tls_origin_init(struct tls_origin *ret, const struct model_certificate *model)
{
    *ret = (struct tls_origin){.pem = model->pem};
    ret->path = strdup(model->path);
    if (ret->path == NULL)
        return false;
    return model->directory != NULL ? init_folder(ret, model) : init_pair(ret, model);
}

void tls_origin_release(struct tls_origin *origin)
{
    for (size_t i = 0; i < origin->count; i++)
        release_source(&origin->sources[i]);
    free(origin->sources);
    free(origin->path);
    free(origin->folder);
    free(origin->watch);
}

const char *tls_origin_key(const struct tls_origin *origin, enum tls_part part)
{
    if (origin->folder != NULL)
        return "directory";
    if (origin->pem)
        return "pem";
    return part == TLS_PART_CERTIFICATE ? "cert" : "key";
}

bool tls_source_is_unchanged(const struct tls_source *source)
{
    struct tls_stamp now[2];
    if (!source->settled || !tls_stamp_take(&now[TLS_PART_CERTIFICATE], source->certificate) ||
        !tls_stamp_take(&now[TLS_PART_KEY], source->key))
        return false;
    return tls_stamp_same(&now[TLS_PART_CERTIFICATE], &source->stamps[TLS_PART_CERTIFICATE]) &&
           tls_stamp_same(&now[TLS_PART_KEY], &source->stamps[TLS_PART_KEY]);
}

/* --- folders ---------------------------------------------------------------------------------- */

struct paths {
    char **item; /* owned, and each of them */
    size_t count, capacity;
};

static void release_paths(struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free(paths->item[i]);
    free(paths->item);
}

/* Whatever is no folder: that a pipe or a dangling link is no certificate is told when it is read.
 */
static bool is_wanted(DIR *folder, const struct dirent *entry)
{
    size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);
    struct stat state;
    if (entry->d_name[0] == '.' || length <= suffix ||
        strcmp(entry->d_name + length - suffix, SUFFIX) != 0 || entry->d_type == DT_DIR)
        return false;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return true;
    return fstatat(dirfd(folder), entry->d_name, &state, 0) != 0 || !S_ISDIR(state.st_mode);
}

static bool add_path(struct paths *paths, const char *folder, const char *name)
{
    if (paths->count == paths->capacity) {
        size_t capacity = paths->capacity == 0 ? 64 : paths->capacity * 2;
        char **item = realloc(paths->item, capacity * sizeof *item);
        if (item == NULL)
            return false;
        paths->item = item;
        paths->capacity = capacity;
    }
    paths->item[paths->count] = join(folder, name);
    if (paths->item[paths->count] == NULL)
        return false;
    paths->count++;
    return true;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool read_folder(struct paths *ret, const char *name, struct error *error)
{
    DIR *folder = opendir(name);
    if (folder == NULL)
        return error_system(error, errno, "cannot read the folder %s", name);
    bool good = true;
    const struct dirent *entry;
    for (errno = 0; good && (entry = readdir(folder)) != NULL; errno = 0)
        good = !is_wanted(folder, entry) || add_path(ret, name, entry->d_name);
    int number = errno;
    closedir(folder);
    if (!good)
        return error_memory(error);
    if (number != 0)
        return error_system(error, number, "cannot read the folder %s", name);
    if (ret->count > 1)
        qsort(ret->item, ret->count, sizeof *ret->item, compare);
    return true;
}

/* A new source for a path, which it takes over. */
static bool make_source(struct tls_source *ret, char **path)
{
    *ret = (struct tls_source){.certificate = *path, .key = strdup(*path)};
    if (ret->key == NULL)
        return false;
    *path = NULL;
    return true;
}

/* Both are sorted. What the sources were moved out of is not released here. */
static bool merge(struct tls_source *ret, size_t *ret_count, const struct tls_origin *origin,
                  struct paths *paths)
{
    size_t old = 0, new = 0;
    for (*ret_count = 0; old < origin->count || new < paths->count; (*ret_count)++) {
        int order = old == origin->count ? 1
                    : new == paths->count
                        ? -1
                        : strcmp(origin->sources[old].certificate, paths->item[new]);
        if (order > 0) {
            if (!make_source(&ret[*ret_count], &paths->item[new ++]))
                return false;
            continue;
        }
        ret[*ret_count] = origin->sources[old++];
        ret[*ret_count].gone = order < 0;
        new += order == 0;
    }
    return true;
}

/* After a merge that ran out of memory: the old sources are still the origin's. */
static void release_new(struct tls_source *merged, size_t count, const struct tls_origin *origin)
{
    size_t old = 0;
    for (size_t i = 0; i < count; i++) {
        if (old < origin->count && merged[i].certificate == origin->sources[old].certificate)
            old++;
        else
            release_source(&merged[i]);
    }
    free(merged);
}

static bool take_paths(struct tls_origin *origin, struct paths *paths, struct error *error)
{
    size_t count, room = origin->count + paths->count;
    struct tls_source *merged = calloc(room + 1, sizeof *merged);
    if (merged == NULL)
        return error_memory(error);
    if (!merge(merged, &count, origin, paths)) {
        release_new(merged, count, origin);
        return error_memory(error);
    }
    free(origin->sources);
    origin->sources = merged;
    origin->count = count;
    return true;
}

bool tls_origin_list(struct tls_origin *origin, struct error *error)
{
    struct paths paths = {NULL, 0, 0};
    bool good = read_folder(&paths, origin->folder, error) && take_paths(origin, &paths, error);
    release_paths(&paths);
    return good;
}

void tls_origin_drop_gone(struct tls_origin *origin)
{
    size_t kept = 0;
    for (size_t i = 0; i < origin->count; i++) {
        if (origin->sources[i].gone)
            release_source(&origin->sources[i]);
        else
            origin->sources[kept++] = origin->sources[i];
    }
    origin->count = kept;
}
