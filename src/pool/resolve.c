#include "resolve.h"

#include "muxgate-config.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_CARES
#include "dns.h"
#endif

/* The longest that a start or a reload waits for all names together. */
#define FIRST_ANSWERS_MS 5000u

struct resolved_item {
    const struct model_server *server; /* borrowed */
    struct found_list list;
    struct error error; /* while the list is empty */
};

struct resolved {
    struct resolved_item *items;
    size_t count;
};

static bool refuse(struct error *error, const struct model_address *address, const char *why)
{
    return error_input(error, "cannot resolve \"%s\": %s", address->name, why);
}

/* Of the items from `at` on, those of this pool. */
static size_t count_of_pool(const struct resolved *resolved, size_t at,
                            const struct model_pool *pool)
{
    size_t end = at;
    while (end < resolved->count && resolved->items[end].server >= pool->servers &&
           resolved->items[end].server < pool->servers + pool->server_count)
        end++;
    return end - at;
}

#ifdef HAVE_CARES

/* --- all at once ------------------------------------------------------------------------------ */

static void on_answer(void *context, const struct dns_answer *answer)
{
    struct resolved_item *item = context;
    if (answer->failure != NULL) {
        (void)refuse(&item->error, &item->server->address, answer->failure);
        return;
    }
    for (size_t i = 0; i < answer->list->count; i++) {
        if (!found_add(&item->list, &answer->list->items[i])) {
            found_release(&item->list);
            (void)error_memory(&item->error);
            return;
        }
    }
}

/* The pool's items begin at `first`. NULL: they have their errors. */
static struct dns *ask_for_pool(const struct model_pool *pool, struct resolved_item *first,
                                size_t count)
{
    struct dns *dns = NULL;
    struct error error;
    bool good = dns_create(&dns, pool, &error);
    for (size_t i = 0; i < count; i++) {
        (void)refuse(&first[i].error, &first[i].server->address,
                     good ? "no answer within 5s" : error.text);
        if (good && !dns_ask(dns, &first[i].server->address, on_answer, &first[i]))
            (void)error_memory(&first[i].error);
    }
    return dns;
}

static bool ask(struct resolved *resolved, const struct model *model)
{
    struct dns **all = calloc(model->pool_count + 1, sizeof *all);
    size_t asking = 0, at = 0;
    if (all == NULL)
        return false;
    for (size_t i = 0; i < model->pool_count; i++) {
        size_t count = count_of_pool(resolved, at, &model->pools[i]);
        struct dns *dns = count == 0 ? NULL
                                     : ask_for_pool(&model->pools[i], &resolved->items[at], count);
        if (dns != NULL)
            all[asking++] = dns;
        at += count;
    }
    dns_wait(all, asking, FIRST_ANSWERS_MS);
    for (size_t i = 0; i < asking; i++)
        dns_free(all[i]);
    free(all);
    return true;
}

#else

/* --- one after another, by the C library ------------------------------------------------------ */

static bool gather(struct found_list *ret, const struct addrinfo *info, uint16_t port)
{
    for (; info != NULL; info = info->ai_next) {
        struct found found = {.address = address_of(info->ai_addr, info->ai_addrlen), .weight = 1};
        address_set_port(&found.address, port);
        if (!found_add(ret, &found))
            return false;
    }
    found_settle(ret, false);
    return true;
}

static void ask_one(struct resolved_item *item, const struct model_resolve *how)
{
    const struct model_address *address = &item->server->address;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *info = NULL;
    if (address->kind == HOST_SRV || how->servers.count > 0 || how->interval_ms != 0) {
        (void)refuse(&item->error, address,
                     address->kind == HOST_SRV
                         ? "SRV records need c-ares, which this build has not"
                         : "\"resolve\" needs c-ares, which this build has not");
        return;
    }
    int code = getaddrinfo(address->name, NULL, &hints, &info);
    if (code != 0) {
        const char *why = code == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(code);
        (void)refuse(&item->error, address, why == NULL ? "failed" : why);
        return;
    }
    if (!gather(&item->list, info, address->port))
        (void)error_memory(&item->error);
    freeaddrinfo(info);
}

static bool ask(struct resolved *resolved, const struct model *model)
{
    size_t at = 0;
    for (size_t i = 0; i < model->pool_count; i++) {
        size_t end = at + count_of_pool(resolved, at, &model->pools[i]);
        for (; at < end; at++)
            ask_one(&resolved->items[at], &model->pools[i].resolve);
    }
    return true;
}

#endif

/* --- what is asked ---------------------------------------------------------------------------- */

static size_t count_names(const struct model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < model->pool_count; i++)
        for (size_t j = 0; j < model->pools[i].server_count; j++)
            count += resolve_is_name(&model->pools[i].servers[j]);
    return count;
}

static void list_names(struct resolved *resolved, const struct model *model, resolve_skips *skips,
                       void *context)
{
    for (unsigned i = 0; i < model->pool_count; i++) {
        for (unsigned j = 0; j < model->pools[i].server_count; j++) {
            const struct model_server *server = &model->pools[i].servers[j];
            if (resolve_is_name(server) && !skips(context, i, j))
                resolved->items[resolved->count++].server = server;
        }
    }
}

struct resolved *resolve_names(const struct model *model, resolve_skips *skips, void *context)
{
    struct resolved *resolved = calloc(1, sizeof *resolved);
    if (resolved == NULL)
        return NULL;
    resolved->items = calloc(count_names(model) + 1, sizeof *resolved->items);
    if (resolved->items != NULL)
        list_names(resolved, model, skips, context);
    if (resolved->items != NULL && (resolved->count == 0 || ask(resolved, model)))
        return resolved;
    resolved_free(resolved);
    return NULL;
}

void resolved_free(struct resolved *resolved)
{
    if (resolved == NULL)
        return;
    for (size_t i = 0; i < resolved->count; i++)
        found_release(&resolved->items[i].list);
    free(resolved->items);
    free(resolved);
}

/* --- what was answered ------------------------------------------------------------------------ */

static bool copy(struct found_list *ret, const struct found_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!found_add(ret, &list->items[i]))
            return false;
    return true;
}

static bool get_name(const struct resolved *resolved, struct found_list *ret,
                     const struct model_server *server, struct error *error)
{
    for (size_t i = 0; i < resolved->count; i++) {
        const struct resolved_item *item = &resolved->items[i];
        if (item->server != server)
            continue;
        if (item->list.count > 0)
            return copy(ret, &item->list) || error_memory(error);
        *error = item->error;
        return false;
    }
    return refuse(error, &server->address, "it was not asked for");
}

bool resolved_get(const struct resolved *resolved, struct found_list *ret,
                  const struct model_server *server, struct error *error)
{
    *ret = (struct found_list){0};
    if (resolve_is_name(server))
        return get_name(resolved, ret, server, error);
    if (server->address.kind == HOST_ANY)
        return error_input(error, "\"%s\" is no address to connect to (name the server's)",
                           server->address.text);
    return found_add(ret, &(struct found){.address = server->address.address, .weight = 1}) ||
           error_memory(error);
}
