/* outlook: where a live session would go, if it came now and to another configuration.
 *
 * The first bytes are gone: what is still known of the session (its source, kind, protocol, names,
 * CompIDs, client certificate, and which rule took it) is held against the other one's rules, as
 * route/recall.h has it. What cannot be told so is said to be unknown; nothing is guessed. Limits,
 * and whether a handshake would succeed under another policy, are not looked at.
 *
 * The session's worker only; the other snapshot needs not be in use. Uses the engine's scratch. */
#ifndef SESSION_OUTLOOK_H
#define SESSION_OUTLOOK_H

#include "session/session.h"

enum outlook_kind {
    OUTLOOK_SAME,  /* to the same pool (or end), with TLS handled likewise, by whichever rule */
    OUTLOOK_OTHER, /* to `rule`, or `end` */
    OUTLOOK_UNKNOWN,
    OUTLOOK_KINDS
};

struct outlook {
    enum outlook_kind kind;
    const struct rule *rule; /* the innermost; NULL: `end` */
    enum tls_action tls;     /* of the rule that took the connection as such */
    const char *end;         /* static: why it would get nowhere */
    /* UNKNOWN: static; with a rule that cannot be judged, and the key of its match that is why. */
    const char *reason, *unclear, *key;
};

void outlook_find(const struct session *s, const struct snapshot *other, struct outlook *ret);

/* What a session is now, in the same terms. */
enum tls_action outlook_tls(const struct session *s);

#endif
