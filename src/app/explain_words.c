#include "explain_print.h"

#include "session/end_reasons.h"

#include <string.h>

static struct explain_end ends(enum end_reason reason, const char *detail)
{
    return (struct explain_end){end_reason_name(reason), detail};
}

static struct explain_end end_of_decision(const struct decision *d)
{
    switch (d->kind) {
    case DECISION_RULE:
        return d->rule->model->reject ? ends(END_rejected, NULL) : (struct explain_end){0};
    case DECISION_NO_RULE:
        return ends(END_no_rule, NULL);
    case DECISION_PROXY_PRETENDED:
        return ends(END_bad_proxy_header, d->reason);
    case DECISION_HELLO_REFUSED:
        return ends(END_handshake_failed, d->reason);
    case DECISION_TIMEOUT:
        return ends(END_inspect_timeout, d->reason);
    case DECISION_CLIENT_LEFT:
        return ends(END_client_closed, d->reason);
    case DECISION_MORE:
    case DECISION_TURN:
        break;
    }
    return (struct explain_end){0};
}

struct explain_end explain_end_of(const struct explain_print *p)
{
    const struct explanation *e = p->e;
    if (e->proxy == EXPLAIN_PROXY_MISSING)
        return ends(END_bad_proxy_header, e->reason);
    if (e->admission != EXPLAIN_ADMITTED)
        return ends(END_denied, e->admission == EXPLAIN_DENIED ? "in deny" : "not in allow");
    if (e->alpn_refused)
        return ends(END_handshake_failed, "no offered ALPN is in the policy's alpn");
    return end_of_decision(e->was_asked_inside ? &e->inner.decision : &e->outer.decision);
}

const char *explain_protocol(const struct explain_look *look)
{
    const struct facts *facts = &look->facts;
    if (facts->tls == VERDICT_YES || look->decision.is_tls)
        return "tls";
    return facts->silent ? "silent" : protocol_name(protocol_detect(facts->bytes));
}

const char *explain_place(const struct explain_print *p, const struct rule *rule)
{
    return rule->model->path + strlen(p->args->listener->path) + 1;
}

const char *explain_tls_version(unsigned version)
{
    static const char *const names[] = {"SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};
    return version >= 0x0300 && version <= 0x0304 ? names[version - 0x0300] : NULL;
}
