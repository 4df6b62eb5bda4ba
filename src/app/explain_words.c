#include "explain_print.h"

#include "session/end_reasons.h"

#include <stdio.h>
#include <string.h>

static void ends(struct explain_end *ret, enum end_reason reason, const char *detail)
{
    ret->end = end_reason_name(reason);
    ret->detail = detail;
}

static void end_of_redirect(struct explain_end *ret, const struct explain_print *p)
{
    const struct explanation *e = p->e;
    bool full = e->outer.facts.bytes.length >= p->args->listener->max_inspect_bytes;
    ends(ret, e->redirect == VERDICT_YES ? END_server_closed : END_rejected, ret->text);
    if (e->redirect == VERDICT_YES)
        (void)snprintf(ret->text, sizeof ret->text, "redirected to https://%.120s",
                       e->request.host);
    else
        (void)snprintf(ret->text, sizeof ret->text, "no request to redirect: %s",
                       e->redirect == VERDICT_NO ? e->request.reason
                       : full ? "its head is larger than inspect_limits.max_bytes"
                              : "no whole one within timeouts.handshake");
}

static void end_of_rule(struct explain_end *ret, const struct explain_print *p,
                        const struct model_rule *rule)
{
    if (rule->redirect)
        end_of_redirect(ret, p);
    else if (rule->reject)
        ends(ret, END_rejected, NULL);
}

static void end_of_decision(struct explain_end *ret, const struct explain_print *p,
                            const struct decision *d)
{
    switch (d->kind) {
    case DECISION_RULE:
        end_of_rule(ret, p, d->rule->model);
        break;
    case DECISION_NO_RULE:
        ends(ret, END_no_rule, d->reason);
        break;
    case DECISION_PROXY_PRETENDED:
        ends(ret, END_bad_proxy_header, d->reason);
        break;
    case DECISION_HELLO_REFUSED:
        ends(ret, END_handshake_failed, d->reason);
        break;
    case DECISION_TIMEOUT:
        ends(ret, END_inspect_timeout, d->reason);
        break;
    case DECISION_CLIENT_LEFT:
        ends(ret, END_client_closed, d->reason);
        break;
    case DECISION_MORE:
    case DECISION_TURN:
        break;
    }
}

void explain_end_of(struct explain_end *ret, const struct explain_print *p)
{
    const struct explanation *e = p->e;
    *ret = (struct explain_end){0};
    if (e->proxy == EXPLAIN_PROXY_MISSING)
        ends(ret, END_bad_proxy_header, e->reason);
    else if (e->admission != ADMISSION_GRANTED)
        ends(ret, END_denied, e->admission == ADMISSION_DENIED ? "in deny" : "not in allow");
    else if (e->alpn_refused)
        ends(ret, END_handshake_failed, "no offered ALPN is in the policy's alpn");
    else
        end_of_decision(ret, p, e->was_asked_inside ? &e->inner.decision : &e->outer.decision);
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
