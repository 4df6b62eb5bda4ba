#include "app/binder.h"

#include <stdio.h>
#include <string.h>

static struct binding *find(const struct bindings *bindings, const char *text)
{
    for (size_t i = 0; bindings != NULL && i < bindings->count; i++)
        if (strcmp(bindings->item[i].binding->text, text) == 0)
            return bindings->item[i].binding;
    return NULL;
}

/* By another name the same address. New sockets would be of one SO_REUSEPORT group with the old
 * ones, and clients be given to those that leave. */
static struct binding *find_address(const struct bindings *bindings, const struct address *address)
{
    for (size_t i = 0; bindings != NULL && i < bindings->count; i++)
        if (address_equal(&bindings->item[i].binding->actual, address))
            return bindings->item[i].binding;
    return NULL;
}

/* --- addresses that overlap ------------------------------------------------------------------- */

static bool is_any(const struct address *a)
{
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
}

/* [::] takes both families. The kernel gives a connection to the socket that fits best. */
static bool covers(const struct address *wide, const struct address *a)
{
    return is_any(wide) &&
           (wide->any.sa_family == AF_INET6 || a->any.sa_family == wide->any.sa_family);
}

static bool overlap(const struct address *a, const struct address *b)
{
    return address_is_ip(a) && address_is_ip(b) && address_port(a) == address_port(b) &&
           (address_equal(a, b) || covers(a, b) || covers(b, a));
}

struct binder {
    const struct bindings *previous; /* NULL at start */
    const struct bindings *now;      /* as far as they are open */
    const struct bindings *spare;    /* NULL: none */
    unsigned workers;
};

static bool is_among(const struct bindings *bindings, const struct address *a,
                     bool (*alike)(const struct address *, const struct address *))
{
    for (size_t i = 0; bindings != NULL && i < bindings->count; i++)
        if (bindings->item[i].binding != NULL && alike(a, &bindings->item[i].binding->actual))
            return true;
    return false;
}

/* Of the running configuration any, as it gives way: "127.0.0.1:80" may become "*:80". Of the new
 * one those that overlap, and not the very same. */
static bool is_ours(const struct binder *b, const struct address *a)
{
    return (is_among(b->previous, a, overlap) || is_among(b->now, a, overlap)) &&
           !is_among(b->now, a, address_equal);
}

static bool open_new(struct binding **ret, const struct model_address *model,
                     const struct keepalive *keepalive, const struct binder *b, struct error *error)
{
    struct address address = model->address;
    if (model->kind == HOST_NAME && !socket_look_up(&address, model->name, model->port, error))
        return false;
    struct binding *same = find_address(b->previous, &address);
    if (same != NULL && !bindings_have(b->now, same)) {
        *ret = binding_ref(same);
        return true;
    }
    if (!binding_open(ret, model->text, &address, b->workers, is_ours(b, &address), error))
        return false;
    binding_set_keepalive(*ret, keepalive);
    return true;
}

static size_t count_binds(const struct snapshot *snapshot)
{
    size_t count = 0;
    for (size_t i = 0; i < snapshot->listener_count; i++)
        count += snapshot->listeners[i].model->bind_count;
    return count;
}

bool binder_bind_again(struct bindings **ret, const struct snapshot *snapshot,
                       const struct bindings *previous, const struct bindings *spare,
                       unsigned workers, struct error *error)
{
    size_t count = count_binds(snapshot), next = 0;
    struct bindings *bindings = bindings_create(count);
    if (bindings == NULL)
        return error_memory(error);
    const struct binder binder = {previous, bindings, spare, workers};
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct model_listener *model = snapshot->listeners[i].model;
        for (size_t b = 0; b < model->bind_count; b++) {
            struct bound_listener *bound = &bindings->item[next++];
            struct binding *kept = find(previous, model->binds[b].text);
            if (kept == NULL)
                kept = find(spare, model->binds[b].text);
            bound->listener = i;
            if (kept != NULL && !bindings_have(bindings, kept)) {
                bound->binding = binding_ref(kept);
            } else if (!open_new(&bound->binding, &model->binds[b], &model->keepalive, &binder,
                                 error)) {
                error_prefix(error, "listener %s", model->name);
                bindings_unref(bindings);
                return false;
            }
        }
    }
    *ret = bindings;
    return true;
}

bool binder_bind(struct bindings **ret, const struct snapshot *snapshot,
                 const struct bindings *previous, unsigned workers, struct error *error)
{
    return binder_bind_again(ret, snapshot, previous, NULL, workers, error);
}

bool binder_may_return(const struct bindings *bindings, const struct bindings *kept,
                       struct error *error)
{
    for (size_t i = 0; i < bindings->count; i++) {
        const struct binding *binding = bindings->item[i].binding;
        if (!binding->shared && !bindings_have(kept, binding) &&
            !socket_may_listen(&binding->actual, error))
            return false;
    }
    return true;
}

struct bindings *binder_spare(const struct bindings *bindings)
{
    size_t count = 0;
    for (size_t i = 0; i < bindings->count; i++)
        count += bindings->item[i].binding->shared;
    struct bindings *spare = bindings_create(count);
    for (size_t i = 0, next = 0; spare != NULL && i < bindings->count; i++)
        if (bindings->item[i].binding->shared)
            spare->item[next++].binding = binding_ref(bindings->item[i].binding);
    return spare;
}

/* --- without listening ------------------------------------------------------------------------ */

bool binder_has(const struct bindings *bindings, const char *text)
{
    return find(bindings, text) != NULL;
}

bool binder_gives_way(const struct bindings *bindings, const struct address *address)
{
    return is_among(bindings, address, overlap) || is_among(bindings, address, address_equal);
}
