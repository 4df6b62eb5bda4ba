#include "resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

static void add_once(struct address_list *list, const struct address *address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (address_equal(&list->items[i], address))
            return;
    }
    list->items[list->count++] = *address;
}

static bool refuse_name(const char *name, int code, int number, struct error *error)
{
    const char *why = code == EAI_SYSTEM ? strerror(number) : gai_strerror(code);
    return error_input(error, "cannot resolve \"%s\": %s", name, why);
}

static bool gather(struct address_list *ret, const struct addrinfo *found, uint16_t port,
                   struct error *error)
{
    size_t count = 0;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
        count++;
    ret->items = calloc(count + 1, sizeof *ret->items);
    if (ret->items == NULL)
        return error_memory(error);
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        struct address address = address_of(at->ai_addr, at->ai_addrlen);
        address_set_port(&address, port);
        add_once(ret, &address);
    }
    return true;
}

static bool resolve_name(struct address_list *ret, const struct model_address *model,
                         struct error *error)
{
    /* No IPv6 addresses on a host that has no IPv6, and the other way round. */
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(model->name, NULL, &hints, &found);
    if (code != 0)
        return refuse_name(model->name, code, errno, error);
    bool ok = gather(ret, found, model->port, error);
    freeaddrinfo(found);
    return ok;
}

bool resolve_server(struct address_list *ret, const struct model_address *model,
                    struct error *error)
{
    *ret = (struct address_list){0};
    switch (model->kind) {
    case HOST_ANY:
        return error_input(error, "\"%s\" is no address to connect to (name the server's)",
                           model->text);
    case HOST_NAME:
        return resolve_name(ret, model, error);
    case HOST_ADDRESS:
        break;
    }
    ret->items = calloc(1, sizeof *ret->items);
    if (ret->items == NULL)
        return error_memory(error);
    ret->items[ret->count++] = model->address;
    return true;
}

void address_list_release(struct address_list *list)
{
    free(list->items);
    *list = (struct address_list){0};
}
