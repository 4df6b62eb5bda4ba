#include "base/clock.h"
#include "health_check.h"
#include "pool_private.h"

#include <stdlib.h>

/* A check begins this much of an interval early or late, so that the servers of many gateways are
 * not all asked at the same moment for ever. */
#define JITTER 0.05

#define US_PER_MS UINT64_C(1000)

struct watched {
    struct health *health;
    struct server *server; /* one reference */
    const struct model_health *settings;
    struct check check;
    ev_timer next;
};

struct health {
    struct ev_loop *loop;
    struct watched *items;
    unsigned count;
    health_changed *on_change;
    void *context;
    uint32_t random; /* never 0 */
};

/* --- verdicts -------------------------------------------------------------------------------- */

static void change(struct health *health, struct server *server, bool up, const char *reason)
{
    server->checks.good = server->checks.bad = 0;
    atomic_store_explicit(&server->up, up, memory_order_relaxed);
    if (health->on_change != NULL)
        health->on_change(health->context, server, up, reason);
}

static void count_good(struct watched *w, const char *reason)
{
    struct server_checks *checks = &w->server->checks;
    checks->bad = 0;
    if (server_is_up(w->server) || ++checks->good < w->settings->rise)
        return;
    change(w->health, w->server, true, reason);
}

static void count_bad(struct watched *w, const char *reason)
{
    struct server_checks *checks = &w->server->checks;
    checks->good = 0;
    server_note_error(w->server, "check", reason);
    if (!server_is_up(w->server) || ++checks->bad < w->settings->fall)
        return;
    change(w->health, w->server, false, reason);
}

static void on_result(struct check *check, enum check_result result, const char *reason)
{
    struct watched *w = CONTAINER_OF(check, struct watched, check);
    switch (result) {
    case CHECK_GOOD:
        count_good(w, reason);
        break;
    case CHECK_BAD:
        count_bad(w, reason);
        break;
    case CHECK_UNKNOWN: /* says nothing about the server */
        server_note_error(w->server, "check not made", reason);
        break;
    }
}

/* --- when ------------------------------------------------------------------------------------ */

/* From 0 to just under 1. xorshift: spreads checks, protects nothing. */
static double random_part(struct health *health)
{
    uint32_t x = health->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    health->random = x;
    return (double)x / 4294967296.0;
}

static void wait_until_due(struct watched *w)
{
    uint64_t now = clock_monotonic_us(), due = w->server->checks.due_us;
    double delay_us = due > now ? (double)(due - now) : 0.;
    ev_timer_stop(w->health->loop, &w->next);
    ev_timer_set(&w->next, delay_us / 1e6, 0.);
    ev_timer_start(w->health->loop, &w->next);
}

static void on_due(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct watched *w = timer->data;
    double interval_us = (double)(w->settings->interval_ms * US_PER_MS);
    double part = 1. - JITTER + 2. * JITTER * random_part(w->health);
    (void)loop;
    (void)events;
    w->server->checks.due_us = clock_monotonic_us() + (uint64_t)(interval_us * part);
    check_begin(&w->check);
}

static void on_done(struct check *check)
{
    wait_until_due(CONTAINER_OF(check, struct watched, check));
}

/* A server that was checked before goes on where it was; a shorter interval counts at once. */
static void set_first_due(struct watched *w)
{
    uint64_t now = clock_monotonic_us(), interval_us = w->settings->interval_ms * US_PER_MS;
    struct server_checks *checks = &w->server->checks;
    if (checks->due_us == 0)
        checks->due_us = now +
                         (uint64_t)((double)interval_us * 2. * JITTER * random_part(w->health));
    else if (checks->due_us > now + interval_us)
        checks->due_us = now + interval_us;
}

/* --- start and stop -------------------------------------------------------------------------- */

static void watch(struct health *health, const struct pool *pool, struct server *server)
{
    struct watched *w = &health->items[health->count++];
    const struct model_health *settings = &pool->model->health;
    server_ref(server);
    w->health = health;
    w->server = server;
    w->settings = settings;
    w->check = (struct check){
        .loop = health->loop,
        .address = server->address,
        .timeout_ms = settings->timeout_ms,
        .linger_ms = settings->timeout_ms < settings->interval_ms / 2 ? settings->timeout_ms
                                                                      : settings->interval_ms / 2,
        .proxy = pool->model->proxy_protocol,
        .on_result = on_result,
        .on_done = on_done,
    };
    if (settings->port != 0 && address_is_ip(&server->address))
        address_set_port(&w->check.address, settings->port);
    check_init(&w->check);
    ev_init(&w->next, on_due);
    w->next.data = w;
    set_first_due(w);
    wait_until_due(w);
}

static unsigned count_checked(const struct pool_set *set)
{
    unsigned count = 0;
    for (unsigned i = 0; i < set->count; i++)
        count += set->pools[i].model->health.on ? set->pools[i].members.count : 0;
    return count;
}

/* Nobody would ever find out that it came back. */
static void stop_judging(struct health *health, struct server *server)
{
    server->checks.due_us = 0;
    if (!server_is_up(server))
        change(health, server, true, "no longer checked");
}

static void start_pool(struct health *health, const struct pool *pool)
{
    for (unsigned i = 0; i < pool->members.count; i++) {
        struct server *server = pool->members.items[i].server;
        if (pool->model->health.on)
            watch(health, pool, server);
        else
            stop_judging(health, server);
    }
}

bool health_start(struct health **ret, struct ev_loop *loop, struct pool_set *set,
                  health_changed *on_change, void *context, struct error *error)
{
    struct health *health = calloc(1, sizeof *health);
    if (health == NULL)
        return error_memory(error);
    health->items = calloc((size_t)count_checked(set) + 1, sizeof *health->items);
    if (health->items == NULL) {
        free(health);
        return error_memory(error);
    }
    health->loop = loop;
    health->on_change = on_change;
    health->context = context;
    health->random = (uint32_t)clock_monotonic_us() | 1u;
    ev_now_update(loop); /* names may just have been resolved: the loop's idea of now is old */
    for (unsigned i = 0; i < set->count; i++)
        start_pool(health, &set->pools[i]);
    *ret = health;
    return true;
}

void health_stop(struct health *health)
{
    if (health == NULL)
        return;
    for (unsigned i = 0; i < health->count; i++) {
        struct watched *w = &health->items[i];
        if (check_is_open(&w->check)) /* cut off: the next set's check makes up for it at once */
            w->server->checks.due_us = clock_monotonic_us();
        check_cancel(&w->check);
        ev_timer_stop(health->loop, &w->next);
        server_unref(w->server);
    }
    free(health->items);
    free(health);
}
