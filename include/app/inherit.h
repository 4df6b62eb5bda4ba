/* inherit: what a process hands over to the one that replaces it (USR2), as both sides know it.
 *
 * They are connected by a socket pair of SOCK_SEQPACKET, whose number the heir finds in
 * INHERIT_VARIABLE. Each packet is a letter (enum inherit_kind), a text that ends with NUL, and
 * what belongs to it: descriptors (SCM_RIGHTS), bytes. Packets of a kind that one side does not
 * know it passes over, so that the two may be of different versions. */
#ifndef APP_INHERIT_H
#define APP_INHERIT_H

#include "admin/endpoints.h"
#include "session/acceptor.h"

#define INHERIT_VARIABLE "MUXGATE_INHERIT"

enum inherit_kind {
    /* To the heir. */
    INHERIT_BINDING = 'B', /* the text of a bind; its sockets */
    INHERIT_MANAGED = 'M', /* the same, opened by the service manager */
    INHERIT_ADMIN = 'A',   /* "socket" or "http"; its socket */
    INHERIT_TICKETS = 'T', /* the path of a TLS policy; its ticket keys */
    INHERIT_WISHES = 'W',  /* a pool; what was set of one of its servers (pool/wishes.h) */
    INHERIT_BEFORE = 'P',  /* the heir's end towards a process that the sender has replaced */
    INHERIT_END = 'E',     /* that was all, but for what operators set until the heir serves */
    /* From the heir. */
    INHERIT_KEPT = 'K',  /* the text of a bind that it goes on with */
    INHERIT_TELLS = 'H', /* it will say what it leaves: until then that may be held for it */
    INHERIT_READY = 'R', /* it serves */
    /* ... and behind that */
    INHERIT_LEFT = 'L',       /* the text of a bind that it leaves; "": it leaves everything */
    INHERIT_LEFT_ADMIN = 'l', /* likewise the sockets of admin */
    INHERIT_STOP = 'S',       /* it was told to stop, which is for the whole service */
    INHERIT_NOW = 'N',        /* ... now */
    /* To whoever has the heir's end then, which has crashed. */
    INHERIT_TAKEN = 'X', /* its place is another's */
};

/* What one packet can hold: SCM_MAX_FD of Linux, and all ticket keys of a policy. */
#define INHERIT_FDS_MAX   253u
#define INHERIT_BYTES_MAX (32u * 1024u)

struct inherit_packet {
    enum inherit_kind kind;
    const char *text;
    const unsigned char *bytes;
    size_t length;
    int fds[INHERIT_FDS_MAX]; /* received: close-on-exec, and the receiver's */
    unsigned fd_count;
};

bool inherit_send(int fd, const struct inherit_packet *packet) MUST_CHECK;

/* Into `buffer`. false: nothing (yet), or the end, or no packet of this form; errno is 0 at the
 * end. */
bool inherit_receive(int fd, struct inherit_packet *ret,
                     unsigned char buffer[INHERIT_BYTES_MAX]) MUST_CHECK;

/* --- the heir's side -------------------------------------------------------------------------- */

struct predecessors;

struct heir {
    int fd;                      /* -1: it is nobody's heir */
    struct bindings *bindings;   /* counted; NULL for none: what it may go on with */
    struct endpoints *endpoints; /* likewise */
    struct predecessors *before; /* borrowed: those that were replaced before */
};

/* Is there anything to inherit? Before heir_open(). */
bool heir_expects(void);

/* Takes what there is to inherit, of a process before or of the service manager: sockets, for the
 * policies of `snapshot` the ticket keys, and what operators have set of its servers. Done it in
 * both cases. */
bool heir_open(struct heir *heir, const struct snapshot *snapshot, unsigned workers,
               struct predecessors *before, struct error *error) MUST_CHECK;

/* The heir serves on `bindings`: whoever was before may go, and is one of `before` from now on.
 * What operators have set there meanwhile is taken first. false: it must not, as whoever started it
 * has crashed, and one of `before` has somebody else serve in its place. */
bool heir_tell_ready(struct heir *heir, const struct snapshot *snapshot,
                     const struct bindings *bindings, struct error *error) MUST_CHECK;
void heir_done(struct heir *heir);

#endif
