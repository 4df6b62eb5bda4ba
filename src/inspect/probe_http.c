/* HTTP/1 (RFC 9112 §3: request-line = method SP request-target SP HTTP-version).
 *
 * A method of IANA's registry (RFC 9110 §16.1.1), the blank, and "/" are certain: no other protocol
 * of the text kind has a path there. A target of another form (absolute, authority, asterisk) is
 * shared with RTSP, SIP and ICAP ("OPTIONS * RTSP/1.0"), so that it takes the version to be
 * certain. */
#include "probes.h"

#include "base/compiler.h"

static const struct span methods[] = {
#define METHOD(name) PROBE_LITERAL(name " ")
    METHOD("GET"),        METHOD("POST"),       METHOD("HEAD"),
    METHOD("PUT"),        METHOD("DELETE"),     METHOD("CONNECT"),
    METHOD("OPTIONS"),    METHOD("TRACE"),      METHOD("PATCH"),
    METHOD("ACL"),        METHOD("BIND"),       METHOD("BASELINE-CONTROL"),
    METHOD("CHECKIN"),    METHOD("CHECKOUT"),   METHOD("COPY"),
    METHOD("LABEL"),      METHOD("LINK"),       METHOD("LOCK"),
    METHOD("MERGE"),      METHOD("MKACTIVITY"), METHOD("MKCALENDAR"),
    METHOD("MKCOL"),      METHOD("MOVE"),       METHOD("MKREDIRECTREF"),
    METHOD("ORDERPATCH"), METHOD("PROPFIND"),   METHOD("MKWORKSPACE"),
    METHOD("PROPPATCH"),  METHOD("QUERY"),      METHOD("UPDATEREDIRECTREF"),
    METHOD("REBIND"),     METHOD("REPORT"),     METHOD("SEARCH"),
    METHOD("UNBIND"),     METHOD("UNCHECKOUT"), METHOD("UNLINK"),
    METHOD("UNLOCK"),     METHOD("UPDATE"),     METHOD("VERSION-CONTROL"),
#undef METHOD
};

static enum verdict target_probe(struct span rest)
{
    static const struct span version = PROBE_LITERAL(" HTTP/1.");
    for (size_t at = 0; at < rest.length; at++) {
        if (at == 0 && rest.data[0] == '/')
            return VERDICT_YES;
        if (rest.data[at] == ' ')
            return at == 0 ? VERDICT_NO : probe_literal(span_skip(rest, at), version);
        if (rest.data[at] < '!' || rest.data[at] > '~')
            return VERDICT_NO;
    }
    return VERDICT_MORE;
}

enum verdict probe_http(struct span bytes)
{
    enum verdict verdict = VERDICT_NO;
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        enum verdict one = probe_literal(bytes, methods[i]);
        if (one == VERDICT_YES)
            return target_probe(span_skip(bytes, methods[i].length));
        if (one == VERDICT_MORE)
            verdict = VERDICT_MORE;
    }
    return verdict;
}
