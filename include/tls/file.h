/* file: a certificate or key file, read once and whole. For the TLS floor only. */
#ifndef TLS_FILE_H
#define TLS_FILE_H

#include "base/error.h"
#include "base/span.h"

/* A chain of certificates is a few kilobytes. */
#define TLS_FILE_MAX_BYTES (1024u * 1024u)

struct tls_file {
    const char *name;     /* borrowed */
    unsigned char *bytes; /* owned */
    size_t length;
    bool exposed; /* the mode lets group or others read it */
};

enum tls_file_status {
    TLS_FILE_OK,
    TLS_FILE_UNSTABLE, /* it was written to meanwhile: look again later */
    TLS_FILE_FAILED,
};

/* Reads `name`, which must be a regular file; never waits for one that is not. */
enum tls_file_status tls_file_read(struct tls_file *ret, const char *name, struct error *error);

/* Overwrites the bytes, which may be a private key, and frees them. Accepts {0}. */
void tls_file_release(struct tls_file *file);

#endif
