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

/* Its errors name the key: "ledger.file: …". */
bool file_check(const char *file, struct error *error) MUST_CHECK;

/* Of the file alone: nothing is there, or a file that is empty or begins like a ledger. */
bool file_check_itself(const char *file, struct error *error) MUST_CHECK;

/* *ret: the lock, for file_unlock(). */
bool file_lock(int *ret, const char *file, struct error *error) MUST_CHECK;
void file_unlock(int lock);

bool file_identify(struct identity *ret, const char *file, struct error *error) MUST_CHECK;
bool identity_equal(const struct identity *a, const struct identity *b);

/* Nothing there is an empty text; what is no ledger is an error. */
bool file_load(struct text *ret, const char *file, struct error *error) MUST_CHECK;

/* Under the lock. */
bool file_save(const char *file, struct span bytes, struct error *error) MUST_CHECK;

/* As FILE.damaged, FILE.damaged.1 … FILE.damaged.9: the first that is free, none is overwritten.
 * *ret: which, freed with free(). */
bool file_set_aside(char **ret, const char *file, struct error *error) MUST_CHECK;

#endif
