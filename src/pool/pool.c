#include "balance.h"
#include "pool_private.h"
#include "resolve.h"
#include "tls/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- compiling ------------------------------------------------------------------------------- */

static bool report(struct problems *problems, const char *path, const struct error *error)
{
    problems_error(problems, path, "%s", error->text);
    return false;
}

/* What is compiled, beside the set itself. */
struct compiling {
    const struct model *model;
    const struct pool_set *previous; /* NULL: none */
    const struct resolved *resolved;
    struct problems *problems;
};

static const struct pool *find_previous(const struct compiling *c, const char *name)
{
    return c->previous == NULL ? NULL : pool_set_find(c->previous, name);
}

/* The servers that this name stands for in the running configuration. */
static bool list_known(struct found_list *ret, const struct pool *before,
                       const struct model_server *model)
{
    const struct view *view = before == NULL ? NULL : pool_view(before);
    for (unsigned i = 0; view != NULL && i < view->count; i++) {
        const struct member *m = &view->items[i];
        const struct model_server *known = &before->model->servers[m->item];
        struct found found = {
            .address = m->server->address, .weight = m->configured, .backup = m->backup};
        if (model->address.kind == HOST_SRV && m->server->host != NULL)
            (void)snprintf(found.host, sizeof found.host, "%s", m->server->host);
        if (strcmp(known->address.text, model->address.text) == 0 &&
            strcmp(known->name, model->name) == 0 && !found_add(ret, &found))
            return false;
    }
    return true;
}

static bool is_known(void *context, unsigned pool, unsigned item)
{
    const struct compiling *c = context;
    const struct model_pool *model = &c->model->pools[pool];
    struct found_list list = {0};
    bool good = list_known(&list, find_previous(c, model->name), &model->servers[item]);
    bool known = good && list.count > 0;
    found_release(&list);
    return known;
}

/* A name that is known goes on with the servers that it has: the network is not waited for, and may
 * just now have no answer. It is asked again as soon as the configuration runs. */
static bool list_servers(const struct compiling *c, struct found_list *ret,
                         const struct model_pool *pool, const struct model_server *model,
                         struct error *error)
{
    *ret = (struct found_list){0};
    if (resolve_is_name(model) && !list_known(ret, find_previous(c, pool->name), model))
        return error_memory(error);
    return ret->count > 0 || resolved_get(c->resolved, ret, model, error);
}

static bool add_found(struct view_draft *draft, unsigned item, const struct found_list *list,
                      struct error *error)
{
    struct named_list named;
    if (!named_create(&named, list, &draft->model->servers[item]))
        return error_memory(error);
    size_t room = found_room(draft->view, draft->model, item);
    if (resolve_is_name(&draft->model->servers[item]) && named.count > room)
        named.count = room; /* told when it is asked again (names.c) */
    bool added = view_add_item(draft, item, named.items, named.count, error);
    named_release(&named);
    return added;
}

static bool compile_server(const struct compiling *c, struct view_draft *draft, unsigned item)
{
    const struct model_server *model = &draft->model->servers[item];
    struct found_list list;
    struct error error;
    bool found = list_servers(c, &list, draft->model, model, &error);
    bool added = found && add_found(draft, item, &list, &error);
    found_release(&list);
    if (!found)
        return report(c->problems, model->address.path == NULL ? model->path : model->address.path,
                      &error);
    return added || report(c->problems, model->path, &error);
}

static bool compile_view(const struct compiling *c, struct pool *pool)
{
    const struct model_pool *model = pool->model;
    struct view_draft draft;
    struct error error;
    if (!view_begin(&draft, pool->core, model)) {
        (void)error_memory(&error);
        return report(c->problems, model->path, &error);
    }
    bool ok = true;
    for (unsigned i = 0; i < model->server_count; i++)
        ok = compile_server(c, &draft, i) && ok;
    if (ok && (pool->draft = view_finish(&draft)) == NULL) {
        (void)error_memory(&error);
        ok = report(c->problems, model->path, &error);
    }
    view_abandon(&draft);
    return ok;
}

static bool compile_pool(const struct compiling *c, struct pool_set *set,
                         const struct model_pool *model)
{
    const struct pool *previous = find_previous(c, model->name);
    struct pool *pool = &set->pools[set->count++];
    pool->set = set;
    pool->model = model;
    pool->core = previous == NULL ? core_create() : core_use(previous->core);
    if (pool->core == NULL) {
        problems_error(c->problems, model->path, "out of memory");
        return false;
    }
    bool tls = model->tls.path == NULL || tls_client_compile(&pool->tls, &model->tls, c->problems);
    return compile_view(c, pool) && tls;
}

static bool compile_pools(struct pool_set *set, struct compiling *c)
{
    bool ok = true;
    struct resolved *resolved = resolve_names(c->model, is_known, c);
    if (resolved == NULL) {
        problems_error(c->problems, "pools", "out of memory");
        return false;
    }
    c->resolved = resolved;
    for (size_t i = 0; i < c->model->pool_count; i++)
        ok = compile_pool(c, set, &c->model->pools[i]) && ok;
    resolved_free(resolved);
    return ok;
}

bool pool_set_compile(struct pool_set **ret, const struct model *model,
                      const struct pool_set *previous, struct problems *problems)
{
    struct pool_set *set = calloc(1, sizeof *set);
    struct compiling c = {.model = model, .previous = previous, .problems = problems};
    if (set == NULL || (set->pools = calloc(model->pool_count + 1, sizeof *set->pools)) == NULL) {
        problems_error(problems, "pools", "out of memory");
        pool_set_free(set);
        return false;
    }
    if (!compile_pools(set, &c)) {
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
    pool_set_forget(set);
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
        server_call(m->server, m->name);
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
        pool_end_return(&set->pools[i]);
    }
}

void pool_set_observe(struct pool_set *set, pool_changed *on_change, void *context)
{
    set->on_change = on_change;
    set->context = context;
}

/* All members of `from` that belong to items before or behind `item`. */
static bool copy_items(struct view_draft *draft, const struct view *from, unsigned item,
                       bool behind, struct error *error)
{
    for (unsigned i = 0; i < from->count; i++) {
        const struct member *m = &from->items[i];
        if ((behind ? m->item > item : m->item < item) && !view_add_member(draft, m, error))
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
    bool good = copy_items(&draft, now, item, false, error);
    good = good && view_add_item(&draft, item, found, count, error);
    good = good && copy_items(&draft, now, item, true, error);
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
