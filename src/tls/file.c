#include "tls/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_state(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && same_time(&a->st_mtim, &b->st_mtim) &&
           same_time(&a->st_ctim, &b->st_ctim);
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

static enum tls_file_status read_open(struct tls_file *file, int fd, struct error *error)
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
    if (before.st_size > (off_t)TLS_FILE_MAX_BYTES) {
        error_input(error, "%s is larger than 1 MB: not a certificate or key", file->name);
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
    if ((size_t)count != size || !same_state(&before, &after))
        return TLS_FILE_UNSTABLE;
    return TLS_FILE_OK;
}

enum tls_file_status tls_file_read(struct tls_file *ret, const char *name, struct error *error)
{
    *ret = (struct tls_file){.name = name};
    /* O_NONBLOCK: a named pipe in its place must not hold us up. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        cannot_read(name, errno, error);
        return TLS_FILE_FAILED;
    }
    enum tls_file_status status = read_open(ret, fd, error);
    close(fd);
    if (status != TLS_FILE_OK)
        tls_file_release(ret);
    return status;
}

void tls_file_release(struct tls_file *file)
{
    if (file->bytes != NULL)
        OPENSSL_cleanse(file->bytes, file->length);
    free(file->bytes);
    file->bytes = NULL;
    file->length = 0;
}
