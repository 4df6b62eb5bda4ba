#include "pool_private.h"
#include "resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the lock -------------------------------------------------------------------------------- */

static struct pool_lock *lock_create(void)
{
    struct pool_lock *lock = calloc(1, sizeof *lock);
    if (lock == NULL)
        return NULL;
    atomic_init(&lock->references, 1);
    pthread_mutex_init(&lock->mutex, NULL);
    return lock;
}

static struct pool_lock *lock_ref(struct pool_lock *lock)
{
    atomic_fetch_add_explicit(&lock->references, 1, memory_order_relaxed);
    return lock;
}

static void lock_unref(struct pool_lock *lock)
{
    if (lock == NULL || atomic_fetch_sub_explicit(&lock->references, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&lock->mutex);
    free(lock);
}

/* --- compiling ------------------------------------------------------------------------------- */

/* One pool on its way to be compiled. */
struct compiling {
    struct pool *pool;
    const struct pool *previous; /* of the same name; NULL: none */
    struct problems *problems;
    unsigned capacity; /* of the members */
    bool failed;
};

static struct server *find_server(const struct pool *pool, const char *name)
{
    for (unsigned i = 0; pool != NULL && i < pool->members.count; i++) {
        if (strcmp(pool->members.items[i].server->name, name) == 0)
            return pool->members.items[i].server;
    }
    return NULL;
}

static void out_of_memory(struct compiling *c, const char *path)
{
    problems_error(c->problems, path, "out of memory");
    c->failed = true;
}

static bool make_room(struct compiling *c)
{
    struct members *members = &c->pool->members;
    if (members->count < c->capacity)
        return true;
    unsigned capacity = c->capacity == 0 ? 8 : 2 * c->capacity;
    struct member *items = reallocarray(members->items, capacity, sizeof *items);
    if (items == NULL)
        return false;
    members->items = items;
    c->capacity = capacity;
    return true;
}

/* The live server goes on where name and address are still the same. */
static struct server *carry_or_create(const struct compiling *c, const char *name,
                                      const struct address *address)
{
    struct server *live = find_server(c->previous, name);
    if (live == NULL || !address_equal(&live->address, address))
        return server_create(c->pool->model->name, name, address);
    server_ref(live);
    return live;
}

static void add_member(struct compiling *c, const struct model_server *model, const char *name,
                       const struct address *address)
{
    if (find_server(c->pool, name) != NULL) {
        problems_error(c->problems, model->path,
                       "the pool already has a server named \"%s\" (give one of them a \"name\")",
                       name);
        c->failed = true;
        return;
    }
    struct server *server = make_room(c) ? carry_or_create(c, name, address) : NULL;
    if (server == NULL) {
        out_of_memory(c, model->path);
        return;
    }
    struct members *members = &c->pool->members;
    members->items[members->count++] =
        (struct member){.server = server, .weight = model->weight, .backup = model->backup};
}

static void add_address_of_many(struct compiling *c, const struct model_server *model,
                                const struct address *address)
{
    char text[ADDRESS_TEXT_MAX], *name = NULL;
    address_format(address, text);
    if (asprintf(&name, "%s/%s", model->name, text) < 0) {
        out_of_memory(c, model->path);
        return;
    }
    add_member(c, model, name, address);
    free(name);
}

static void compile_server(struct compiling *c, const struct model_server *model)
{
    struct address_list found;
    struct error error;
    if (!resolve_server(&found, &model->address, &error)) {
        const char *path = model->address.path == NULL ? model->path : model->address.path;
        problems_error(c->problems, path, "%s", error.text);
        c->failed = true;
        return;
    }
    if (found.count == 1)
        add_member(c, model, model->name, &found.items[0]);
    for (size_t i = 0; found.count > 1 && i < found.count; i++)
        add_address_of_many(c, model, &found.items[i]);
    address_list_release(&found);
}

static bool compile_pool(struct pool *pool, const struct model_pool *model,
                         const struct pool *previous, struct problems *problems)
{
    struct compiling c = {.pool = pool, .previous = previous, .problems = problems};
    pool->model = model;
    pool->lock = previous == NULL ? lock_create() : lock_ref(previous->lock);
    if (pool->lock == NULL)
        out_of_memory(&c, model->path);
    for (size_t i = 0; i < model->server_count; i++)
        compile_server(&c, &model->servers[i]);
    return !c.failed;
}

static bool compile_pools(struct pool_set *set, const struct model *model,
                          const struct pool_set *previous, struct problems *problems)
{
    bool ok = true;
    for (size_t i = 0; i < model->pool_count; i++) {
        const struct model_pool *pool = &model->pools[i];
        const struct pool *before = previous == NULL ? NULL : pool_set_find(previous, pool->name);
        if (!compile_pool(&set->pools[set->count++], pool, before, problems))
            ok = false;
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
        struct pool *pool = &set->pools[i];
        for (unsigned j = 0; j < pool->members.count; j++)
            server_unref(pool->members.items[j].server);
        free(pool->members.items);
        lock_unref(pool->lock);
    }
    free(set->pools);
    free(set);
}

/* --- using ----------------------------------------------------------------------------------- */

struct server *pool_pick(struct pool *pool, struct server *const *tried, unsigned tried_count)
{
    pthread_mutex_lock(&pool->lock->mutex);
    struct server *server = balance_pick(pool->model->balance, &pool->members, tried, tried_count);
    if (server != NULL)
        server_take(server);
    pthread_mutex_unlock(&pool->lock->mutex);
    return server;
}

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

const char *pool_name(const struct pool *pool)
{
    return pool->model->name;
}

unsigned pool_server_count(const struct pool *pool)
{
    return pool->members.count;
}

struct server *pool_server_at(const struct pool *pool, unsigned at)
{
    return pool->members.items[at].server;
}

unsigned pool_server_weight(const struct pool *pool, unsigned at)
{
    return pool->members.items[at].weight;
}

bool pool_server_is_backup(const struct pool *pool, unsigned at)
{
    return pool->members.items[at].backup;
}
