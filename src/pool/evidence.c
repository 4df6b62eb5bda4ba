#include "evidence.h"

#include "server.h"

#include <string.h>

static unsigned load(const atomic_uint *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* Mostly there is nothing to clear, and then nobody else's cache is disturbed. */
static void clear(atomic_uint *count)
{
    if (load(count) != 0)
        atomic_store_explicit(count, 0, memory_order_relaxed);
}

void evidence_clear(struct evidence *evidence)
{
    clear(&evidence->refusals);
    clear(&evidence->resets);
    clear(&evidence->provoked);
}

unsigned evidence_sure(const struct evidence *evidence)
{
    return load(&evidence->refusals) + load(&evidence->resets);
}

unsigned evidence_doubtful(const struct evidence *evidence)
{
    return load(&evidence->provoked);
}

/* One more, as long as somebody will weigh it. */
static bool count(struct server *server, atomic_uint *what)
{
    if (!atomic_load_explicit(&server->evidence.wanted, memory_order_relaxed) ||
        !server_is_up(server))
        return false;
    atomic_fetch_add_explicit(what, 1, memory_order_relaxed);
    return true;
}

bool server_note_failure(struct server *server, const char *what, const char *why)
{
    server_note_error(server, what, why);
    return count(server, &server->evidence.refusals);
}

bool server_note_connect_failure(struct server *server, int number)
{
    char room[SERVER_ERROR_MAX];
    return server_note_failure(server, "connect", strerror_r(number, room, sizeof room));
}

bool server_note_reset(struct server *server, bool provoked)
{
    server_note_error(server, "session", "reset before its first byte");
    return count(server, provoked ? &server->evidence.provoked : &server->evidence.resets);
}

void server_note_connected(struct server *server)
{
    clear(&server->evidence.refusals);
}

void server_note_answer(struct server *server)
{
    clear(&server->evidence.resets);
    clear(&server->evidence.provoked);
}
