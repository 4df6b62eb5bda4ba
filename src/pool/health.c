#include "base/clock.h"
#include "base/list.h"
#include "health_check.h"
#include "pool_private.h"

#include <stdio.h>
#include <stdlib.h>

/* A check begins this much of an interval early or late, so that the servers of many gateways are
 * not all asked at the same moment for ever. */
#define JITTER 0.05

/* The first checks are spread over an interval, but over no more than this. */
#define SPREAD_MAX_MS UINT64_C(5000)

/* A check that sessions ask for does not come earlier than this part of an interval behind the one
 * before it. */
#define HURRY 4

#define US_PER_MS UINT64_C(1000)

struct watched {
    struct list link;
    struct health *health;
    struct server *server; /* one reference */
    const struct model_health *settings;
    struct talk talk;
    struct check check;
    ev_timer next;
    uint64_t begun_us; /* the last check */
};

struct health {
    struct ev_loop *loop;
    struct list watched; /* owned */
    health_changed *on_change;
    void *context;
    uint32_t random;        /* never 0 */
    struct tls_client *lax; /* owned; for handshakes with servers of pools without "tls" */
    double place;           /* of the last first check within the spread, 0 to 1 */
};

/* --- verdicts -------------------------------------------------------------------------------- */

static void change(struct health *health, struct server *server, bool up, const char *reason)
{
    server->checks.good = server->checks.bad = 0;
    evidence_clear(&server->evidence);
    server_set_up(server, up);
    if (health->on_change != NULL)
        health->on_change(health->context, server, up, reason);
}

static unsigned count_sure(const struct watched *w)
{
    return w->server->checks.bad + evidence_sure(&w->server->evidence);
}

static void count_good(struct watched *w, const char *reason)
{
    struct server_checks *checks = &w->server->checks;
    checks->bad = 0;
    evidence_clear(&w->server->evidence);
    if (server_is_up(w->server) || ++checks->good < w->settings->rise)
        return;
    change(w->health, w->server, true, reason);
}

static void count_bad(struct watched *w, const char *reason)
{
    struct server_checks *checks = &w->server->checks;
    checks->good = 0;
    server_note_error(w->server, "check", reason);
    if (!server_is_up(w->server))
        return;
    checks->bad++;
    if (count_sure(w) + evidence_doubtful(&w->server->evidence) >= w->settings->fall)
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
    w->begun_us = clock_monotonic_us();
    w->server->checks.due_us = w->begun_us + (uint64_t)(interval_us * part);
    if (server_state(w->server) == SERVER_MAINT)
        wait_until_due(w); /* it may well be switched off: that is no news */
    else
        check_begin(&w->check);
}

static void on_done(struct check *check)
{
    wait_until_due(CONTAINER_OF(check, struct watched, check));
}

/* Golden steps round a circle: however many there are, no two come close. */
static double next_place(struct health *health)
{
    double place = health->place;
    health->place += 0.6180339887498949;
    health->place -= health->place >= 1. ? 1. : 0.;
    return place;
}

/* All servers at once would be a burst, and again one each interval: the first checks are spread. A
 * server that was checked before goes on where it was; a shorter interval counts at once. */
static void set_first_due(struct watched *w)
{
    uint64_t now = clock_monotonic_us(), interval_us = w->settings->interval_ms * US_PER_MS;
    uint64_t spread_ms = w->settings->interval_ms < SPREAD_MAX_MS ? w->settings->interval_ms
                                                                  : SPREAD_MAX_MS;
    struct server_checks *checks = &w->server->checks;
    if (checks->due_us == 0)
        checks->due_us = now + (uint64_t)((double)(spread_ms * US_PER_MS) * next_place(w->health));
    else if (checks->due_us > now + interval_us)
        checks->due_us = now + interval_us;
}

/* --- what sessions have met ------------------------------------------------------------------ */

static void check_early(struct watched *w)
{
    uint64_t earliest = w->begun_us + w->settings->interval_ms * US_PER_MS / HURRY;
    if (check_is_open(&w->check) || w->server->checks.due_us <= earliest)
        return;
    w->server->checks.due_us = earliest;
    if (check_is_idle(&w->check))
        wait_until_due(w);
}

static void weigh(struct watched *w)
{
    char reason[SERVER_ERROR_MAX];
    unsigned sure = count_sure(w);
    if (!server_is_up(w->server))
        return;
    if (sure >= w->settings->fall && evidence_sure(&w->server->evidence) > 0) {
        server_last_error(w->server, reason);
        change(w->health, w->server, false, reason);
    } else if (sure + evidence_doubtful(&w->server->evidence) >= w->settings->fall) {
        check_early(w);
    }
}

void health_look(struct health *health)
{
    if (health == NULL)
        return;
    LIST_EACH(&health->watched, node)
    weigh(LIST_ENTRY(node, struct watched, link));
}

/* --- start and stop -------------------------------------------------------------------------- */

#define HOST_TEXT_MAX 320

/* What an HTTP check names where it is told nothing else. */
static void host_of(const struct server *server, const struct model_health *settings,
                    char ret[HOST_TEXT_MAX])
{
    struct address address = server->address;
    if (!address_is_ip(&address)) {
        snprintf(ret, HOST_TEXT_MAX, "localhost");
        return;
    }
    if (settings->port != 0)
        address_set_port(&address, settings->port);
    if (server->host != NULL)
        snprintf(ret, HOST_TEXT_MAX, "%s:%u", server->host, address_port(&address));
    else
        address_format(&address, ret);
}

static struct check check_of(struct health *health, const struct pool *pool,
                             const struct server *server)
{
    const struct model_health *settings = &pool->model->health;
    struct check check = {
        .loop = health->loop,
        .address = server->address,
        .timeout_ms = settings->timeout_ms,
        .linger_ms = settings->timeout_ms < settings->interval_ms / 2 ? settings->timeout_ms
                                                                      : settings->interval_ms / 2,
        .proxy = pool->model->proxy_protocol,
        .source = pool->model->source,
        .on_result = on_result,
        .on_done = on_done,
    };
    if (settings->port != 0 && address_is_ip(&server->address))
        address_set_port(&check.address, settings->port);
    return check;
}

/* tcp only connects, whatever the pool speaks. */
static struct tls_client *tls_of(const struct health *health, const struct pool *pool)
{
    enum health_type type = pool->model->health.type;
    if (type == HEALTH_TCP)
        return NULL;
    return pool->tls == NULL && type == HEALTH_TLS ? health->lax : pool->tls;
}

static bool watch(struct health *health, const struct pool *pool, struct server *server)
{
    char host[HOST_TEXT_MAX];
    struct watched *w = calloc(1, sizeof *w);
    host_of(server, &pool->model->health, host);
    if (w == NULL || !talk_init(&w->talk, &pool->model->health, host)) {
        free(w);
        return false;
    }
    server_ref(server);
    atomic_store_explicit(&server->evidence.wanted, true, memory_order_relaxed);
    w->health = health;
    w->server = server;
    w->settings = &pool->model->health;
    w->check = check_of(health, pool, server);
    w->check.talk = &w->talk;
    w->check.tls = tls_of(health, pool);
    w->check.host = server->host;
    check_init(&w->check);
    ev_init(&w->next, on_due);
    w->next.data = w;
    list_append(&health->watched, &w->link);
    set_first_due(w);
    wait_until_due(w);
    return true;
}

static void unwatch(struct watched *w)
{
    if (check_is_open(&w->check)) /* cut off: whoever checks it next makes up for it at once */
        w->server->checks.due_us = clock_monotonic_us();
    check_cancel(&w->check);
    ev_timer_stop(w->health->loop, &w->next);
    talk_release(&w->talk);
    server_unref(w->server);
    list_remove(&w->link);
    free(w);
}

/* Nobody would ever find out that it came back. */
static void stop_judging(struct health *health, struct server *server)
{
    server->checks.due_us = 0;
    atomic_store_explicit(&server->evidence.wanted, false, memory_order_relaxed);
    if (!server_is_up(server))
        change(health, server, true, "no longer checked");
}

static bool start_pool(struct health *health, const struct pool *pool)
{
    const struct view *view = pool_view(pool);
    bool good = true;
    for (unsigned i = 0; i < view->count; i++) {
        struct server *server = view->items[i].server;
        if (pool->model->health.on)
            good = watch(health, pool, server) && good;
        else
            stop_judging(health, server);
    }
    return good;
}

bool health_start(struct health **ret, struct ev_loop *loop, struct pool_set *set,
                  health_changed *on_change, void *context, struct error *error)
{
    struct health *health = calloc(1, sizeof *health);
    if (health == NULL)
        return error_memory(error);
    list_init(&health->watched);
    health->loop = loop;
    health->on_change = on_change;
    health->context = context;
    health->random = (uint32_t)clock_monotonic_us() | 1u;
    if (!tls_client_create_lax(&health->lax, error)) {
        free(health);
        return false;
    }
    ev_now_update(loop); /* names may just have been resolved: the loop's idea of now is old */
    bool good = true;
    for (unsigned i = 0; i < set->count; i++)
        good = start_pool(health, &set->pools[i]) && good;
    if (!good) {
        health_stop(health);
        return error_memory(error);
    }
    *ret = health;
    return true;
}

/* --- while it runs --------------------------------------------------------------------------- */

static bool is_of_view(const struct view *view, const struct server *server)
{
    for (unsigned i = 0; i < view->count; i++) {
        if (view->items[i].server == server)
            return true;
    }
    return false;
}

static bool is_watched(const struct health *health, const struct server *server)
{
    LIST_EACH(&health->watched, node)
    {
        if (LIST_ENTRY(node, struct watched, link)->server == server)
            return true;
    }
    return false;
}

void health_follow(struct health *health, const struct pool *pool)
{
    const struct view *view = pool_view(pool);
    if (!pool->model->health.on) {
        for (unsigned i = 0; i < view->count;
             i++) /* one may come back that was down when it left */
            stop_judging(health, view->items[i].server);
        return;
    }
    LIST_EACH(&health->watched, node)
    {
        struct watched *w = LIST_ENTRY(node, struct watched, link);
        if (w->settings == &pool->model->health && !is_of_view(view, w->server))
            unwatch(w);
    }
    for (unsigned i = 0; i < view->count; i++) {
        if (!is_watched(health, view->items[i].server))
            (void)watch(health, pool, view->items[i].server);
    }
}

void health_stop(struct health *health)
{
    if (health == NULL)
        return;
    LIST_EACH(&health->watched, node)
    unwatch(LIST_ENTRY(node, struct watched, link));
    tls_client_unref(health->lax);
    free(health);
}
