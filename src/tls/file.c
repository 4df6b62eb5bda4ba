#include "tls/file.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLED_SECONDS 2

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static struct tls_stamp stamp_of(const struct stat *state)
{
    return (struct tls_stamp){.device = state->st_dev,
                              .inode = state->st_ino,
                              .size = state->st_size,
                              .modified = state->st_mtim,
                              .changed = state->st_ctim};
}

bool tls_stamp_take(struct tls_stamp *ret, const char *name)
{
    struct stat state;
    if (stat(name, &state) != 0)
        return false;
    *ret = stamp_of(&state);
    return true;
}

bool tls_stamp_same(const struct tls_stamp *a, const struct tls_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           same_time(&a->modified, &b->modified) && same_time(&a->changed, &b->changed);
}

/* File systems keep time in steps, of which two writes may share one. */
static bool is_settled(const struct tls_stamp *stamp)
{
    return stamp->changed.tv_sec + SETTLED_SECONDS < clock_wall_s();
}

/* Reads up to `size` bytes or the end; -1 with errno. */
static ssize_t read_whole(int fd, unsigned char *room, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t count = read(fd, room + have, size - have);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -1;
        if (count == 0)
            break;
        have += (size_t)count;
    }
    return (ssize_t)have;
}

static bool cannot_read(const char *name, int number, struct error *error)
{
    if (number == EACCES)
        return error_system(error, number,
                            "cannot read %s (the user that muxgate runs as must be able to)", name);
    return error_system(error, number, "cannot read %s", name);
}

static enum tls_file_status read_open(struct tls_file *file, int fd, size_t most,
                                      struct error *error)
{
    struct stat before, after;
    if (fstat(fd, &before) != 0) {
        cannot_read(file->name, errno, error);
        return TLS_FILE_FAILED;
    }
    if (!S_ISREG(before.st_mode)) {
        error_input(error, "%s is not a regular file", file->name);
        return TLS_FILE_FAILED;
    }
    if (before.st_size > (off_t)most) {
        error_input(error, "%s is larger than %zu MB", file->name, most / (1024u * 1024u));
        return TLS_FILE_FAILED;
    }
    size_t size = (size_t)before.st_size;
    file->exposed = (before.st_mode & (S_IRGRP | S_IROTH)) != 0;
    file->bytes = malloc(size + 1);
    if (file->bytes == NULL) {
        error_memory(error);
        return TLS_FILE_FAILED;
    }
    file->length = size;
    ssize_t count = read_whole(fd, file->bytes, size + 1);
    if (count < 0 || fstat(fd, &after) != 0) {
        cannot_read(file->name, errno, error);
        return TLS_FILE_FAILED;
    }
    file->stamp = stamp_of(&after);
    file->settled = is_settled(&file->stamp);
    struct tls_stamp first = stamp_of(&before);
    if ((size_t)count != size || !tls_stamp_same(&first, &file->stamp))
        return TLS_FILE_UNSTABLE;
    return TLS_FILE_OK;
}

static enum tls_file_status read_file(struct tls_file *ret, const char *name, size_t most,
                                      struct error *error)
{
    *ret = (struct tls_file){.name = name};
    /* O_NONBLOCK: a named pipe in its place must not hold us up. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        cannot_read(name, errno, error);
        return TLS_FILE_FAILED;
    }
    enum tls_file_status status = read_open(ret, fd, most, error);
    close(fd);
    if (status != TLS_FILE_OK)
        tls_file_release(ret);
    return status;
}

enum tls_file_status tls_file_read(struct tls_file *ret, const char *name, struct error *error)
{
    return read_file(ret, name, TLS_FILE_MAX_BYTES, error);
}

enum tls_file_status tls_file_read_crl(struct tls_file *ret, const char *name, struct error *error)
{
    return read_file(ret, name, TLS_CRL_MAX_BYTES, error);
}

void tls_file_release(struct tls_file *file)
{
    if (file->bytes != NULL)
        OPENSSL_cleanse(file->bytes, file->length);
    free(file->bytes);
    file->bytes = NULL;
    file->length = 0;
}
