#include "session/snapshot.h"

#include <stdlib.h>
#include <string.h>

/* --- one listener ---------------------------------------------------------------------------- */

static void listener_done(struct listener *listener)
{
    for (unsigned i = 0; listener->rules != NULL && i < rules_count(listener->rules); i++)
        if (listener->targets != NULL)
            tls_policy_unref(listener->targets[i].policy);
    free(listener->targets);
    rules_free(listener->rules);
    tls_policy_unref(listener->policy);
    networks_release(&listener->networks);
    books_unref(listener->books);
}

static const struct listener *find_listener(const struct snapshot *snapshot, const char *name)
{
    for (size_t i = 0; snapshot != NULL && i < snapshot->listener_count; i++)
        if (strcmp(snapshot->listeners[i].model->name, name) == 0)
            return &snapshot->listeners[i];
    return NULL;
}

/* The policy of the same path in the running configuration: its ticket keys are carried over. */
static const struct tls_policy *previous_policy(const struct listener *previous, const char *path)
{
    if (previous == NULL)
        return NULL;
    for (unsigned i = 0; i < rules_count(previous->rules); i++) {
        const struct model_rule *rule = rules_at(previous->rules, i)->model;
        if (rule->policy != NULL && strcmp(rule->policy->path, path) == 0)
            return previous->targets[i].policy;
    }
    const struct model_tls *own = &previous->model->tls;
    return own->path != NULL && strcmp(own->path, path) == 0 ? previous->policy : NULL;
}

struct compilation {
    struct snapshot *snapshot;
    const struct snapshot *previous;
    struct problems *problems;
    unsigned workers;
};

static bool compile_policy(struct tls_policy **ret, const struct model_tls *model,
                           const struct listener *previous, struct compilation *c)
{
    return tls_policy_compile(ret, model, c->workers, previous_policy(previous, model->path),
                              c->problems);
}

/* Goes on after a failure, so that every problem of the file is told. */
static bool compile_targets(struct listener *listener, const struct listener *previous,
                            struct compilation *c)
{
    bool good = true;
    unsigned count = rules_count(listener->rules);
    listener->targets = calloc(count + 1u, sizeof *listener->targets);
    if (listener->targets == NULL)
        return false;
    for (unsigned i = 0; i < count; i++) {
        const struct model_rule *rule = rules_at(listener->rules, i)->model;
        struct rule_target *target = &listener->targets[i];
        if (rule->pool != NULL && c->snapshot->pools != NULL)
            target->pool = pool_set_find(c->snapshot->pools, rule->pool);
        if (target->pool != NULL && pool_model(target->pool)->pass_tlv_count > 0)
            listener->passes_tlvs = true;
        if (rule->policy != NULL)
            good = compile_policy(&target->policy, rule->policy, previous, c) && good;
        else if (rule->tls == TLS_ACTION_TERMINATE && listener->policy != NULL)
            target->policy = tls_policy_ref(listener->policy);
    }
    return good;
}

/* Where the rules themselves are wrong. */
static bool judge_policies(const struct model_rule *rules, size_t count, struct compilation *c)
{
    for (size_t i = 0; i < count; i++) {
        struct tls_policy *policy = NULL;
        if (rules[i].policy != NULL && compile_policy(&policy, rules[i].policy, NULL, c))
            tls_policy_unref(policy);
        (void)judge_policies(rules[i].rules, rules[i].rule_count, c); /* two levels */
    }
    return false;
}

static bool compile_books(struct listener *listener, const struct listener *previous,
                          unsigned workers)
{
    if (previous == NULL)
        return books_create(&listener->books, listener->model->name, workers);
    listener->books = books_ref(previous->books);
    return true;
}

static bool compile_listener(struct listener *listener, const struct model_listener *model,
                             struct compilation *c)
{
    listener->model = model;
    const struct listener *previous = find_listener(c->previous, model->name);
    bool good = true;
    if (model->tls.path != NULL)
        good = compile_policy(&listener->policy, &model->tls, previous, c);
    if (!rules_compile(&listener->rules, model, c->problems))
        return judge_policies(model->rules, model->rule_count, c);
    good = compile_targets(listener, previous, c) && good;
    return networks_compile(&listener->networks, model) &&
           compile_books(listener, previous, c->workers) && good;
}

/* --- the snapshot ---------------------------------------------------------------------------- */

static void snapshot_free(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        listener_done(&snapshot->listeners[i]);
    free(snapshot->listeners);
    pool_set_free(snapshot->pools);
    log_template_free(snapshot->log_template);
    config_free(&snapshot->config);
    free(snapshot);
}

static bool compile_template(struct log_template **ret, const struct model_log *log,
                             struct problems *problems)
{
    struct error error;
    if (log->template == NULL || log_template_compile(ret, log->template, &error))
        return true;
    problems_error(problems, "log.template", "%s", error.text);
    return false;
}

static bool compile_all(struct compilation *c, const struct model *model)
{
    struct snapshot *snapshot = c->snapshot;
    const struct pool_set *previous = c->previous == NULL ? NULL : c->previous->pools;
    bool good = pool_set_compile(&snapshot->pools, model, previous, c->problems);
    good = compile_template(&snapshot->log_template, &model->log, c->problems) && good;
    snapshot->listeners = calloc(model->listener_count + 1, sizeof *snapshot->listeners);
    if (snapshot->listeners == NULL)
        return false;
    for (size_t i = 0; i < model->listener_count; i++) {
        snapshot->listener_count++;
        good = compile_listener(&snapshot->listeners[i], &model->listeners[i], c) && good;
    }
    return good;
}

bool snapshot_compile(struct snapshot **ret, struct config *config, unsigned workers,
                      const struct snapshot *previous)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL) {
        problems_error(config->problems, "", "out of memory");
        return false;
    }
    atomic_init(&snapshot->references, 1);
    snapshot->generation = previous == NULL ? 1 : previous->generation + 1;
    snapshot->own_ports = socket_own_ports();
    struct compilation c = {snapshot, previous, config->problems, workers};
    bool good = compile_all(&c, config->model);
    if (!good && problems_errors(config->problems) == 0)
        problems_error(config->problems, "", "out of memory");
    if (!good) {
        snapshot_free(snapshot); /* its config is empty: the caller keeps what it gave */
        return false;
    }
    snapshot->config = *config;
    *config = (struct config){0};
    *ret = snapshot;
    return true;
}

/* --- what the file says alone ----------------------------------------------------------------- */

static bool judge_listener(const struct model_listener *model, struct problems *problems)
{
    struct rules *rules = NULL;
    bool good = rules_compile(&rules, model, problems);
    rules_free(rules);
    if (model->tls.path != NULL)
        good = tls_policy_judge(&model->tls, problems) && good;
    for (size_t i = 0; i < model->rule_count; i++) /* nested rules have none */
        if (model->rules[i].policy != NULL)
            good = tls_policy_judge(model->rules[i].policy, problems) && good;
    return good;
}

bool snapshot_judge(const struct model *model, struct problems *problems)
{
    struct log_template *template = NULL;
    bool good = compile_template(&template, &model->log, problems);
    log_template_free(template);
    for (size_t i = 0; i < model->listener_count; i++)
        good = judge_listener(&model->listeners[i], problems) && good;
    return good;
}

/* --- references ------------------------------------------------------------------------------- */

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add(&snapshot->references, 1);
    return snapshot;
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot != NULL && atomic_fetch_sub(&snapshot->references, 1) == 1)
        snapshot_free(snapshot);
}

void snapshot_each_policy(const struct snapshot *snapshot,
                          void (*each)(void *context, struct tls_policy *policy), void *context)
{
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct listener *listener = &snapshot->listeners[i];
        if (listener->policy != NULL)
            each(context, listener->policy);
        for (unsigned r = 0; r < rules_count(listener->rules); r++)
            if (listener->targets[r].policy != NULL &&
                listener->targets[r].policy != listener->policy)
                each(context, listener->targets[r].policy);
    }
}
