/* turns: when a step of a handshake is due, and when a worker lets others run first.
 *
 * A step costs as much as twenty small messages. And a message needs more than this thread: the
 * server that it goes to, the client that waits for the answer, often on the same processor. So,
 * while handshakes wait and live sessions have something to say, a turn of the loop either passes
 * messages on or does a step, and behind each the processor is offered to whoever else wants it
 * (sched_yield(2)). That makes a handshake about a tenth dearer. Without live sessions nothing is
 * offered, and a turn does as many steps as fit into a few milliseconds, which makes those that
 * resume a tenth cheaper.
 *
 * Who offers gets less than its share: where it comes back late, as somebody has more to do than to
 * take a message, it offers nothing for as long as that took.
 *
 * Pure but for turns_offer(). One worker's, not thread-safe. */
#ifndef SESSION_TURNS_H
#define SESSION_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct turns {
    bool passed;             /* this turn has passed a message on, */
    bool lively;             /* ... this or an earlier one that of a live session */
    uint64_t lively_us;      /* when `lively` was last found set, and cleared */
    uint64_t stepped_us;     /* when the last step was due, or the first one to wait came */
    uint64_t offers_from_us; /* none before */
};

/* What moves so much in one go is no message that somebody waits for. */
#define TURNS_MESSAGE_BYTES (16u * 1024u)

/* A session has moved `count` bytes. It is live if its server has answered before. */
static inline void turns_note_bytes(struct turns *turns, uint64_t count, bool live)
{
    if (count == 0 || count >= TURNS_MESSAGE_BYTES)
        return;
    turns->passed = true;
    turns->lively = turns->lively || live;
}

/* A handshake waits, and none did before: nobody has put it off so far. */
static inline void turns_begin(struct turns *turns, uint64_t now_us)
{
    turns->passed = false; /* an old one, mostly */
    turns->stepped_us = now_us;
}

/* Where no live session has said anything for so long, none is waited for. */
#define TURNS_QUIET_US 10000000u

/* Once in each turn, where any handshake waits: whether a step is due. It is put off while turns
 * pass messages of live sessions on, for so long at most. */
#define TURNS_PUT_OFF_US 2000u
bool turns_step_is_due(struct turns *turns, uint64_t now_us);

/* Behind a step: whether another one is due in the same turn. */
#define TURNS_STEPS_US 4000u
bool turns_next_is_due(const struct turns *turns, uint64_t now_us);

/* An offer that took so long came back late. */
#define TURNS_LATE_US 2500u
bool turns_may_offer(const struct turns *turns, uint64_t now_us);
void turns_note_offer(struct turns *turns, uint64_t from_us, uint64_t to_us);

/* Lets others run, if that may be. */
void turns_offer(struct turns *turns);

#endif
