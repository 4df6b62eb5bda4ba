#include "config/model.h"

#include <stdlib.h>
#include <string.h>

const struct model_pool *model_find_pool(const struct model *model, const char *name)
{
    for (size_t i = 0; i < model->pool_count; i++)
        if (strcmp(model->pools[i].name, name) == 0)
            return &model->pools[i];
    return NULL;
}

const struct model_listener *model_find_listener(const struct model *model, const char *name)
{
    for (size_t i = 0; i < model->listener_count; i++)
        if (strcmp(model->listeners[i].name, name) == 0)
            return &model->listeners[i];
    return NULL;
}

static void free_strings(struct string_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->item[i]);
    free(list->item);
}

static void free_fix(struct model_fix *fix)
{
    free_strings(&fix->sender_comp_id);
    free_strings(&fix->target_comp_id);
    free_strings(&fix->sender_sub_id);
    free_strings(&fix->username);
    free_strings(&fix->begin_string);
}

static void free_match_keys(struct model_match *match)
{
    free(match->path);
    free_strings(&match->protocol);
    free_strings(&match->sni);
    free_strings(&match->client_cert.cn);
    free_strings(&match->client_cert.san);
    free_strings(&match->alpn);
    free(match->source.item);
    free_strings(&match->prefix);
    free_strings(&match->prefix_hex);
    free_strings(&match->ja4);
    free_strings(&match->regex);
    free_fix(&match->fix);
}

static void free_match(struct model_match *match)
{
    struct model_match *negated = match->negated;
    free_match_keys(match);
    while (negated != NULL) {
        struct model_match *next = negated->negated;
        free_match_keys(negated);
        free(negated);
        negated = next;
    }
}

static void free_tls(struct model_tls *tls)
{
    for (size_t i = 0; i < tls->certificate_count; i++) {
        free(tls->certificates[i].path);
        free(tls->certificates[i].cert);
        free(tls->certificates[i].key);
        free(tls->certificates[i].directory);
    }
    free(tls->certificates);
    free(tls->path);
    free(tls->ciphers);
    free(tls->ciphersuites);
    free(tls->groups);
    free(tls->ocsp_file);
    free_strings(&tls->alpn);
    free(tls->client_auth.ca);
    free(tls->client_auth.crl);
    free(tls->tickets.keys);
}

/* As deep as rules are nested: the reader makes two levels. */
static void free_rules(struct model_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(rules[i].path);
        free(rules[i].name);
        free(rules[i].pool);
        free(rules[i].starttls);
        free_match(&rules[i].match);
        if (rules[i].policy != NULL)
            free_tls(rules[i].policy);
        free(rules[i].policy);
        free_rules(rules[i].rules, rules[i].rule_count);
    }
    free(rules);
}

static void free_address(struct model_address *address)
{
    free(address->text);
    free(address->path);
    free(address->name);
}

static void free_listener(struct model_listener *listener)
{
    for (size_t i = 0; i < listener->bind_count; i++)
        free_address(&listener->binds[i]);
    free(listener->binds);
    free(listener->path);
    free(listener->name);
    free(listener->accept_proxy.item);
    free(listener->allow.item);
    free(listener->deny.item);
    free_tls(&listener->tls);
    free_rules(listener->rules, listener->rule_count);
}

static void free_pool_tls(struct model_pool_tls *tls)
{
    free(tls->path);
    free(tls->ca);
    free(tls->sni);
    free(tls->cert);
    free(tls->key);
    free_strings(&tls->alpn);
}

static void free_health(struct model_health *health)
{
    free(health->path);
    free(health->send);
    free(health->expect);
    free(health->send_hex);
    free(health->expect_hex);
    free(health->http_path);
    free(health->http_host);
    free(health->status);
}

static void free_pool(struct model_pool *pool)
{
    for (size_t i = 0; i < pool->server_count; i++) {
        free(pool->servers[i].path);
        free(pool->servers[i].name);
        free_address(&pool->servers[i].address);
    }
    free(pool->servers);
    free(pool->path);
    free(pool->name);
    free_health(&pool->health);
    free(pool->pass_tlvs);
    free_pool_tls(&pool->tls);
    free_strings(&pool->resolve.servers);
}

static void free_admin(struct model_admin *admin)
{
    free(admin->socket);
    free_address(&admin->http);
    free(admin->token_file);
    free_strings(&admin->hosts);
}

void model_free(struct model *model)
{
    if (model == NULL)
        return;
    for (size_t i = 0; i < model->listener_count; i++)
        free_listener(&model->listeners[i]);
    for (size_t i = 0; i < model->pool_count; i++)
        free_pool(&model->pools[i]);
    free(model->listeners);
    free(model->pools);
    free(model->file);
    free(model->folder);
    free(model->log.file);
    free(model->log.template);
    free_admin(&model->admin);
    free(model->ledger.file);
    free(model->user);
    free(model->group);
    free(model);
}
