/* The client's first bytes, sent to the server with the connection: that the server takes them
 * tells that the connection stands, so nobody has to ask. */
#include "session/session.h"

#include <errno.h>
#include <sys/socket.h>

bool first_words_are_due(const struct session *s)
{
    const struct pool *pool = s->listener->targets[s->rule->index].pool;
    return s->engine->heard.length > 0 && stream_is_plain(&s->client) && !s->doubtful &&
           pool_tls(pool) == NULL && pool_model(pool)->proxy_protocol == PROXY_OFF &&
           !phase_starttls_is_due(s);
}

/* TCP drops them without a copy (tcp(7), MSG_TRUNC). They were looked at and so are there: false
 * would be a fault of the kernel's. */
static bool take_from_kernel(const struct session *s, size_t count)
{
    while (count > 0) {
        ssize_t taken = recv(s->client.fd, s->engine->scratch, count, MSG_TRUNC | MSG_DONTWAIT);
        if (taken == 0 || (taken < 0 && errno != EINTR))
            return false;
        count -= taken < 0 ? 0 : (size_t)taken;
    }
    return true;
}

enum first_send first_words_say(struct session *s, int *ret_number)
{
    struct relay_lane *up = &s->relay.lane[DIRECTION_UP];
    struct span heard = s->engine->heard;
    size_t count;
    enum first_send said =
        socket_send_first(s->server.fd, heard.data, heard.length, &count, ret_number);
    if (said != FIRST_SEND_TAKEN)
        return said;
    if (!take_from_kernel(s, count)) /* they must not go out a second time */
        session_fail(s, END_internal, "bytes that were there are gone");
    stream_note_write(&s->server);
    up->bytes += count;
    tally_add(&s->traffic->bytes[DIRECTION_UP], count);
    return said;
}

/* To a server with TLS there are none: what was sent to one before it turned us away is not meant.
 */
bool first_words_are_out(const struct session *s)
{
    const struct pool *pool = s->listener->targets[s->rule->index].pool;
    return s->relay.lane[DIRECTION_UP].bytes > 0 && stream_is_plain(&s->client) &&
           pool_tls(pool) == NULL;
}

bool first_words_were_all(const struct session *s)
{
    return s->relay.lane[DIRECTION_UP].bytes > 0 && !relay_holds_bytes(&s->relay) &&
           stream_is_plain(&s->client);
}
