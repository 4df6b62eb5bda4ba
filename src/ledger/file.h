/* file: a ledger's file: read, replaced as a whole, set aside, under a lock on its folder. Blocks.
 *
 * The lock is on the folder itself (flock(2)), so that no file stays behind for it; it is waited
 * for, but not without end. */
#ifndef LEDGER_FILE_H
#define LEDGER_FILE_H

#include "base/error.h"
#include "base/text.h"

#include <sys/stat.h>

/* What stood in the folder under the name; all zero: nothing did. */
struct identity {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

bool file_check(const char *file, struct error *error) MUST_CHECK;

/* *ret: the lock, for file_unlock(). */
bool file_lock(int *ret, const char *file, struct error *error) MUST_CHECK;
void file_unlock(int lock);

bool file_identify(struct identity *ret, const char *file, struct error *error) MUST_CHECK;
bool identity_equal(const struct identity *a, const struct identity *b);

/* Nothing there is an empty text. */
bool file_load(struct text *ret, const char *file, struct error *error) MUST_CHECK;

/* Under the lock. */
bool file_save(const char *file, struct span bytes, struct error *error) MUST_CHECK;
bool file_set_aside(const char *file, struct error *error) MUST_CHECK; /* as FILE.damaged */

#endif
