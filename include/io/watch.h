/* watch: tells when any of a set of files may have changed, wherever on its path the change was:
 * in place, by rename, by swapping a symlink anywhere along the path (certbot's live/, Kubernetes'
 * ..data). inotify on the folder of every link and target along each path, re-armed after each
 * change, plus a look every 500 ms at device, inode, size, mtime and ctime through stat(2); where
 * there are so many files that a look takes long, less often, so that it stays below 2 % of the
 * time.
 *
 * A path whose last part is a star and an ending ("*.pem") stands for every file in that
 * folder with this ending: those that come, go and change, and links to files elsewhere.
 *
 * Runs on the control thread's loop; `on_change` is called there, at most once per burst
 * (about 100 ms after the first event; each look of 500 ms likewise). */
#ifndef IO_WATCH_H
#define IO_WATCH_H

#include "base/compiler.h"
#include "base/error.h"

#include <stddef.h>

struct watch;
struct ev_loop;

/* Copies the paths. Works without inotify too (the periodic look remains). */
bool watch_start(struct watch **ret, struct ev_loop *loop, const char *const *files, size_t count,
                 void (*on_change)(void *context), void *context, struct error *error) MUST_CHECK;
void watch_stop(struct watch *watch); /* accepts NULL; not inside on_change */

#endif
