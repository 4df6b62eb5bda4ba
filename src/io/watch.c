#include "io/watch.h"

#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLE_SECONDS 0.1
#define LOOK_SECONDS   0.5
#define LINKS_MAX      40 /* as the kernel has it (path_resolution(7)) */
#define LOOK_SHARE     50 /* a look may take one part in so many of the time */

/* What is wanted of a folder. Not IN_MODIFY: a writer that has not closed its file is not done. */
#define FOLDER_EVENTS                                                                              \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB |            \
     IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* A name in a folder that some path goes through; one that begins with a star stands for all with
 * that ending. */
struct step {
    int folder; /* inotify's number */
    char *name; /* owned */
};

/* What stat(2) says of a file, followed to its end. */
struct stamp {
    int error; /* errno; 0: it is there */
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct watch {
    struct ev_loop *loop; /* borrowed */
    void (*on_change)(void *context);
    void *context;
    size_t count;
    char **files;
    struct stamp *stamps;
    int notify; /* inotify's descriptor; -1: only the look remains */
    struct step *steps;
    size_t step_count, step_capacity;
    ev_io events;
    ev_timer settle, look;
};

/* --- folders ---------------------------------------------------------------------------------- */

/* A star and an ending in a folder: gives the folder. */
static bool is_pattern(const char *path, char folder[PATH_MAX], const char **ret_pattern)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash[1] != '*' || slash - path >= PATH_MAX)
        return false;
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    memcpy(folder, path, length);
    folder[length] = '\0';
    *ret_pattern = slash + 1;
    return true;
}

static bool fits(const char *pattern, const char *name)
{
    if (pattern[0] != '*')
        return strcmp(pattern, name) == 0;
    size_t ending = strlen(pattern + 1), length = strlen(name);
    return length >= ending && strcmp(name + length - ending, pattern + 1) == 0;
}

/* --- the periodic look ------------------------------------------------------------------------ */

static struct stamp take_file_stamp(int folder, const char *file)
{
    struct stat state;
    struct stamp stamp;
    memset(&stamp, 0, sizeof stamp);
    if (fstatat(folder, file, &state, 0) != 0) {
        stamp.error = errno;
        return stamp;
    }
    stamp.device = state.st_dev;
    stamp.inode = state.st_ino;
    stamp.size = state.st_size;
    stamp.modified = state.st_mtim;
    stamp.changed = state.st_ctim;
    return stamp;
}

static uint64_t hash_stamp(const struct stamp *s)
{
    const uint64_t all[] = {
        (uint64_t)s->error,          (uint64_t)s->device,          (uint64_t)s->inode,
        (uint64_t)s->size,           (uint64_t)s->modified.tv_sec, (uint64_t)s->modified.tv_nsec,
        (uint64_t)s->changed.tv_sec, (uint64_t)s->changed.tv_nsec,
    };
    return hash_bytes(span_of(all, sizeof all));
}

/* One stamp of all: of the names and what they stand for, in whatever order they are read. */
static struct stamp take_folder_stamp(const char *name, const char *pattern)
{
    struct stamp all;
    memset(&all, 0, sizeof all);
    DIR *folder = opendir(name);
    if (folder == NULL) {
        all.error = errno;
        return all;
    }
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (!fits(pattern, entry->d_name))
            continue;
        struct stamp one = take_file_stamp(dirfd(folder), entry->d_name);
        all.inode += hash_bytes(span_text(entry->d_name)) ^ hash_stamp(&one);
        all.size++;
    }
    closedir(folder);
    return all;
}

static struct stamp take_stamp(const char *file)
{
    char folder[PATH_MAX];
    const char *pattern;
    if (is_pattern(file, folder, &pattern))
        return take_folder_stamp(folder, pattern);
    return take_file_stamp(AT_FDCWD, file);
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->error == b->error && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && same_time(&a->modified, &b->modified) &&
           same_time(&a->changed, &b->changed);
}

static void take_stamps(struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++)
        watch->stamps[i] = take_stamp(watch->files[i]);
}

static bool any_changed(const struct watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        struct stamp now = take_stamp(watch->files[i]);
        if (!same_stamp(&now, &watch->stamps[i]))
            return true;
    }
    return false;
}

/* --- inotify along the paths ------------------------------------------------------------------ */

/* Without memory or a free watch this step is left to the look. */
static void add_step(struct watch *watch, const char *folder, const char *name)
{
    int number = inotify_add_watch(watch->notify, folder, FOLDER_EVENTS);
    if (number < 0)
        return;
    if (watch->step_count == watch->step_capacity) {
        size_t capacity = watch->step_capacity == 0 ? 16 : watch->step_capacity * 2;
        struct step *steps = realloc(watch->steps, capacity * sizeof *steps);
        if (steps == NULL)
            return;
        watch->steps = steps;
        watch->step_capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return;
    watch->steps[watch->step_count++] = (struct step){number, copy};
}

/* Where a walk has got to: `folder` has no links in it any more, `rest` is still to go. */
struct walk {
    char folder[PATH_MAX], rest[PATH_MAX];
    int links;
};

/* Takes the first component off the rest; false when there is none. */
static bool next_component(struct walk *walk, char ret[NAME_MAX + 1])
{
    size_t slashes = strspn(walk->rest, "/");
    size_t length = strcspn(walk->rest + slashes, "/");
    if (length == 0 || length > NAME_MAX)
        return false;
    memcpy(ret, walk->rest + slashes, length);
    ret[length] = '\0';
    size_t used = slashes + length;
    memmove(walk->rest, walk->rest + used, strlen(walk->rest + used) + 1);
    return true;
}

static void go_up(struct walk *walk)
{
    char *slash = strrchr(walk->folder, '/');
    slash[slash == walk->folder ? 1 : 0] = '\0';
}

static bool join(char ret[PATH_MAX], const char *folder, const char *name)
{
    const char *slash = strcmp(folder, "/") == 0 ? "" : "/";
    int length = snprintf(ret, PATH_MAX, "%s%s%s", folder, slash, name);
    return length >= 0 && length < PATH_MAX;
}

/* Puts the target of the link `path` in front of the rest. */
static bool follow_link(struct walk *walk, const char *path)
{
    char target[PATH_MAX], rest[PATH_MAX];
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0 || ++walk->links > LINKS_MAX)
        return false;
    target[length] = '\0';
    int total = snprintf(rest, sizeof rest, "%s/%s", target, walk->rest);
    if (total < 0 || (size_t)total >= sizeof rest)
        return false;
    memcpy(walk->rest, rest, (size_t)total + 1);
    if (target[0] == '/')
        memcpy(walk->folder, "/", 2);
    return true;
}

/* One component further; false at the end, or where nothing is yet. */
static bool walk_on(struct watch *watch, struct walk *walk)
{
    char name[NAME_MAX + 1], path[PATH_MAX];
    struct stat state;
    if (!next_component(walk, name))
        return false;
    if (strcmp(name, ".") == 0)
        return true;
    if (strcmp(name, "..") == 0) {
        go_up(walk);
        return true;
    }
    add_step(watch, walk->folder, name);
    if (!join(path, walk->folder, name) || lstat(path, &state) != 0)
        return false;
    if (S_ISLNK(state.st_mode))
        return follow_link(walk, path);
    memcpy(walk->folder, path, strlen(path) + 1);
    return S_ISDIR(state.st_mode);
}

static bool begin_walk(struct walk *ret, const char *file)
{
    size_t length = strlen(file);
    ret->links = 0;
    memcpy(ret->folder, "/", 2);
    if (length >= sizeof ret->rest)
        return false;
    memcpy(ret->rest, file, length + 1);
    return file[0] == '/' || getcwd(ret->folder, sizeof ret->folder) != NULL;
}

static void walk_file(struct watch *watch, const char *file)
{
    struct walk walk;
    if (begin_walk(&walk, file))
        while (walk_on(watch, &walk))
            ;
}

/* Links lead elsewhere, and what they go through may change, too. */
static void walk_links(struct watch *watch, const char *name, const char *pattern)
{
    DIR *folder = opendir(name);
    if (folder == NULL)
        return;
    char path[PATH_MAX];
    struct stat state;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if ((entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN) ||
            !fits(pattern, entry->d_name))
            continue;
        if (fstatat(dirfd(folder), entry->d_name, &state, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISLNK(state.st_mode) && join(path, name, entry->d_name))
            walk_file(watch, path);
    }
    closedir(folder);
}

static void walk_folder(struct watch *watch, const char *folder, const char *pattern)
{
    struct walk walk;
    if (!begin_walk(&walk, folder))
        return;
    while (walk_on(watch, &walk))
        ;
    add_step(watch, folder, pattern);
    walk_links(watch, folder, pattern);
}

static void walk_path(struct watch *watch, const char *file)
{
    char folder[PATH_MAX];
    const char *pattern;
    if (is_pattern(file, folder, &pattern))
        walk_folder(watch, folder, pattern);
    else
        walk_file(watch, file);
}

static bool has_folder(const struct watch *watch, int folder)
{
    for (size_t i = 0; i < watch->step_count; i++)
        if (watch->steps[i].folder == folder)
            return true;
    return false;
}

/* Walks all paths anew. New folders are added before old ones are dropped, so that nothing falls
 * in between. */
static void arm(struct watch *watch)
{
    if (watch->notify < 0)
        return;
    struct step *old = watch->steps;
    size_t old_count = watch->step_count;
    watch->steps = NULL;
    watch->step_count = watch->step_capacity = 0;
    for (size_t i = 0; i < watch->count; i++)
        walk_path(watch, watch->files[i]);
    for (size_t i = 0; i < old_count; i++) {
        if (!has_folder(watch, old[i].folder))
            (void)inotify_rm_watch(watch->notify, old[i].folder); /* the kernel may have */
        free(old[i].name);
    }
    free(old);
}

static bool concerns_us(const struct watch *watch, const struct inotify_event *event)
{
    if ((event->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0)
        return true;
    for (size_t i = 0; i < watch->step_count; i++)
        if (watch->steps[i].folder == event->wd && event->len > 0 &&
            fits(watch->steps[i].name, event->name))
            return true;
    return false;
}

/* Takes in everything that is queued; true when some of it is about our paths. */
static bool drain_events(const struct watch *watch)
{
    _Alignas(struct inotify_event) char room[4096];
    bool ours = false;
    ssize_t length;
    while ((length = read(watch->notify, room, sizeof room)) > 0) {
        for (ssize_t at = 0; at < length;) {
            const struct inotify_event *event = (const void *)(room + at);
            ours = concerns_us(watch, event) || ours;
            at += (ssize_t)(sizeof *event + event->len);
        }
    }
    return ours;
}

/* --- callbacks -------------------------------------------------------------------------------- */

static void announce_soon(struct watch *watch)
{
    if (ev_is_active(&watch->settle))
        return;
    ev_timer_set(&watch->settle, SETTLE_SECONDS, 0.);
    ev_timer_start(watch->loop, &watch->settle);
}

static void on_events(struct ev_loop *loop, ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    struct watch *watch = io->data;
    if (drain_events(watch))
        announce_soon(watch);
}

static void on_look(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)revents;
    struct watch *watch = timer->data;
    ev_tstamp begun = ev_time();
    if (!ev_is_active(&watch->settle) && any_changed(watch))
        announce_soon(watch);
    ev_tstamp rest = LOOK_SHARE * (ev_time() - begun);
    timer->repeat = rest > LOOK_SECONDS ? rest : LOOK_SECONDS;
    ev_timer_again(loop, timer);
}

/* Stamps are taken first: what changes while on_change() reads is seen by the next look. */
static void on_settled(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    struct watch *watch = timer->data;
    arm(watch);
    take_stamps(watch);
    watch->on_change(watch->context);
}

/* --- life ------------------------------------------------------------------------------------- */

static bool copy_files(struct watch *watch, const char *const *files, size_t count)
{
    watch->files = calloc(count + 1, sizeof(char *));
    watch->stamps = calloc(count + 1, sizeof *watch->stamps);
    if (watch->files == NULL || watch->stamps == NULL)
        return false;
    for (; watch->count < count; watch->count++) {
        watch->files[watch->count] = strdup(files[watch->count]);
        if (watch->files[watch->count] == NULL)
            return false;
    }
    return true;
}

static void start_watchers(struct watch *watch)
{
    ev_timer_set(&watch->look, LOOK_SECONDS, LOOK_SECONDS);
    watch->settle.data = watch->look.data = watch->events.data = watch;
    ev_timer_start(watch->loop, &watch->look);
    if (watch->notify < 0)
        return;
    ev_io_set(&watch->events, watch->notify, EV_READ);
    ev_io_start(watch->loop, &watch->events);
}

bool watch_start(struct watch **ret, struct ev_loop *loop, const char *const *files, size_t count,
                 void (*on_change)(void *context), void *context, struct error *error)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return error_memory(error);
    watch->loop = loop;
    watch->on_change = on_change;
    watch->context = context;
    watch->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    ev_init(&watch->events, on_events);
    ev_init(&watch->settle, on_settled);
    ev_init(&watch->look, on_look);
    if (!copy_files(watch, files, count)) {
        watch_stop(watch);
        return error_memory(error);
    }
    /* Armed before the stamps are taken: a change in between shows in one or the other. */
    arm(watch);
    take_stamps(watch);
    start_watchers(watch);
    *ret = watch;
    return true;
}

void watch_stop(struct watch *watch)
{
    if (watch == NULL)
        return;
    ev_io_stop(watch->loop, &watch->events);
    ev_timer_stop(watch->loop, &watch->settle);
    ev_timer_stop(watch->loop, &watch->look);
    if (watch->notify >= 0)
        close(watch->notify);
    for (size_t i = 0; i < watch->step_count; i++)
        free(watch->steps[i].name);
    free(watch->steps);
    for (size_t i = 0; i < watch->count; i++)
        free(watch->files[i]);
    free(watch->files);
    free(watch->stamps);
    free(watch);
}
