/* upgrade: the running program is replaced by the one that lies at its path now (USR2).
 *
 * The new one is started with the same words, gets the listening sockets of this one, and serves
 * beside it; only when it says that it does, this one stops accepting and drains. Nobody is refused
 * in between: the sockets stay open all the time. If the new one fails on its way, nothing has
 * happened. (Live sessions stay where they are; the packets of app/inherit.h have room for them.)
 *
 * Control thread. */
#ifndef APP_UPGRADE_H
#define APP_UPGRADE_H

#include "app/inherit.h"
#include "app/options.h"

#include <ev.h>

struct upgrade;

struct upgrade_args {
    struct ev_loop *loop; /* the default one: it learns of the end of children */
    const char *program;  /* NULL: where command[0] is found */
    char *const *command; /* argv; borrowed, likewise below until the end of upgrade_start() */
    const struct snapshot *snapshot;
    struct endpoints *endpoints;
    struct bindings *bindings;
    const struct predecessors *before; /* the heir's to wait for, if it serves */
    /* One of them, once. The bindings that the heir goes on with are handed over already. If it has
     * failed, the upgrade is over, and to be ended. */
    void (*on_ready)(void *context, pid_t heir);
    void (*on_failed)(void *context, const char *reason);
    /* Behind on_ready(): the heir was told to stop, or to stop `now`. */
    void (*on_stop)(void *context, bool now);
    /* Likewise: it has ended as no gateway does that was told to. upgrade_take_held() has what it
     * would have to have handed on; if that is nothing, whoever has replaced it may still tell. */
    void (*on_lost)(void *context, const char *reason);
    void *context;
};

/* An operator has set a state or weight in this pool: the heir may have taken what there was
 * before. Accepts NULL. */
void upgrade_note_change(const struct upgrade *upgrade, const struct pool *pool);

bool upgrade_start(struct upgrade **ret, const struct upgrade_args *args,
                   struct error *error) MUST_CHECK;

/* The sockets that the heir goes on with are held here, too, until it leaves them: were it to
 * crash, their clients would be reset, and new ones be refused. When it has, hands them out,
 * counted, and from then on nobody can say any more that they were left. false: it has left all
 * binds, or will not say what it leaves. */
bool upgrade_take_held(struct upgrade *upgrade, struct bindings **bindings,
                       struct endpoints **endpoints) MUST_CHECK;
void upgrade_let_go(struct upgrade *upgrade);

/* What was held will be another process's: a heir of the one that has crashed must not serve. */
void upgrade_claim(const struct upgrade *upgrade);

/* Accepts NULL. An heir that is not ready is killed; one that is learns of the end of this process
 * when it has really come. */
void upgrade_end(struct upgrade *upgrade);

/* Likewise, but such an heir is told to drain, and then is on its own: it may have clients before
 * its word that it is ready is read here. */
void upgrade_call_off(struct upgrade *upgrade);

#endif
