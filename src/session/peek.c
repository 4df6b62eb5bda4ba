/* Looking at the first bytes while they stay in the kernel.
 *
 * The loop is level-triggered, so an undecided socket would be reported again and again. Raising
 * SO_RCVLOWAT to what the parsers need next makes the kernel wait for it. Readiness stays on all
 * the same after a FIN, at an urgent-data mark, with a full window or under memory pressure: a wake
 * that brings nothing new checks for FIN, then leaves the socket alone and looks again by a timer.
 */
#include "inspect/proxy_header.h"
#include "session/session.h"

#include <errno.h>
#include <sys/socket.h>

size_t peek_most_bytes(const struct session *s)
{
    if (s->phase == PHASE_PROXY_HEADER)
        return PROXY_HEADER_MAX; /* is not what max_bytes bounds */
    uint64_t most = session_model(s)->max_inspect_bytes;
    return most < SCRATCH_BYTES ? (size_t)most : SCRATCH_BYTES;
}

static enum peek nothing_new(struct session *s, size_t count)
{
    if (count > 0 && socket_peer_finished(s->client.fd))
        return PEEK_FINISHED;
    s->resting = count > 0;
    return PEEK_NOTHING_NEW;
}

enum peek peek_look(struct session *s, struct span *ret)
{
    ssize_t count = recv(s->client.fd, s->engine->scratch, peek_most_bytes(s), MSG_PEEK);
    if (count == 0) {
        session_end(s, END_client_closed);
        return PEEK_ENDED;
    }
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
        session_end(s, END_client_reset);
        return PEEK_ENDED;
    }
    size_t length = count < 0 ? 0 : (size_t)count;
    *ret = span_of(s->engine->scratch, length);
    bool first = s->peeked == 0 && length > 0;
    if (!first && length <= s->peeked)
        return nothing_new(s, length);
    s->peeked = (uint32_t)length;
    return PEEK_BYTES;
}

void peek_wait_for(struct session *s, size_t need)
{
    size_t most = peek_most_bytes(s);
    if (need > most)
        need = most;
    if (need <= s->peeked)
        need = (size_t)s->peeked + 1;
    s->low_water = true;
    socket_set_low_water(s->client.fd, need);
}

void peek_done(struct session *s)
{
    s->peeked = 0;
    s->resting = false;
    if (!s->low_water)
        return;
    s->low_water = false;
    socket_set_low_water(s->client.fd, 1);
}
