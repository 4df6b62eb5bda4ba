/* explain: what would become of a connection, and why. Pure: what a client sends in, an account
 * out.
 *
 * The same parsers, the same decision (decision.h) and the same walk as a session's, without the
 * session: the bytes are taken to come in time, in one piece; where the decision needs more, the
 * client says no more, and the inspect delay ends. Bytes behind a request that is answered
 * (starttls) are taken to be sent after the answer. */
#ifndef ROUTE_EXPLAIN_H
#define ROUTE_EXPLAIN_H

#include "inspect/http_head.h"
#include "inspect/proxy_header.h"
#include "route/decision.h"
#include "route/networks.h"

struct explain_args {
    const struct model_listener *listener;
    const struct rules *rules;    /* compiled from it */
    struct networks networks;     /* likewise; borrowed */
    uint64_t now;                 /* seconds since 1970 */
    const struct address *source; /* the peer's; NULL: not known, and in no network */
    struct span bytes;            /* what it sends; none: it stays silent */
    bool made_up;   /* `bytes` are no record of a real connection: a PROXY header that would have to
                       be   in front is taken to have come, with `source` as the client's address */
    bool has_inner; /* what it sends once TLS is terminated is known */
    struct span inner;       /* none: it stays silent there */
    sha256_function *sha256; /* for JA4 */
};

/* A rule, up to the one that decided. Some are not asked. */
enum explain_answer {
    EXPLAIN_YES,
    EXPLAIN_NO,          /* `key` of its match said so */
    EXPLAIN_OTHER_KIND,  /* it is for plain connections, or for TLS, or for another starttls */
    EXPLAIN_NOT_IN_FORCE /* it does not hold at that time: `key` is the date that says so */
};

struct explain_step {
    const struct rule *rule;
    enum explain_answer answer;
    const char *key;
};

/* One look: at the outer bytes, or at the decrypted ones. */
struct explain_look {
    struct facts facts; /* as the decision had them */
    char ja4[JA4_TEXT_MAX];
    unsigned char *scratch; /* owned; what the facts point to */
    struct decision decision;
    size_t decided_after;          /* the least number of bytes that would have been enough */
    bool waited;                   /* for more, to the end of the inspect delay */
    const struct rule *waited_for; /* NULL: for what no rule was asked */
    const char *waited_key;
    struct explain_step *steps; /* owned */
    size_t step_count;
};

enum explain_proxy {
    EXPLAIN_PROXY_NONE,   /* none is expected */
    EXPLAIN_PROXY_TAKEN,  /* `header` was in front */
    EXPLAIN_PROXY_GIVEN,  /* one is expected, and taken to have come */
    EXPLAIN_PROXY_MISSING /* no whole, valid one is there: `reason` */
};

struct explanation {
    enum explain_proxy proxy;
    struct proxy_header header;
    enum admission admission;
    const char *reason;
    bool has_source;
    struct address source; /* the one that counts */
    enum starttls starttls;
    unsigned starttls_turns;
    bool was_asked; /* `outer` is filled: nothing had ended it before */
    struct explain_look outer;
    struct span alpn;         /* terminated: what is negotiated; none: no ALPN */
    bool alpn_refused;        /* ... the offers share none with the listener's */
    enum verdict redirect;    /* of a rule with redirect: YES, NO, MORE (NO: also of any other) */
    struct http_head request; /* ... what it is asked for, or why not */
    bool was_asked_inside;    /* `inner` is filled */
    struct explain_look inner;
};

/* False when memory is out; explanation_release() it all the same. */
bool explain(struct explanation *ret, const struct explain_args *args) MUST_CHECK;
void explanation_release(struct explanation *e);

/* The innermost rule that takes it; NULL: none does. */
const struct rule *explanation_rule(const struct explanation *e);

#endif
