#include "pool/names.h"

#include "base/units.h"
#include "muxgate-config.h"
#include "pool_private.h"
#include "resolve.h"

#include <stdlib.h>

#ifdef HAVE_CARES

#include "dns.h"

#include <ev.h>

#define LEAST_MS      1000u
#define MOST_MS       (60u * 60u * 1000u)
#define NO_TTL_MS     10000u /* a TTL of 0, and what the hosts file says */
#define AFTER_FAIL_MS 5000u

struct followed {
    struct names *names;
    struct pool *pool;
    struct dns *dns; /* borrowed from names */
    unsigned item;
    ev_timer next;
    bool failing, cut;
};

struct names {
    struct ev_loop *loop;
    struct dns **resolvers; /* owned; one for each pool with names */
    size_t resolver_count;
    struct followed *items;
    size_t count;
    names_told *tell;
    void *context;
};

static const struct model_server *model_of(const struct followed *f)
{
    return &f->pool->model->servers[f->item];
}

/* --- comparing -------------------------------------------------------------------------------- */

static const struct member *find_member(const struct followed *f, const struct pool_address *found)
{
    struct pool_address whole = *found;
    if (whole.host == NULL)
        whole.host = model_of(f)->address.name;
    const struct view *view = pool_view(f->pool);
    for (unsigned i = 0; i < view->count; i++) {
        const struct member *m = &view->items[i];
        if (m->item == f->item && server_is(m->server, model_of(f)->name, &whole))
            return m;
    }
    return NULL;
}

static unsigned count_members(const struct followed *f)
{
    const struct view *view = pool_view(f->pool);
    unsigned count = 0;
    for (unsigned i = 0; i < view->count; i++)
        count += view->items[i].item == f->item;
    return count;
}

/* Weights and backups may differ where all addresses stay. */
static bool is_same(const struct followed *f, const struct named_list *list)
{
    if (count_members(f) != list->count)
        return false;
    for (size_t i = 0; i < list->count; i++) {
        const struct member *m = find_member(f, &list->items[i]);
        if (m == NULL || m->configured != list->items[i].weight ||
            m->backup != list->items[i].backup)
            return false;
    }
    return true;
}

static unsigned count_new(const struct followed *f, const struct named_list *list)
{
    unsigned count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += find_member(f, &list->items[i]) == NULL;
    return count;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell(const struct followed *f, struct names_event event)
{
    event.pool = f->pool->model->name;
    event.server = model_of(f)->name;
    event.servers = count_members(f);
    f->names->tell(f->names->context, &event);
}

static void note_failure(struct followed *f, const char *reason)
{
    bool first = !f->failing;
    f->failing = true;
    if (first)
        tell(f, (struct names_event){.kind = NAMES_FAILED, .reason = reason});
}

static void note_cut(struct followed *f, bool cut)
{
    bool first = cut && !f->cut;
    f->cut = cut;
    if (first)
        tell(f, (struct names_event){.kind = NAMES_CUT});
}

/* --- answers ---------------------------------------------------------------------------------- */

static void take(struct followed *f, const struct named_list *list)
{
    struct names_event told = {.kind = NAMES_RECOVERED};
    bool tells = f->failing;
    if (!is_same(f, list)) {
        struct error error;
        unsigned before = count_members(f), added = count_new(f, list);
        if (!pool_update_addresses(f->pool, f->item, list->items, list->count, &error)) {
            note_failure(f, error.text);
            return;
        }
        told = (struct names_event){.kind = NAMES_CHANGED,
                                    .added = added,
                                    .removed = before + added - (unsigned)list->count};
        tells = true;
    }
    f->failing = false;
    if (tells)
        tell(f, told);
}

static void ask_again(struct followed *f, uint64_t ms)
{
    ev_timer_stop(f->names->loop, &f->next);
    ev_timer_set(&f->next, (double)ms / (double)MS_PER_SECOND, 0.);
    ev_timer_start(f->names->loop, &f->next);
}

static uint64_t pause_after(const struct followed *f, const struct dns_answer *answer)
{
    uint64_t interval = f->pool->model->resolve.interval_ms;
    uint64_t ttl = answer->ttl_s == 0 ? NO_TTL_MS : (uint64_t)answer->ttl_s * MS_PER_SECOND;
    if (answer->failure != NULL)
        return interval != 0 && interval < AFTER_FAIL_MS ? interval : AFTER_FAIL_MS;
    if (interval != 0)
        return interval;
    return ttl < LEAST_MS ? LEAST_MS : ttl > MOST_MS ? MOST_MS : ttl;
}

static void on_answer(void *context, const struct dns_answer *answer)
{
    struct followed *f = context;
    struct named_list list;
    ask_again(f, pause_after(f, answer));
    if (answer->failure != NULL) {
        note_failure(f, answer->failure);
        return;
    }
    if (!named_create(&list, answer->list, model_of(f))) {
        note_failure(f, "out of memory");
        return;
    }
    size_t room = found_room(pool_view(f->pool), f->pool->model, f->item);
    bool cut = answer->list->cut || list.count > room;
    list.count = list.count > room ? room : list.count;
    take(f, &list);
    note_cut(f, cut);
    named_release(&list);
}

static void on_next(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct followed *f = timer->data;
    (void)loop;
    (void)events;
    if (!dns_ask(f->dns, &model_of(f)->address, on_answer, f))
        ask_again(f, AFTER_FAIL_MS);
}

/* --- life ------------------------------------------------------------------------------------- */

static unsigned count_names(const struct model_pool *model)
{
    unsigned count = 0;
    for (size_t i = 0; i < model->server_count; i++)
        count += resolve_is_name(&model->servers[i]);
    return count;
}

static bool follow_pool(struct names *names, struct pool *pool, struct error *error)
{
    struct dns *dns;
    if (!dns_create(&dns, pool->model, error))
        return false;
    names->resolvers[names->resolver_count++] = dns;
    dns_attach(dns, names->loop);
    for (unsigned i = 0; i < pool->model->server_count; i++) {
        if (!resolve_is_name(&pool->model->servers[i]))
            continue;
        struct followed *f = &names->items[names->count++];
        *f = (struct followed){.names = names, .pool = pool, .dns = dns, .item = i};
        ev_init(&f->next, on_next);
        f->next.data = f;
        ask_again(f, 0);
    }
    return true;
}

static bool follow_all(struct names *names, struct pool_set *set, struct error *error)
{
    size_t count = 0;
    for (unsigned i = 0; i < set->count; i++)
        count += count_names(set->pools[i].model);
    names->resolvers = calloc((size_t)set->count + 1, sizeof *names->resolvers);
    names->items = calloc(count + 1, sizeof *names->items);
    if (names->resolvers == NULL || names->items == NULL)
        return error_memory(error);
    for (unsigned i = 0; i < set->count; i++) {
        if (count_names(set->pools[i].model) > 0 && !follow_pool(names, &set->pools[i], error))
            return false;
    }
    return true;
}

bool names_start(struct names **ret, struct ev_loop *loop, struct pool_set *set,
                 names_told *tell_to, void *context, struct error *error)
{
    struct names *names = calloc(1, sizeof *names);
    if (names == NULL)
        return error_memory(error);
    names->loop = loop;
    names->tell = tell_to;
    names->context = context;
    if (!follow_all(names, set, error)) {
        names_stop(names);
        return false;
    }
    *ret = names;
    return true;
}

void names_stop(struct names *names)
{
    if (names == NULL)
        return;
    for (size_t i = 0; i < names->count; i++)
        ev_timer_stop(names->loop, &names->items[i].next);
    for (size_t i = 0; i < names->resolver_count; i++)
        dns_free(names->resolvers[i]);
    free(names->resolvers);
    free(names->items);
    free(names);
}

const char *names_library(void)
{
    return dns_library();
}

#else

struct names {
    names_told *tell;
};

bool names_start(struct names **ret, struct ev_loop *loop, struct pool_set *set, names_told *tell,
                 void *context, struct error *error)
{
    (void)loop;
    (void)set;
    (void)context;
    struct names *names = calloc(1, sizeof *names);
    if (names == NULL)
        return error_memory(error);
    names->tell = tell;
    *ret = names;
    return true;
}

void names_stop(struct names *names)
{
    free(names);
}

const char *names_library(void)
{
    return NULL;
}

#endif
