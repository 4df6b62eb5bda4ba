/* thread: the beginning of a thread. */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include "base/compiler.h"

#include <pthread.h>

/* Like pthread_create() with its attributes left as they are; 0 or an errno. The new thread gets no
 * signals: they are the control thread's, whose loop looks for them. Another one that is given a
 * signal would run the handler, and may keep it waiting (ThreadSanitizer runs handlers in calls
 * that it knows to wait, and knows not all). */
int thread_create(pthread_t *ret, void *(*run)(void *context), void *context) MUST_CHECK;

#endif
