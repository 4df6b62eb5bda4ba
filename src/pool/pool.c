#include "balance.h"
#include "pool_private.h"
#include "resolve.h"
#include "tls/client.h"

#include <stdlib.h>
#include <string.h>

/* --- compiling ------------------------------------------------------------------------------- */

static bool report(struct problems *problems, const char *path, const struct error *error)
{
    problems_error(problems, path, "%s", error->text);
    return false;
}

/* One address is the server itself, several are told apart by their addresses. */
static bool add_found(struct view_draft *draft, unsigned item, const struct address_list *list,
                      struct error *error)
{
    const struct model_server *model = &draft->model->servers[item];
    for (size_t i = 0; i < list->count; i++) {
        char text[ADDRESS_TEXT_MAX];
        address_format(&list->items[i], text);
        struct pool_address found = {.address = list->items[i],
                                     .suffix = list->count == 1 ? NULL : text,
                                     .weight = model->weight,
                                     .backup = model->backup};
        if (!view_add_item(draft, item, &found, 1, error))
            return false;
    }
    return true;
}

static bool compile_server(struct view_draft *draft, unsigned item, struct problems *problems)
{
    const struct model_server *model = &draft->model->servers[item];
    struct address_list list;
    struct error error;
    if (!resolve_server(&list, &model->address, &error))
        return report(problems, model->address.path == NULL ? model->path : model->address.path,
                      &error);
    bool added = add_found(draft, item, &list, &error);
    address_list_release(&list);
    return added || report(problems, model->path, &error);
}

static bool compile_view(struct pool *pool, struct problems *problems)
{
    const struct model_pool *model = pool->model;
    struct view_draft draft;
    struct error error;
    if (!view_begin(&draft, pool->core, model)) {
        (void)error_memory(&error);
        return report(problems, model->path, &error);
    }
    bool ok = true;
    for (unsigned i = 0; i < model->server_count; i++)
        ok = compile_server(&draft, i, problems) && ok;
    if (ok && (pool->draft = view_finish(&draft)) == NULL) {
        (void)error_memory(&error);
        ok = report(problems, model->path, &error);
    }
    view_abandon(&draft);
    return ok;
}

static bool compile_pool(struct pool_set *set, const struct model_pool *model,
                         const struct pool *previous, struct problems *problems)
{
    struct pool *pool = &set->pools[set->count++];
    pool->set = set;
    pool->model = model;
    pool->core = previous == NULL ? core_create() : core_use(previous->core);
    if (pool->core == NULL) {
        problems_error(problems, model->path, "out of memory");
        return false;
    }
    bool tls = model->tls.path == NULL || tls_client_compile(&pool->tls, &model->tls, problems);
    return compile_view(pool, problems) && tls;
}

static bool compile_pools(struct pool_set *set, const struct model *model,
                          const struct pool_set *previous, struct problems *problems)
{
    bool ok = true;
    for (size_t i = 0; i < model->pool_count; i++) {
        const struct model_pool *pool = &model->pools[i];
        const struct pool *before = previous == NULL ? NULL : pool_set_find(previous, pool->name);
        ok = compile_pool(set, pool, before, problems) && ok;
    }
    return ok;
}

bool pool_set_compile(struct pool_set **ret, const struct model *model,
                      const struct pool_set *previous, struct problems *problems)
{
    struct pool_set *set = calloc(1, sizeof *set);
    if (set == NULL || (set->pools = calloc(model->pool_count + 1, sizeof *set->pools)) == NULL) {
        problems_error(problems, "pools", "out of memory");
        pool_set_free(set);
        return false;
    }
    if (!compile_pools(set, model, previous, problems)) {
        pool_set_free(set);
        return false;
    }
    *ret = set;
    return true;
}

void pool_set_free(struct pool_set *set)
{
    if (set == NULL)
        return;
    for (unsigned i = 0; i < set->count; i++) {
        view_free(set->pools[i].draft);
        core_unuse(set->pools[i].core);
        tls_client_unref(set->pools[i].tls);
    }
    free(set->pools);
    free(set);
}

/* --- the view changes ------------------------------------------------------------------------- */

static void publish(struct pool *pool, struct view *view)
{
    for (unsigned i = 0; i < view->count; i++) {
        const struct member *m = &view->items[i];
        server_configure(m->server, m->state, m->configured);
    }
    core_publish(pool->core, view);
}

static void tell_observer(struct pool *pool)
{
    if (pool->set->on_change != NULL)
        pool->set->on_change(pool->set->context, pool);
}

void pool_set_publish(struct pool_set *set)
{
    for (unsigned i = 0; i < set->count; i++) {
        struct view *view = set->pools[i].draft;
        set->pools[i].draft = NULL;
        publish(&set->pools[i], view);
    }
}

void pool_set_observe(struct pool_set *set, pool_changed *on_change, void *context)
{
    set->on_change = on_change;
    set->context = context;
}

/* All members of `from` that belong to items before or behind `item`. */
static bool copy_items(struct view_draft *draft, const struct view *from, unsigned item,
                       bool behind)
{
    for (unsigned i = 0; i < from->count; i++) {
        const struct member *m = &from->items[i];
        if ((behind ? m->item > item : m->item < item) && !view_add_member(draft, m))
            return false;
    }
    return true;
}

/* Behind the last item there is none: then everything is copied. */
static bool rebuild(struct pool *pool, unsigned item, const struct pool_address *found,
                    size_t count, struct error *error)
{
    const struct view *now = pool_view(pool);
    struct view_draft draft;
    struct view *view = NULL;
    if (!view_begin(&draft, pool->core, pool->model))
        return error_memory(error);
    bool good = copy_items(&draft, now, item, false) || error_memory(error);
    good = good && view_add_item(&draft, item, found, count, error);
    good = good && (copy_items(&draft, now, item, true) || error_memory(error));
    good = good && ((view = view_finish(&draft)) != NULL || error_memory(error));
    view_abandon(&draft);
    if (!good)
        return false;
    if (pool->draft != NULL) {
        view_free(pool->draft);
        pool->draft = view;
        return true;
    }
    publish(pool, view);
    tell_observer(pool);
    return true;
}

bool pool_update_addresses(struct pool *pool, unsigned item, const struct pool_address *found,
                           size_t count, struct error *error)
{
    return rebuild(pool, item, found, count, error);
}

void pool_set_server_state(struct pool *pool, struct server *server, enum server_state state)
{
    server_set_state(server, state);
    tell_observer(pool);
}

bool pool_set_server_weight(struct pool *pool, struct server *server, unsigned weight,
                            struct error *error)
{
    struct server_wishes before = server->wishes;
    server->wishes.has_weight = true;
    server->wishes.weight = weight;
    if (rebuild(pool, (unsigned)pool->model->server_count, NULL, 0, error))
        return true;
    server->wishes = before;
    return false;
}

/* --- using ----------------------------------------------------------------------------------- */

struct server *pool_pick(struct pool *pool, const struct pool_key *key, struct server *const *tried,
                         unsigned tried_count)
{
    struct pool_core *core = pool->core;
    struct balance_args args = {key, tried, tried_count, &core->random};
    struct server *server = NULL;
    pthread_mutex_lock(&core->mutex);
    /* Nobody overtakes those who wait; who cannot wait himself takes what they leave. */
    if (pool->model->queue_max == 0 || atomic_load(&core->waiting) == 0)
        server = balance_pick(core->view, &args);
    if (server != NULL)
        server_take(server);
    pthread_mutex_unlock(&core->mutex);
    return server;
}

/* --- looking ---------------------------------------------------------------------------------- */

struct pool *pool_set_find(const struct pool_set *set, const char *name)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (strcmp(set->pools[i].model->name, name) == 0)
            return &set->pools[i];
    }
    return NULL;
}

unsigned pool_set_count(const struct pool_set *set)
{
    return set->count;
}

struct pool *pool_set_at(const struct pool_set *set, unsigned at)
{
    return &set->pools[at];
}

const struct model_pool *pool_model(const struct pool *pool)
{
    return pool->model;
}

struct tls_client *pool_tls(const struct pool *pool)
{
    return pool->tls;
}

const char *pool_name(const struct pool *pool)
{
    return pool->model->name;
}

unsigned pool_server_count(const struct pool *pool)
{
    return pool_view(pool)->count;
}

struct server *pool_server_at(const struct pool *pool, unsigned at)
{
    return pool_view(pool)->items[at].server;
}

unsigned pool_server_item(const struct pool *pool, unsigned at)
{
    return pool_view(pool)->items[at].item;
}

unsigned pool_server_weight(const struct pool *pool, unsigned at)
{
    return pool_view(pool)->items[at].weight;
}

bool pool_server_is_backup(const struct pool *pool, unsigned at)
{
    return pool_view(pool)->items[at].backup;
}

unsigned pool_server_max_sessions(const struct pool *pool, unsigned at)
{
    return pool_view(pool)->items[at].most;
}

struct server *pool_find_server(const struct pool *pool, const char *name)
{
    struct member *m = view_find(pool_view(pool), name);
    return m == NULL ? NULL : m->server;
}
