/* Lists of servers as the network names them. */
#include "resolve.h"
#include "view.h"

#include "io/socket.h"

#include <stdlib.h>
#include <string.h>

#define WEIGHT_MAX 256u

bool found_add(struct found_list *list, const struct found *found)
{
    if (list->count == COLLECTED_MAX) {
        list->cut = true;
        return true;
    }
    struct found *items = reallocarray(list->items, list->count + 1, sizeof *items);
    if (items == NULL)
        return false;
    list->items = items;
    list->items[list->count++] = *found;
    return true;
}

void found_release(struct found_list *list)
{
    free(list->items);
    *list = (struct found_list){0};
}

/* --- settling --------------------------------------------------------------------------------- */

static int compare_addresses(const struct address *a, const struct address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return a->any.sa_family < b->any.sa_family ? -1 : 1;
    int order = a->any.sa_family == AF_INET
                    ? memcmp(&a->v4.sin_addr, &b->v4.sin_addr, sizeof a->v4.sin_addr)
                    : memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr);
    return order != 0 ? order : (int)address_port(a) - (int)address_port(b);
}

static int compare_priorities(const struct found *a, const struct found *b)
{
    return a->priority == b->priority ? 0 : a->priority < b->priority ? -1 : 1;
}

static int by_address(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    int order = compare_addresses(&x->address, &y->address);
    if (order == 0)
        order = compare_priorities(x, y);
    return order != 0 ? order : strcmp(x->host, y->host);
}

static int by_priority(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    int order = compare_priorities(x, y);
    return order != 0 ? order : compare_addresses(&x->address, &y->address);
}

/* Of two records for one server the better one counts. */
static void drop_repeated(struct found_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (kept == 0 || !address_equal(&list->items[kept - 1].address, &list->items[i].address))
            list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

static void drop_overmany(struct found_list *list)
{
    if (list->count <= FOUND_MAX)
        return;
    list->count = FOUND_MAX;
    list->cut = true;
}

static void drop_unreachable(struct found_list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (socket_has_way(&list->items[i].address))
            list->items[kept++] = list->items[i];
    }
    if (kept > 0)
        list->count = kept;
}

/* RFC 2782: a weight of 0 is a very small share, not none; relative to the others it is 1. */
static void settle_srv(struct found_list *list)
{
    unsigned most = 0;
    for (size_t i = 0; i < list->count; i++)
        most = list->items[i].weight > most ? list->items[i].weight : most;
    for (size_t i = 0; i < list->count; i++) {
        struct found *found = &list->items[i];
        if (most > WEIGHT_MAX)
            found->weight = found->weight * WEIGHT_MAX / most;
        if (found->weight == 0)
            found->weight = 1;
        found->backup = found->priority > list->items[0].priority;
    }
}

void found_settle(struct found_list *list, bool srv)
{
    if (list->count == 0)
        return;
    qsort(list->items, list->count, sizeof *list->items, by_address);
    drop_repeated(list);
    qsort(list->items, list->count, sizeof *list->items, by_priority);
    drop_overmany(list);
    drop_unreachable(list);
    if (srv)
        settle_srv(list);
}

/* --- naming ----------------------------------------------------------------------------------- */

bool named_create(struct named_list *ret, const struct found_list *list,
                  const struct model_server *model)
{
    bool srv = model->address.kind == HOST_SRV;
    *ret = (struct named_list){.count = list->count};
    ret->items = calloc(list->count + 1, sizeof *ret->items);
    ret->texts = calloc(list->count + 1, sizeof *ret->texts);
    if (ret->items == NULL || ret->texts == NULL) {
        named_release(ret);
        return false;
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct found *found = &list->items[i];
        address_format(&found->address, ret->texts[i]);
        ret->items[i] = (struct pool_address){
            .address = found->address,
            .suffix = srv || list->count > 1 ? ret->texts[i] : NULL,
            .host = found->host[0] != '\0' ? found->host : NULL,
            .weight = srv && model->weight > 0 ? found->weight : model->weight,
            .backup = model->backup || (srv && found->backup)};
    }
    return true;
}

void named_release(struct named_list *list)
{
    free(list->items);
    free(list->texts);
    *list = (struct named_list){0};
}

size_t found_room(const struct view *view, const struct model_pool *model, unsigned item)
{
    size_t taken = 0;
    for (unsigned i = 0; i < view->count; i++) {
        unsigned other = view->items[i].item;
        taken += other != item && resolve_is_name(&model->servers[other]);
    }
    return taken < FOUND_MAX_POOL ? FOUND_MAX_POOL - taken : 0;
}

int resolve_family(const struct model_pool *pool)
{
    return pool->source.address.length > 0 ? pool->source.address.any.sa_family : AF_UNSPEC;
}
