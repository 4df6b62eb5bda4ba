/* A set that comes back: the servers it had, when another one has been in its place. */
#include "pool_private.h"

#include <stdlib.h>
#include <string.h>

/* --- remembering ------------------------------------------------------------------------------ */

static void forget(struct pool *pool)
{
    for (unsigned i = 0; i < pool->kept_count; i++)
        server_unref(pool->kept[i].member.server);
    free(pool->kept);
    pool->kept = NULL;
    pool->kept_count = 0;
}

void pool_set_forget(struct pool_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        forget(&set->pools[i]);
}

static bool remember(struct pool *pool)
{
    const struct view *view = pool_view(pool);
    pool->kept = calloc(view->count + 1, sizeof *pool->kept);
    if (pool->kept == NULL)
        return false;
    for (unsigned i = 0; i < view->count; i++) {
        struct server *server = view->items[i].server;
        server_ref(server);
        pool->kept[i] = (struct kept_server){view->items[i], server->wishes, server_state(server)};
    }
    pool->kept_count = view->count;
    return true;
}

bool pool_set_remember(struct pool_set *set, struct error *error)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (!remember(&set->pools[i])) {
            pool_set_forget(set);
            return error_memory(error);
        }
    }
    return true;
}

/* --- coming back ------------------------------------------------------------------------------ */

static const char *suffix_of(const struct kept_server *kept)
{
    const char *name = kept->member.name, *item = kept->member.server->item;
    return name == item ? NULL : name + strlen(item) + 1;
}

/* The one that is known by this item and address now may be another: it has the sessions. */
static bool add(struct view_draft *draft, const struct kept_server *kept, struct error *error)
{
    struct member member = kept->member;
    const struct pool_address found = {
        .address = member.server->address, .suffix = suffix_of(kept), .host = member.server->host};
    struct server *live = core_find(draft->core, member.server->item, &found);
    if (live != NULL) {
        member.server = live;
        member.name = server_name_with(live, found.suffix);
    }
    return member.name != NULL ? view_add_member(draft, &member, error) : error_memory(error);
}

static bool draw_up(struct pool *pool, struct error *error)
{
    struct view_draft draft;
    if (!view_begin(&draft, pool->core, pool->model))
        return error_memory(error);
    bool good = true;
    for (unsigned i = 0; good && i < pool->kept_count; i++)
        good = add(&draft, &pool->kept[i], error);
    good = good && ((pool->draft = view_finish(&draft)) != NULL || error_memory(error));
    view_abandon(&draft);
    return good;
}

static void drop_drafts(struct pool_set *set)
{
    for (unsigned i = 0; i < set->count; i++) {
        view_free(set->pools[i].draft);
        set->pools[i].draft = NULL;
    }
}

/* One that the other set did not have has lost what an operator had set. */
static void restore_wishes(struct pool *pool)
{
    for (unsigned i = 0; i < pool->kept_count; i++) {
        const struct kept_server *kept = &pool->kept[i];
        struct server *server = kept->member.server;
        if (server->wishes.published)
            continue;
        server->wishes = kept->wishes;
        server_set_state(server, kept->state);
    }
}

bool pool_set_prepare_again(struct pool_set *set, struct error *error)
{
    for (unsigned i = 0; i < set->count; i++) {
        restore_wishes(&set->pools[i]);
        if (!draw_up(&set->pools[i], error)) {
            drop_drafts(set);
            return false;
        }
    }
    return true;
}

/* Those of a pool that the other set did not have have begun to leave. */
void pool_end_return(struct pool *pool)
{
    const struct view *view = pool_view(pool);
    for (unsigned i = 0; pool->kept != NULL && i < view->count; i++)
        if (server_state(view->items[i].server) == SERVER_READY)
            server_set_state(view->items[i].server, SERVER_READY);
    forget(pool);
}
