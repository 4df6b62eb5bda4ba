#include "io/mailbox.h"

/* Takes the whole list, which is newest first, and delivers it oldest first. */
void mailbox_deliver(struct mailbox *box)
{
    struct mail *newest = atomic_exchange_explicit(&box->newest, NULL, memory_order_acquire);
    struct mail *oldest = NULL;
    while (newest != NULL) {
        struct mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct mail *next = oldest->next; /* delivering frees the mail */
        oldest->deliver(oldest, box->owner);
        oldest = next;
    }
}

static void on_wake(struct ev_loop *loop, ev_async *watcher, int events)
{
    (void)loop;
    (void)events;
    mailbox_deliver(watcher->data);
}

void mailbox_start(struct mailbox *box, struct ev_loop *loop, void *owner)
{
    box->loop = loop;
    box->owner = owner;
    atomic_init(&box->newest, NULL);
    ev_async_init(&box->wake, on_wake);
    box->wake.data = box;
    ev_async_start(loop, &box->wake);
}

void mailbox_stop(struct mailbox *box)
{
    ev_async_stop(box->loop, &box->wake);
    mailbox_deliver(box);
}

void mailbox_send(struct mailbox *box, struct mail *mail)
{
    struct mail *newest = atomic_load_explicit(&box->newest, memory_order_relaxed);
    do
        mail->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&box->newest, &newest, mail, memory_order_release,
                                                  memory_order_relaxed));
    ev_async_send(box->loop, &box->wake);
}
