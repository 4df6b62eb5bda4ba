#include "inspect/http_head.h"

#include "base/address.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

#define METHOD_MAX 32u /* longer than any of IANA's registry */

/* A pass over the head. Where bytes break the form, `reason` is set; where they run out, nothing.
 */
struct reading {
    struct span bytes;
    size_t at;
    const char *reason;
    struct span method, target, host;
    bool old;      /* HTTP/1.0 */
    bool has_host; /* a Host line was there, whatever its value */
};

static bool refuse(struct reading *r, const char *reason)
{
    r->reason = reason;
    return false;
}

/* The next byte, not taken; false where there is none yet. */
static bool look(struct reading *r, unsigned char *ret)
{
    if (r->at >= r->bytes.length)
        return false;
    *ret = r->bytes.data[r->at];
    return true;
}

static bool take(struct reading *r, const char *text, const char *reason)
{
    unsigned char c;
    for (; *text != '\0'; text++, r->at++) {
        if (!look(r, &c))
            return false;
        if (c != (unsigned char)*text)
            return refuse(r, reason);
    }
    return true;
}

/* --- which bytes are what (RFC 9110 §5.5, §5.6.2) --------------------------------------------- */

static bool is_token(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* A '#' would begin what never leaves a browser. */
static bool is_target(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '#';
}

static bool is_value(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

/* Takes bytes of one kind, at most `most`; true once another byte is in sight. */
static bool take_while(struct reading *r, bool (*fits)(unsigned char c), size_t most,
                       struct span *ret)
{
    size_t start = r->at;
    unsigned char c;
    while (look(r, &c)) {
        if (!fits(c) || r->at - start == most) {
            *ret = span_of(r->bytes.data + start, r->at - start);
            return true;
        }
        r->at++;
    }
    return false;
}

/* --- the lines -------------------------------------------------------------------------------- */

static bool read_version(struct reading *r)
{
    unsigned char digit;
    if (!take(r, "HTTP/1.", "not HTTP/1") || !look(r, &digit))
        return false;
    if (digit < '0' || digit > '9')
        return refuse(r, "not HTTP/1");
    r->old = digit == '0';
    r->at++;
    return take(r, "\r\n", "the request line does not end in CRLF behind its version");
}

static bool read_request_line(struct reading *r)
{
    if (!take_while(r, is_token, METHOD_MAX, &r->method))
        return false;
    if (r->method.length == 0)
        return refuse(r, "not HTTP/1");
    if (!take(r, " ", "not HTTP/1") || !take_while(r, is_target, HTTP_HEAD_MAX, &r->target))
        return false;
    if (r->target.length == 0)
        return refuse(r, "a request without a target");
    return take(r, " ", "a byte that is none of a request target's") && read_version(r);
}

static bool is_host(struct span name)
{
    return name.length == 4 && strncasecmp((const char *)name.data, "host", 4) == 0;
}

static struct span trim(struct span s)
{
    while (s.length > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = span_of(s.data + 1, s.length - 1);
    while (s.length > 0 && (s.data[s.length - 1] == ' ' || s.data[s.length - 1] == '\t'))
        s.length--;
    return s;
}

static bool read_field(struct reading *r)
{
    struct span name, value;
    if (!take_while(r, is_token, HTTP_HEAD_MAX, &name))
        return false;
    if (name.length == 0)
        return refuse(r, "a line of the head that is no field");
    bool host = is_host(name);
    if (host && r->has_host)
        return refuse(r, "more than one Host");
    if (!take(r, ":", "a field name with no colon behind it") ||
        !take_while(r, is_value, HTTP_HEAD_MAX, &value) ||
        !take(r, "\r\n", "a control byte in the head"))
        return false;
    r->has_host = r->has_host || host;
    r->host = host ? trim(value) : r->host;
    return true;
}

/* A folded line begins with a blank, which no name does. */
static bool read_fields(struct reading *r)
{
    unsigned char c;
    while (look(r, &c)) {
        if (c == '\r')
            return take(r, "\r\n", "a bare CR in the head");
        if (!read_field(r))
            return false;
    }
    return false;
}

/* --- the host --------------------------------------------------------------------------------- */

static bool is_port(struct span port)
{
    unsigned number = 0;
    for (size_t i = 0; i < port.length; i++) {
        if (port.data[i] < '0' || port.data[i] > '9' || i == 5)
            return false;
        number = number * 10 + (unsigned)(port.data[i] - '0');
    }
    return number <= 65535;
}

static bool read_literal(char ret[NAME_MAX_LENGTH + 1], struct span literal)
{
    struct address address;
    char text[ADDRESS_TEXT_MAX];
    if (!address_parse_ip(&address, literal))
        return false;
    address_format_ip(&address, text);
    (void)snprintf(ret, NAME_MAX_LENGTH + 1, address.any.sa_family == AF_INET6 ? "[%s]" : "%s",
                   text);
    return true;
}

/* host [ ":" port ] (RFC 3986 §3.2): no user, no empty host, nothing that is not a host. */
static bool read_authority(char ret[NAME_MAX_LENGTH + 1], struct span authority)
{
    size_t end = 0;
    bool literal = authority.length > 0 && authority.data[0] == '[';
    while (end < authority.length && authority.data[end] != (literal ? ']' : ':'))
        end++;
    end += literal && end < authority.length;
    struct span host = span_first(authority, end), port = span_skip(authority, end);
    if (port.length > 0 && (port.data[0] != ':' || !is_port(span_skip(port, 1))))
        return false;
    return literal ? read_literal(ret, host) : name_normalise(ret, host);
}

/* --- the target ------------------------------------------------------------------------------- */

/* What stands in "http://HOST:PORT/PATH?QUERY" (RFC 9112 §3.2.2). false: it is no such target. */
static bool split_absolute(struct span target, struct span *ret_authority, struct span *ret_path)
{
    static const char scheme[] = "http://";
    size_t length = sizeof scheme - 1, end = 0;
    if (target.length < length || strncasecmp((const char *)target.data, scheme, length) != 0)
        return false;
    struct span rest = span_skip(target, length);
    while (end < rest.length && rest.data[end] != '/' && rest.data[end] != '?')
        end++;
    *ret_authority = span_first(rest, end);
    *ret_path = span_skip(rest, end);
    return true;
}

static bool judge_absolute(struct http_head *ret, struct reading *r, struct span authority)
{
    char named[NAME_MAX_LENGTH + 1];
    if (!read_authority(ret->host, authority))
        return refuse(r, "a target whose host is none");
    if (!r->has_host)
        return r->old || refuse(r, "no Host");
    if (!read_authority(named, r->host) || strcmp(named, ret->host) != 0)
        return refuse(r, "a target on another host than Host names");
    return true;
}

/* The whole head is there. */
static bool judge(struct http_head *ret, struct reading *r)
{
    struct span authority;
    ret->path = span_of(NULL, 0);
    if (split_absolute(r->target, &authority, &ret->path))
        return judge_absolute(ret, r, authority);
    if (r->target.data[0] == '/')
        ret->path = r->target;
    else if (!span_is(r->target, "*") || !span_is(r->method, "OPTIONS"))
        return refuse(r, "a target that is no path");
    if (!r->has_host)
        return refuse(r, "no Host");
    return read_authority(ret->host, r->host) || refuse(r, "a Host that is none");
}

enum verdict http_head_parse(struct http_head *ret, struct span bytes)
{
    struct reading r = {.bytes = span_first(bytes, HTTP_HEAD_MAX)};
    bool good = read_request_line(&r) && read_fields(&r);
    if (good)
        good = judge(ret, &r);
    else if (r.reason == NULL && bytes.length < HTTP_HEAD_MAX)
        return VERDICT_MORE;
    ret->length = r.at;
    ret->reason = r.reason != NULL ? r.reason : "a head of more than 16384 bytes";
    return good ? VERDICT_YES : VERDICT_NO;
}

/* --- the answer ------------------------------------------------------------------------------- */

void http_head_add_location(struct text *t, const struct http_head *head)
{
    bool rooted = head->path.length > 0 && head->path.data[0] == '/';
    text_add(t, "https://");
    text_add(t, head->host);
    text_add(t, rooted ? "" : "/");
    text_add_span(t, head->path);
}

/* RFC 9110 §5.6.7; the names of days and months are those of the C locale, whatever is set. */
static void add_date(struct text *t, uint64_t now)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)now;
    struct tm parts;
    if (gmtime_r(&seconds, &parts) == NULL)
        return;
    text_format(t, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d GMT\r\n", days + 3 * parts.tm_wday,
                parts.tm_mday, months + 3 * parts.tm_mon, parts.tm_year + 1900, parts.tm_hour,
                parts.tm_min, parts.tm_sec);
}

void http_head_add_redirect(struct text *t, const struct http_head *head, uint64_t now)
{
    text_add(t, "HTTP/1.1 301 Moved Permanently\r\n");
    add_date(t, now);
    text_add(t, "Location: ");
    http_head_add_location(t, head);
    text_add(t, "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
