/* What the tests of the pool floor share: models made by hand. Strings are borrowed. */
#ifndef POOL_SUPPORT_H
#define POOL_SUPPORT_H

#include "pool/pool.h"
#include "problem_lines.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

#define POOL_TEST_SERVERS 64

/* One pool and what it takes to compile it; the strings live in it. */
struct one_pool {
    struct model model;
    struct model_pool pool;
    struct model_server servers[POOL_TEST_SERVERS];
    char room[POOL_TEST_SERVERS][2][64];
};

/* The pool "p"; it has no servers yet. */
UNUSED static void one_pool_init(struct one_pool *one, enum balance balance)
{
    static char pool_path[] = "pools.p", pool_name[] = "p";
    memset(one, 0, sizeof *one);
    one->pool = (struct model_pool){
        .path = pool_path, .name = pool_name, .balance = balance, .servers = one->servers};
    one->model = (struct model){.pools = &one->pool, .pool_count = 1};
}

UNUSED static struct model_server *one_pool_add(struct one_pool *one, const char *name,
                                                const char *address, unsigned weight)
{
    size_t at = one->pool.server_count++;
    struct model_server *server = &one->servers[at];
    ck_assert_uint_lt(at, POOL_TEST_SERVERS);
    snprintf(one->room[at][0], sizeof one->room[at][0], "%s", name);
    snprintf(one->room[at][1], sizeof one->room[at][1], "pools.p.servers[%zu]", at);
    *server =
        (struct model_server){.path = one->room[at][1], .name = one->room[at][0], .weight = weight};
    server->address.path = server->path;
    server->address.text = server->name;
    ck_assert(address_parse(&server->address.address, span_text(address), NULL));
    return server;
}

UNUSED static struct pool_set *compile_after(struct one_pool *one, const struct pool_set *previous)
{
    struct problems *problems = NULL;
    struct pool_set *set = NULL;
    ck_assert(problems_create(&problems, "test.json"));
    bool ok = pool_set_compile(&set, &one->model, previous, problems);
    ck_assert_msg(ok, "%s", lines_of(problems));
    ck_assert_uint_eq(problems_warnings(problems), 0);
    problems_free(problems);
    pool_set_publish(set);
    return set;
}

UNUSED static struct server *pick(struct pool *pool)
{
    static const struct pool_key nothing_known;
    return pool_pick(pool, &nothing_known, NULL, 0);
}

/* Picks and gives back: who would it be? "-" for nobody. */
UNUSED static const char *next_of(struct pool *pool)
{
    struct server *server = pick(pool);
    if (server == NULL)
        return "-";
    const char *name = server_name(server);
    server_release(server);
    return name;
}

/* The names of the next picks, each given back at once. */
UNUSED static const char *sequence_of(struct pool *pool, unsigned picks)
{
    static char all[256];
    all[0] = '\0';
    for (unsigned i = 0; i < picks; i++)
        strncat(all, next_of(pool), sizeof all - 1 - strlen(all));
    return all;
}

#endif
