#include "server.h"

#include "base/clock.h"
#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct server *server_create(struct pool_core *core, const char *pool_name, const char *item,
                             const struct pool_address *found)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return NULL;
    atomic_init(&server->references, 1);
    atomic_init(&server->sessions, 0);
    atomic_init(&server->up, true);
    atomic_init(&server->state, SERVER_READY);
    atomic_init(&server->returned_us, 0);
    core_ref(core);
    server->core = core;
    server->address = found->address;
    server->item = strdup(item);
    server->pool_name = strdup(pool_name);
    server->host = found->host == NULL ? NULL : strdup(found->host);
    pthread_mutex_init(&server->error_lock, NULL);
    const char *name = server->item == NULL ? NULL : server_name_with(server, found->suffix);
    server_call(server, name);
    if (name == NULL || server->pool_name == NULL ||
        (found->host != NULL && server->host == NULL)) {
        server_unref(server);
        return NULL;
    }
    return server;
}

void server_ref(struct server *server)
{
    atomic_fetch_add_explicit(&server->references, 1, memory_order_relaxed);
}

void server_unref(struct server *server)
{
    if (atomic_fetch_sub_explicit(&server->references, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&server->error_lock);
    core_unref(server->core);
    free(server->item);
    free(server->apart);
    free(server->pool_name);
    free(server->host);
    free(server);
}

void server_take(struct server *server)
{
    server_ref(server);
    atomic_fetch_add_explicit(&server->sessions, 1, memory_order_relaxed);
}

void server_release(struct server *server)
{
    /* In one order with core->waiting: who begins to wait sees the slot, or we see who waits. */
    atomic_fetch_sub(&server->sessions, 1);
    core_serve(server->core);
    server_unref(server);
}

const char *server_name(const struct server *server)
{
    return atomic_load_explicit(&server->name, memory_order_acquire);
}

const char *server_pool_name(const struct server *server)
{
    return server->pool_name;
}

const struct address *server_address(const struct server *server)
{
    return &server->address;
}

const char *server_host(const struct server *server)
{
    return server->host;
}

unsigned server_sessions(const struct server *server)
{
    return atomic_load(&server->sessions);
}

bool server_is_up(const struct server *server)
{
    return atomic_load_explicit(&server->up, memory_order_relaxed);
}

enum server_state server_state(const struct server *server)
{
    return atomic_load_explicit(&server->state, memory_order_relaxed);
}

bool server_is_open(const struct server *server)
{
    return server_is_up(server) && server_state(server) == SERVER_READY;
}

void server_note_return(struct server *server)
{
    atomic_store_explicit(&server->returned_us, clock_monotonic_us(), memory_order_relaxed);
}

uint64_t server_returned_us(const struct server *server)
{
    return atomic_load_explicit(&server->returned_us, memory_order_relaxed);
}

void server_set_up(struct server *server, bool up)
{
    if (up && !server_is_up(server))
        server_note_return(server);
    atomic_store_explicit(&server->up, up, memory_order_relaxed);
    if (up)
        core_serve_after_change(server->core);
}

void server_begin_leaving(struct server *server)
{
    if (server->leaving_since_us == 0)
        server->leaving_since_us = clock_monotonic_us();
}

void server_set_state(struct server *server, enum server_state state)
{
    if (state == SERVER_READY)
        server->leaving_since_us = 0;
    else
        server_begin_leaving(server);
    if (state == SERVER_READY && server_state(server) != SERVER_READY)
        server_note_return(server);
    atomic_store_explicit(&server->state, state, memory_order_relaxed);
    if (state == SERVER_READY)
        core_serve_after_change(server->core);
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_same_host(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool server_is(const struct server *server, const char *item, const struct pool_address *found)
{
    if (strcmp(server->item, item) != 0 || !is_same_host(server->host, found->host) ||
        !address_equal(&server->address, &found->address))
        return false;
    return found->suffix == NULL || server->apart == NULL ||
           strcmp(server->apart + strlen(item) + 1, found->suffix) == 0;
}

const char *server_name_with(struct server *server, const char *suffix)
{
    if (suffix == NULL)
        return server->item;
    if (server->apart == NULL && asprintf(&server->apart, "%s/%s", server->item, suffix) < 0)
        server->apart = NULL;
    return server->apart;
}

void server_call(struct server *server, const char *name)
{
    atomic_store_explicit(&server->name, name, memory_order_release);
}

/* --- wishes ----------------------------------------------------------------------------------- */

unsigned server_weight_for(const struct server *server, unsigned configured)
{
    const struct server_wishes *wishes = &server->wishes;
    return wishes->has_weight && configured == wishes->configured_weight ? wishes->weight
                                                                         : configured;
}

void server_configure(struct server *server, enum server_state state, unsigned weight)
{
    struct server_wishes *wishes = &server->wishes;
    if (!wishes->published || state != wishes->configured_state)
        server_set_state(server, state); /* also ends the leaving of one that comes back */
    if (weight != wishes->configured_weight)
        wishes->has_weight = false;
    wishes->configured_state = state;
    wishes->configured_weight = weight;
    wishes->published = true;
}

/* --- errors ----------------------------------------------------------------------------------- */

void server_last_error(struct server *server, char text[SERVER_ERROR_MAX])
{
    pthread_mutex_lock(&server->error_lock);
    memcpy(text, server->last_error, SERVER_ERROR_MAX);
    pthread_mutex_unlock(&server->error_lock);
}

void server_note_error(struct server *server, const char *what, const char *why)
{
    pthread_mutex_lock(&server->error_lock);
    snprintf(server->last_error, SERVER_ERROR_MAX, "%s: %s", what, why);
    pthread_mutex_unlock(&server->error_lock);
}
