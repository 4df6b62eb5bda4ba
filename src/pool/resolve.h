/* resolve: what the names of a configuration stand for, when it is compiled. Blocking, control
 * thread; later changes are names.c's. */
#ifndef POOL_RESOLVE_H
#define POOL_RESOLVE_H

#include "base/name.h"
#include "pool/pool.h"

/* More servers than this of one name are left out: what a name stands for is another's choice. As
 * many are collected as a whole answer can hold, so that the same ones are left out each time. */
#define FOUND_MAX     256u
#define COLLECTED_MAX 4096u
/* And of all names of a pool: each pick looks at every server. */
#define FOUND_MAX_POOL 1024u

struct found {
    struct address address;
    unsigned weight, priority; /* of an SRV record as found; 1 and 0 for an address */
    bool backup;
    char host[NAME_MAX_LENGTH + 1]; /* an SRV record's target, in normal form; "": the item's */
};

struct found_list {
    struct found *items; /* owned */
    size_t count;
    bool cut; /* there were more */
};

bool found_add(struct found_list *list, const struct found *found) MUST_CHECK; /* false: memory */
void found_release(struct found_list *list);

/* Each address once, in one order whatever order it was told in, FOUND_MAX at most. Of SRV records
 * the priorities become backups (all but the first) and the weights 0 to 256; addresses that this
 * host has no way to go out of the list, unless nothing were left. */
void found_settle(struct found_list *list, bool srv);

/* The list under the names that its servers have; `texts` is where suffixes live, and hosts live in
 * the list. */
struct named_list {
    struct pool_address *items;
    char (*texts)[ADDRESS_TEXT_MAX];
    size_t count;
};
bool named_create(struct named_list *ret, const struct found_list *list,
                  const struct model_server *model) MUST_CHECK; /* false: memory */
void named_release(struct named_list *list);

/* How many servers a name may have beside those that the view has of the pool's other names. */
struct view;
size_t found_room(const struct view *view, const struct model_pool *model, unsigned item);

/* Must the network be asked? */
static inline bool resolve_is_name(const struct model_server *server)
{
    return server->address.kind == HOST_NAME || server->address.kind == HOST_SRV;
}

/* The family that the pool can connect to: AF_INET, AF_INET6, or AF_UNSPEC for both. */
int resolve_family(const struct model_pool *pool);

struct resolved;

/* Asks for all names of the model at once, but for those that `skips` holds: bounded, some seconds
 * at most. NULL when memory is out. */
typedef bool resolve_skips(void *context, unsigned pool, unsigned item);
struct resolved *resolve_names(const struct model *model, resolve_skips *skips, void *context);
void resolved_free(struct resolved *resolved); /* accepts NULL */

/* The servers of an item: an address as it is, a name as it was answered. `ret` is owned by the
 * caller. */
bool resolved_get(const struct resolved *resolved, struct found_list *ret,
                  const struct model_server *server, struct error *error) MUST_CHECK;

#endif
