/* origin: one item of "certificates": a pair of files, or a folder of files that hold both. For the
 * TLS floor only; control thread. */
#ifndef TLS_ORIGIN_H
#define TLS_ORIGIN_H

#include "config/model.h"
#include "tls/credential.h"

/* A pair of files. Where one file holds both, it is named twice. */
struct tls_source {
    char *certificate, *key;           /* owned */
    struct tls_credential *credential; /* counted; NULL: none was good yet (in a folder only) */
    struct tls_stamp stamps[2];        /* by enum tls_part */
    bool settled;                      /* the stamps stand for what was read */
    bool changed;                      /* the credential is newer than the current store */
    bool gone;                         /* no longer in the folder */
    uint64_t told;                     /* the refusal that was reported last; 0 for none */
    bool passes;                       /* files with this content are not loaded: */
    unsigned char passed[32];
};

struct tls_origin {
    char *path;   /* owned; of the item in the configuration */
    char *folder; /* owned; NULL: one pair */
    char *watch;  /* owned; every *.pem of the folder, as watch_start() takes it; NULL: one pair */
    bool pem;
    struct tls_source *sources; /* owned; of a folder by name */
    size_t count;
    uint64_t told; /* of the folder as such */
};

/* Copies what it needs. false: out of memory; release it all the same. */
bool tls_origin_init(struct tls_origin *ret, const struct model_certificate *model) MUST_CHECK;
void tls_origin_release(struct tls_origin *origin); /* accepts {0} */

/* Brings a folder's sources in line with its *.pem (no hidden ones, no subfolders): adds those that
 * are new, marks as gone those that are not there. false: it cannot be read, and nothing changed.
 */
bool tls_origin_list(struct tls_origin *origin, struct error *error) MUST_CHECK;

/* Takes out the sources that are gone. */
void tls_origin_drop_gone(struct tls_origin *origin);

/* The key of the configuration that names this part: "cert", "key", "pem" or "directory". */
const char *tls_origin_key(const struct tls_origin *origin, enum tls_part part);

/* Are the files as they were when they were read? When in doubt, no. */
bool tls_source_is_unchanged(const struct tls_source *source);

#endif
