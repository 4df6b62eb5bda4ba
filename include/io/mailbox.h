/* mailbox: messages from any thread to the thread that owns a loop, in the order they were sent.
 *
 * A message is a struct mail inside something the receiver frees or knows. Sending never waits and
 * takes no lock: it pushes onto a list and wakes the loop. */
#ifndef IO_MAILBOX_H
#define IO_MAILBOX_H

#include "base/compiler.h"

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>

struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail, void *owner); /* in the receiver's thread; owns the mail */
};

struct mailbox {
    struct ev_loop *loop; /* borrowed */
    ev_async wake;
    void *owner;
    _Atomic(struct mail *) newest;
};

void mailbox_start(struct mailbox *box, struct ev_loop *loop, void *owner);
void mailbox_stop(struct mailbox *box);    /* delivers what is still there */
void mailbox_deliver(struct mailbox *box); /* what is there now; in the receiver's thread */
void mailbox_send(struct mailbox *box, struct mail *mail);

#endif
