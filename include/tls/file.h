/* file: a certificate or key file, read once and whole. For the TLS floor only. */
#ifndef TLS_FILE_H
#define TLS_FILE_H

#include "base/error.h"
#include "base/span.h"

#include <sys/types.h>
#include <time.h>

/* A chain of certificates is a few kilobytes; the CRL of a large CA can be megabytes. */
#define TLS_FILE_MAX_BYTES (1024u * 1024u)
#define TLS_CRL_MAX_BYTES  (64u * 1024u * 1024u)

/* What tells one state of a file from another without reading it. */
struct tls_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

struct tls_file {
    const char *name;     /* borrowed */
    unsigned char *bytes; /* owned */
    size_t length;
    bool exposed; /* the mode lets group or others read it */
    struct tls_stamp stamp;
    bool settled; /* last written long enough ago that a later write must show in the stamp */
};

enum tls_file_status {
    TLS_FILE_OK,
    TLS_FILE_UNSTABLE, /* it was written to meanwhile: look again later */
    TLS_FILE_FAILED,
};

/* Reads `name`, which must be a regular file; never waits for one that is not. */
enum tls_file_status tls_file_read(struct tls_file *ret, const char *name, struct error *error);
enum tls_file_status tls_file_read_crl(struct tls_file *ret, const char *name, struct error *error);

bool tls_stamp_take(struct tls_stamp *ret, const char *name); /* false: it is not there */
bool tls_stamp_same(const struct tls_stamp *a, const struct tls_stamp *b);

/* Overwrites the bytes, which may be a private key, and frees them. Accepts {0}. */
void tls_file_release(struct tls_file *file);

#endif
