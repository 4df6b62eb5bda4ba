/* Who may come in: asked once per session, with the address that counts (behind a PROXY header the
 * client's own). */
#include "base/clock.h"
#include "session/refusals.h"
#include "session/session.h"

static bool is_denied(const struct session *s)
{
    struct address client = address_from_ip(&s->client_ip);
    return networks_admit(&s->listener->networks, &client) != ADMISSION_GRANTED;
}

static bool take_source(struct session *s)
{
    uint64_t most = session_model(s)->max_sessions_per_source;
    if (most == 0 || !session_has_source(s))
        return true;
    s->counted_source = sources_take(s->listener->books->sessions_by_source, &s->client_ip, most);
    return s->counted_source;
}

/* Last of all: only who is let in uses the allowance up. */
static bool is_too_fast(const struct session *s)
{
    const struct rate *rate = &session_model(s)->accept_rate_per_source;
    return rate->count != 0 && session_has_source(s) &&
           !books_rate_admits(s->listener->books, &s->client_ip, rate, clock_monotonic_us());
}

static bool refuse(struct session *s, enum limit limit)
{
    session_refuse(s, limit);
    return false;
}

bool admission_admit(struct session *s)
{
    if (is_denied(s))
        return refuse(s, LIMIT_denied);
    if (!limit_take(&s->listener->books->sessions, session_model(s)->max_sessions))
        return refuse(s, LIMIT_max_sessions);
    s->counted = true;
    if (!take_source(s))
        return refuse(s, LIMIT_max_sessions_per_source);
    return !is_too_fast(s) || refuse(s, LIMIT_accept_rate_per_source);
}

void admission_leave(struct session *s)
{
    struct books *books = s->listener->books;
    if (s->counted)
        limit_give(&books->sessions);
    if (s->counted_source)
        sources_give(books->sessions_by_source, &s->client_ip);
    s->counted = s->counted_source = false;
}
