#include "file.h"

#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* Far more than the largest ledger that is written. */
#define FILE_BYTES_MAX ((off_t)256 << 20)

/* Others hold it for as long as a file takes to be written. */
#define LOCK_TRIES  40
#define LOCK_NAP_MS 50

/* Damaged files that are kept. */
#define ASIDE_MOST 10

/* "/var/lib/muxgate/ledger" → "/var/lib/muxgate"; paths are absolute. Freed with free(). */
static char *folder_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    if (slash == NULL)
        return strdup(".");
    return slash == file ? strdup("/") : strndup(file, (size_t)(slash - file));
}

static char *beside(const char *file, const char *ending)
{
    char *path = NULL;
    return asprintf(&path, "%s%s", file, ending) < 0 ? NULL : path;
}

/* --- before anything is written --------------------------------------------------------------- */

/* By the rights that count when files are opened, not those of whoever called the program. */
static bool check_access(const char *path, int mode, const char *what, struct error *error)
{
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ||
           error_system(error, errno, "ledger.file: cannot %s %s", what, path);
}

static bool check_kind(const struct stat *status, const char *file, struct error *error)
{
    return S_ISREG(status->st_mode) ||
           error_input(error, "%s is not a file that could be replaced", file);
}

/* Whatever else has that name was hardly meant, and is not ours to move away. */
static bool check_beginning(struct span bytes, const char *file, struct error *error)
{
    return lines_begin(bytes) ||
           error_input(error, "%s is no ledger (it is left alone: name another, or move it away)",
                       file);
}

static bool check_content(const char *file, struct error *error)
{
    unsigned char bytes[LINES_MARK_BYTES];
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t count = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    int number = errno;
    if (fd >= 0)
        (void)close(fd);
    if (count < 0)
        return error_system(error, number, "cannot read %s", file);
    return check_beginning(span_of(bytes, (size_t)count), file, error);
}

bool file_check_itself(const char *file, struct error *error)
{
    struct stat status;
    if (stat(file, &status) != 0)
        return errno == ENOENT || error_system(error, errno, "cannot look at %s", file);
    return check_kind(&status, file, error) && check_content(file, error);
}

bool file_check(const char *file, struct error *error)
{
    char *folder = folder_of(file);
    if (folder == NULL)
        return error_memory(error);
    bool good = check_access(folder, R_OK | W_OK | X_OK, "write in the folder", error);
    free(folder);
    if (!good || file_check_itself(file, error))
        return good;
    error_prefix(error, "ledger.file");
    return false;
}

/* --- the lock --------------------------------------------------------------------------------- */

static bool lock_soon(int fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_NAP_MS * 1000000L}, NULL);
    }
    errno = EWOULDBLOCK;
    return false;
}

bool file_lock(int *ret, const char *file, struct error *error)
{
    char *folder = folder_of(file);
    if (folder == NULL)
        return error_memory(error);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && lock_soon(fd);
    if (!good)
        (void)error_system(error, errno, "cannot lock %s", folder);
    free(folder);
    if (good)
        *ret = fd;
    else if (fd >= 0)
        (void)close(fd);
    return good;
}

void file_unlock(int lock)
{
    (void)close(lock);
}

/* --- what is there ---------------------------------------------------------------------------- */

static struct identity identity_of(const struct stat *status)
{
    return (struct identity){status->st_dev, status->st_ino, status->st_size, status->st_mtim};
}

bool file_identify(struct identity *ret, const char *file, struct error *error)
{
    struct stat status;
    *ret = (struct identity){0};
    if (stat(file, &status) == 0)
        *ret = identity_of(&status);
    else if (errno != ENOENT)
        return error_system(error, errno, "cannot look at %s", file);
    return true;
}

bool identity_equal(const struct identity *a, const struct identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool read_all(struct text *ret, int fd, const char *file, struct error *error)
{
    unsigned char part[16384];
    ssize_t count;
    while ((count = read(fd, part, sizeof part)) > 0 && !ret->failed &&
           (off_t)ret->length <= FILE_BYTES_MAX)
        text_add_span(ret, span_of(part, (size_t)count));
    if (count < 0)
        return error_system(error, errno, "cannot read %s", file);
    return !ret->failed || error_memory(error);
}

bool file_load(struct text *ret, const char *file, struct error *error)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* what is no file blocks nobody */
    if (fd < 0)
        return errno == ENOENT || error_system(error, errno, "cannot open %s", file);
    struct stat status;
    bool good =
        (fstat(fd, &status) == 0 || error_system(error, errno, "cannot look at %s", file)) &&
        check_kind(&status, file, error) && read_all(ret, fd, file, error) &&
        check_beginning(span_of(ret->data, ret->length), file, error);
    (void)close(fd);
    return good;
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool write_all(int fd, struct span bytes)
{
    while (bytes.length > 0) {
        ssize_t count = write(fd, bytes.data, bytes.length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        bytes = span_skip(bytes, (size_t)count);
    }
    return true;
}

/* Whatever the umask says; whoever may read logs may read this. */
static bool fill(int fd, struct span bytes)
{
    return fchmod(fd, 0640) == 0 && write_all(fd, bytes) && fsync(fd) == 0;
}

/* So that the name outlives a crash, too. Not all file systems can. */
static void sync_folder(const char *file)
{
    char *folder = folder_of(file);
    int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

/* One that is there is what a crash left behind: nobody else is at it, under the lock. */
static bool replace(const char *file, const char *fresh, struct span bytes, struct error *error)
{
    (void)unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    bool good = fd >= 0 && fill(fd, bytes);
    int number = errno;
    if (fd >= 0 && close(fd) != 0 && good) {
        good = false;
        number = errno;
    }
    if (good && rename(fresh, file) != 0) {
        good = false;
        number = errno;
    }
    if (good)
        return true;
    (void)unlink(fresh);
    return error_system(error, number, "cannot write %s", file);
}

bool file_save(const char *file, struct span bytes, struct error *error)
{
    char *fresh = beside(file, ".new");
    if (fresh == NULL)
        return error_memory(error);
    bool good = replace(file, fresh, bytes, error);
    free(fresh);
    if (good)
        sync_folder(file);
    return good;
}

/* Nobody else takes it, under the lock. NULL: there is none, or memory is out. */
static char *free_name(const char *file, struct error *error)
{
    struct stat status;
    for (int i = 0; i < ASIDE_MOST; i++) {
        char ending[32];
        (void)snprintf(ending, sizeof ending, i == 0 ? ".damaged" : ".damaged.%d", i);
        char *path = beside(file, ending);
        if (path == NULL) {
            (void)error_memory(error);
            return NULL;
        }
        if (lstat(path, &status) != 0 && errno == ENOENT)
            return path;
        free(path);
    }
    (void)error_input(error, "%s is damaged, and %s.damaged to %s.damaged.%d are there already",
                      file, file, file, ASIDE_MOST - 1);
    return NULL;
}

bool file_set_aside(char **ret, const char *file, struct error *error)
{
    *ret = free_name(file, error);
    if (*ret == NULL)
        return false;
    if (rename(file, *ret) == 0)
        return true;
    int number = errno;
    free(*ret);
    return error_system(error, number, "cannot set %s aside", file);
}
