/* resolve: the addresses of a server as configured. Blocking. */
#ifndef POOL_RESOLVE_H
#define POOL_RESOLVE_H

#include "base/address.h"
#include "config/model.h"

struct address_list {
    struct address *items; /* owned */
    size_t count;
};

/* At least one address, each once, in the resolver's order. */
bool resolve_server(struct address_list *ret, const struct model_address *model,
                    struct error *error) MUST_CHECK;
void address_list_release(struct address_list *list);

#endif
