/* The documents under /v1 but for the sessions, the probes, and what changes something. */
#include "base/clock.h"
#include "base/log.h"
#include "desk.h"
#include "endpoints.h"
#include "handlers.h"
#include "inventory.h"
#include "server_change.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static void add_key(struct text *t, const char *before, const char *key)
{
    text_format(t, "%s\"%s\": ", before, key);
}

static void add_string(struct text *t, const char *before, const char *key, const char *value)
{
    add_key(t, before, key);
    text_add_json(t, span_text(value));
}

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

/* --- probes ----------------------------------------------------------------------------------- */

void answer_healthz(struct admin *admin, struct http_request *request,
                    const struct route_parts *parts)
{
    (void)admin;
    (void)parts;
    answer_constant(request, 200, TYPE_TEXT, "ok\n");
}

void answer_readyz(struct admin *admin, struct http_request *request,
                   const struct route_parts *parts)
{
    (void)parts;
    if (atomic_load(&admin->args.process->draining))
        answer_constant(request, 503, TYPE_TEXT, "draining\n");
    else
        answer_constant(request, 200, TYPE_TEXT, "ready\n");
}

/* --- status ----------------------------------------------------------------------------------- */

static void add_rules(struct text *t, const struct listener *listener)
{
    size_t inside =
        0; /* of a rule: that many to come are nested in it, which have none themselves */
    for (unsigned i = 0; i < rules_count(listener->rules); i++) {
        const struct model_rule *rule = rules_at(listener->rules, i)->model;
        add_string(t, i == 0 ? "\n    {" : ",\n    {", "name", rule->name);
        if (rule->tls != TLS_ACTION_PLAIN)
            add_string(t, ", ", "tls",
                       rule->tls == TLS_ACTION_TERMINATE ? "terminate" : "passthrough");
        if (rule->pool != NULL)
            add_string(t, ", ", "pool", rule->pool);
        if (rule->reject)
            text_add(t, ", \"reject\": true");
        if (rule->redirect)
            text_add(t, ", \"redirect\": \"https\"");
        if (inside > 0)
            text_add(t, ", \"nested\": true");
        inside = inside > 0 ? inside - 1 : rule->rule_count;
        text_add(t, "}");
    }
}

static void add_listener(struct text *t, const struct listener *listener)
{
    const struct model_listener *model = listener->model;
    add_string(t, "{", "name", model->name);
    text_add(t, ", \"bind\": [");
    for (size_t i = 0; i < model->bind_count; i++) {
        text_add(t, i == 0 ? "" : ", ");
        text_add_json(t, span_text(model->binds[i].text));
    }
    text_add(t, "], \"rules\": [");
    add_rules(t, listener);
    text_add(t, "]}");
}

void answer_status(struct admin *admin, struct http_request *request,
                   const struct route_parts *parts)
{
    (void)parts;
    const struct snapshot *snapshot = admin->snapshot;
    bool draining = atomic_load(&admin->args.process->draining);
    char started[CLOCK_TEXT_MAX];
    struct text t = {0};
    clock_format(admin->started_ms, started);
    add_string(&t, "{", "version", admin->args.version);
    text_format(&t, ", \"pid\": %ld, \"started\": \"%s\", \"uptime_s\": %" PRIu64, (long)getpid(),
                started, (clock_wall_ms() - admin->started_ms) / 1000);
    text_format(&t, ", \"generation\": %" PRIu64 ", \"state\": \"%s\"", snapshot->generation,
                draining ? "draining" : "running");
    text_format(&t, ", \"sessions\": %" PRIu64 ", \"max_sessions\": %" PRIu64 ", \"workers\": %u",
                atomic_load(&admin->args.gauge->sessions), atomic_load(&admin->args.gauge->most),
                admin->args.worker_count);
    reload_add_confirm(&t, admin->args.process);
    /* So that a page knows what to offer. */
    text_format(&t, ", \"token\": %s", truth(admin->endpoints->token != NULL));
    text_add(&t, ", \"listeners\": [");
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        text_add(&t, i == 0 ? "\n  " : ",\n  ");
        add_listener(&t, &snapshot->listeners[i]);
    }
    text_add(&t, "\n]}\n");
    answer_json(request, 200, &t);
}

/* --- pools ------------------------------------------------------------------------------------ */

static void add_server(struct text *t, const struct pool *pool, unsigned at)
{
    struct server *server = pool_server_at(pool, at);
    char address[ADDRESS_TEXT_MAX], last[SERVER_ERROR_MAX];
    address_format(server_address(server), address);
    server_last_error(server, last);
    add_string(t, "{", "name", server_name(server));
    add_string(t, ", ", "address", address);
    add_string(t, ", ", "state", server_change_state_name(server_state(server)));
    text_format(t, ", \"up\": %s, \"weight\": %u, \"backup\": %s, \"sessions\": %u",
                truth(server_is_up(server)), pool_server_weight(pool, at),
                truth(pool_server_is_backup(pool, at)), server_sessions(server));
    if (pool_server_max_sessions(pool, at) > 0)
        text_format(t, ", \"max_sessions\": %u", pool_server_max_sessions(pool, at));
    add_string(t, ", ", "last_error", last);
    text_add(t, "}");
}

static void work_pools(struct control_job *job, const struct snapshot *snapshot, void *owner)
{
    (void)owner;
    struct text *t = &job->body;
    char balance[CONFIG_CHOICE_MAX];
    text_add(t, "[");
    for (unsigned i = 0; i < pool_set_count(snapshot->pools); i++) {
        const struct pool *pool = pool_set_at(snapshot->pools, i);
        add_string(t, i == 0 ? "\n{" : ",\n{", "name", pool_name(pool));
        config_name_balance(pool_model(pool)->balance, balance);
        add_string(t, ", ", "balance", balance);
        text_format(t, ", \"waiting\": %u, \"servers\": [", pool_waiting(pool));
        for (unsigned s = 0; s < pool_server_count(pool); s++) {
            text_add(t, s == 0 ? "\n  " : ",\n  ");
            add_server(t, pool, s);
        }
        text_add(t, "]}");
    }
    text_add(t, "\n]\n");
}

static void ask_control(struct admin *admin, struct http_request *request,
                        void (*work)(struct control_job *job, const struct snapshot *snapshot,
                                     void *owner))
{
    struct control_job *job = control_job_create(admin, request, work);
    if (job != NULL)
        control_job_send(job);
}

void answer_pools(struct admin *admin, struct http_request *request,
                  const struct route_parts *parts)
{
    (void)parts;
    ask_control(admin, request, work_pools);
}

/* --- certificates ----------------------------------------------------------------------------- */

static void work_certificates(struct control_job *job, const struct snapshot *snapshot, void *owner)
{
    (void)owner;
    inventory_describe(snapshot, &job->body);
}

void answer_certificates(struct admin *admin, struct http_request *request,
                         const struct route_parts *parts)
{
    (void)parts;
    ask_control(admin, request, work_certificates);
}

/* --- changes ---------------------------------------------------------------------------------- */

static void fail(struct control_job *job, unsigned status, const char *text)
{
    job->status = status;
    text_clear(&job->body);
    text_add(&job->body, "{\"error\": ");
    text_add_json(&job->body, span_text(text));
    text_add(&job->body, "}\n");
}

static void work_server_change(struct control_job *job, const struct snapshot *snapshot,
                               void *owner)
{
    (void)owner;
    const struct server_change *change = job->extra;
    struct pool *pool = pool_set_find(snapshot->pools, change->pool);
    struct server *server = pool == NULL ? NULL : pool_find_server(pool, change->server);
    struct error error;
    if (pool == NULL) {
        fail(job, 404, "no pool has this name");
        return;
    }
    if (server == NULL) {
        fail(job, 404, "no server of this pool has this name");
        return;
    }
    if (change->has_weight && !pool_set_server_weight(pool, server, change->weight, &error)) {
        fail(job, 500, error.text);
        return;
    }
    if (change->has_state)
        pool_set_server_state(pool, server, change->state);
    for (unsigned i = 0; i < pool_server_count(pool); i++) {
        if (strcmp(server_name(pool_server_at(pool, i)), change->server) != 0)
            continue;
        log_event(LOG_LEVEL_INFO, "server.set", "pool=%s server=%s state=%s weight=%u",
                  change->pool, change->server,
                  server_change_state_name(server_state(pool_server_at(pool, i))),
                  pool_server_weight(pool, i));
        add_server(&job->body, pool, i);
        text_add(&job->body, "\n");
    }
}

void answer_server_change(struct admin *admin, struct http_request *request,
                          const struct route_parts *parts)
{
    struct server_change *change = calloc(1, sizeof *change);
    struct error error;
    if (change == NULL) {
        answer_error(request, 500, "out of memory");
        return;
    }
    if (!server_change_parse(change, request->body, &error)) {
        answer_error(request, 400, "%s", error.text);
        free(change);
        return;
    }
    (void)snprintf(change->pool, sizeof change->pool, "%s", parts->text[0]);
    (void)snprintf(change->server, sizeof change->server, "%s", parts->text[1]);
    struct control_job *job = control_job_create(admin, request, work_server_change);
    if (job == NULL) {
        free(change);
        return;
    }
    job->extra = change;
    control_job_send(job);
}
