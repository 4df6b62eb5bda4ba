/* predecessors: the processes that were replaced (USR2) and drain still, as this one knows them: by
 * its ends of the socket pairs through which it became their heir.
 *
 * To the service manager this process is the service. So a stop is passed on to them, and this one
 * ends when they have: a manager kills what it still finds then. Each keeps its end open for as
 * long as it lives. One of a version that does not is as good as gone. Control thread. */
#ifndef APP_PREDECESSORS_H
#define APP_PREDECESSORS_H

#include "app/inherit.h"
#include "base/list.h"

#include <ev.h>

struct predecessors {
    struct list list;
    struct ev_loop *loop;               /* NULL: not watched yet */
    void (*on_all_gone)(void *context); /* the last one */
    void *context;
};

void predecessors_init(struct predecessors *predecessors);

/* Takes the descriptor over. Should memory be out, that one is not waited for. */
void predecessors_add(struct predecessors *predecessors, int fd);

/* From now on notices when one ends. */
void predecessors_watch(struct predecessors *predecessors, struct ev_loop *loop,
                        void (*on_all_gone)(void *context), void *context);

bool predecessors_are_there(const struct predecessors *predecessors);

/* Tells all of them one of the things that are said behind INHERIT_READY. */
void predecessors_tell(const struct predecessors *predecessors, enum inherit_kind kind,
                       const char *text);

/* The process that has replaced them is replaced in its turn, by this one: it leaves everything,
 * whether it lives to say so or not. false: it has crashed, and one of them has another process
 * serve in its place. Of the two exactly one will: what is said to a predecessor before that has
 * decided, decides. Waits for one that is just about to. */
bool predecessors_replace(const struct predecessors *predecessors) MUST_CHECK;

/* Lets the process at the other end of `fd` know them, too. */
void predecessors_hand_over(const struct predecessors *predecessors, int fd);

/* They are another's to wait for. */
void predecessors_leave(struct predecessors *predecessors);

#endif
