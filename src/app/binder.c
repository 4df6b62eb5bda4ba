#include "app/binder.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

static struct binding *find(const struct bindings *bindings, const char *text)
{
    for (size_t i = 0; bindings != NULL && i < bindings->count; i++)
        if (strcmp(bindings->item[i].binding->text, text) == 0)
            return bindings->item[i].binding;
    return NULL;
}

/* A name to listen on ("localhost:9018"): its first address. */
static bool resolve(struct address *ret, const struct model_address *model, struct error *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    int failure = getaddrinfo(model->name, NULL, &hints, &found);
    if (failure != 0)
        return error_input(error, "cannot listen on %s: %s", model->text, gai_strerror(failure));
    *ret = address_of(found->ai_addr, found->ai_addrlen);
    address_set_port(ret, model->port);
    freeaddrinfo(found);
    return true;
}

static bool open_new(struct binding **ret, const struct model_address *model, unsigned workers,
                     struct error *error)
{
    struct address address = model->address;
    if (model->kind == HOST_NAME && !resolve(&address, model, error))
        return false;
    return binding_open(ret, model->text, &address, workers, error);
}

static size_t count_binds(const struct snapshot *snapshot)
{
    size_t count = 0;
    for (size_t i = 0; i < snapshot->listener_count; i++)
        count += snapshot->listeners[i].model->bind_count;
    return count;
}

bool binder_bind(struct bindings **ret, const struct snapshot *snapshot,
                 const struct bindings *previous, unsigned workers, struct error *error)
{
    size_t count = count_binds(snapshot), next = 0;
    struct bindings *bindings = bindings_create(count);
    if (bindings == NULL)
        return error_memory(error);
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct model_listener *model = snapshot->listeners[i].model;
        for (size_t b = 0; b < model->bind_count; b++) {
            struct bound_listener *bound = &bindings->item[next++];
            struct binding *kept = find(previous, model->binds[b].text);
            bound->listener = i;
            if (kept != NULL) {
                bound->binding = binding_ref(kept);
            } else if (!open_new(&bound->binding, &model->binds[b], workers, error)) {
                error_prefix(error, "listener %s", model->name);
                bindings_unref(bindings);
                return false;
            } else {
                binding_set_keepalive(bound->binding, &model->keepalive);
            }
        }
    }
    *ret = bindings;
    return true;
}
