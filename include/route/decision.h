/* decision: what one look at a connection's first bytes leads to. Pure: facts in, decision out.
 *
 * The session carries it out, `explain` tells it: both ask here, so that what is told beforehand is
 * what will happen. Its stages, in order: a PROXY header from a source that may send none; a
 * request for TLS inside another protocol; what must follow such a request; a ClientHello that is
 * malformed or not whole; the rules. */
#ifndef ROUTE_DECISION_H
#define ROUTE_DECISION_H

#include "route/rules.h"

/* Why nothing more will be looked at. */
enum look_end { LOOK_GOES_ON, LOOK_ENDS_BY_DELAY, LOOK_ENDS_BY_FIN, LOOK_ENDS_BY_SIZE };

struct decision_args {
    const struct rules *rules;
    const struct facts *facts; /* final unless `end` is LOOK_GOES_ON */
    enum look_end end;
    bool guards_proxy; /* a PROXY header is refused: accept_proxy is set, and not for this source */
    unsigned starttls_turns; /* answers given to the client so far */
};

enum decision_kind {
    DECISION_MORE,            /* need */
    DECISION_RULE,            /* rule */
    DECISION_NO_RULE,         /* no rule took it; reason: why none could, or NULL */
    DECISION_TURN,            /* dialect, turn: take and answer the request, then look anew */
    DECISION_PROXY_PRETENDED, /* reason */
    DECISION_HELLO_REFUSED,   /* alert, reason */
    DECISION_TIMEOUT,         /* reason: what had to come did not */
    DECISION_CLIENT_LEFT      /* reason: where it was */
};

struct decision {
    enum decision_kind kind;
    size_t need; /* the least number of bytes with which the decision can change */
    const struct rule *rule;
    enum starttls dialect;
    struct starttls_turn turn;
    uint8_t alert;      /* 0: no TLS peer is there to hear one */
    bool is_tls;        /* refused, timed out, left: it was TLS, whether or not a hello was read */
    const char *reason; /* static, or the ClientHello's */
};

void decision_make(struct decision *ret, const struct decision_args *args);

#endif
