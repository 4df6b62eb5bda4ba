#include "tls/policy.h"

#include "base/text.h"
#include "tls/connection.h"
#include "tls/report.h"
#include "tls/suites.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

/* --- the context ------------------------------------------------------------------------------ */

/* Our order counts. Clients' offers that share nothing end the handshake (RFC 7301 §3.2). */
static int choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_length,
                       const unsigned char *offered, unsigned offered_length, void *context)
{
    (void)ssl;
    const struct tls_policy *policy = context;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, ret_length, policy->alpn, (unsigned)policy->alpn_length,
                              offered, offered_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_alpn(struct tls_policy *policy, const struct model_tls *model,
                     struct problems *problems)
{
    struct text list = {0};
    bool good = true;
    for (size_t i = 0; i < model->alpn.count; i++) {
        size_t length = strlen(model->alpn.item[i]);
        if (length == 0 || length > 255)
            good = tls_report(problems, model->path, "alpn",
                              "a protocol's name has 1 to 255 bytes, this one %zu", length);
        text_add_char(&list, (char)(unsigned char)length);
        text_add(&list, model->alpn.item[i]);
    }
    if (list.failed)
        good = tls_report(problems, model->path, "alpn", "out of memory");
    policy->alpn = (unsigned char *)list.data; /* ours now */
    policy->alpn_length = list.length;
    if (list.length > 0)
        SSL_CTX_set_alpn_select_cb(policy->context, choose_alpn, policy);
    return good;
}

static void set_habits(SSL_CTX *context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_dh_auto(context, 1);
    tls_connection_prepare(context);
    tls_connection_check_names(context);
}

/* What a session must have been made under to be resumed here. */
static bool digest_demands(struct tls_policy *policy, const struct model_tls *model)
{
    struct text all = {0};
    text_format(&all, "%d %d %d %d %d %u\n", model->min_version, model->max_version,
                model->strict_sni, model->prefer_server_ciphers, (int)model->client_auth.mode,
                model->client_auth.depth);
    const char *const lists[] = {model->ciphers, model->ciphersuites, model->groups};
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        text_format(&all, "%s\n", lists[i] != NULL ? lists[i] : "");
    text_add_span(&all, span_of(policy->alpn, policy->alpn_length));
    if (!all.failed)
        SHA256((const unsigned char *)all.data, all.length, policy->demands);
    bool good = !all.failed;
    text_release(&all);
    return good;
}

static bool report_fault(struct problems *problems, const char *path, const struct error *error)
{
    problems_error(problems, path, "%s", error->text);
    return false;
}

static bool make_context(struct tls_policy *policy, const struct model_tls *model,
                         const struct tls_policy *previous, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    policy->context = SSL_CTX_new(TLS_server_method());
    if (policy->context == NULL) {
        error_memory(&error);
        return report_fault(problems, model->path, &error);
    }
    set_habits(policy->context);
    bool tickets = tls_ticket_source_compile(&policy->tickets, policy->context, model,
                                             previous != NULL ? &previous->tickets : NULL,
                                             problems);
    bool suites = tls_suites_apply(policy->context, model, problems);
    bool alpn = set_alpn(policy, model, problems);
    policy->vague = model->vague || !suites;
    if (suites && alpn && !digest_demands(policy, model)) {
        error_memory(&error);
        return report_fault(problems, model->path, &error);
    }
    return tickets && suites && alpn;
}

/* --- the slots -------------------------------------------------------------------------------- */

/* Files beside the certificates'. */
static bool watch_more(struct tls_policy *policy, const struct model_tls *model)
{
    const char *const more[] = {policy->client_auth.ca, policy->client_auth.crl,
                                policy->tickets.file, policy->stapling.file};
    size_t count = 0;
    if (!model->watch)
        return true;
    while (policy->files[count] != NULL)
        count++;
    const char **files = realloc(policy->files, (count + COUNT_OF(more) + 1) * sizeof *files);
    if (files == NULL)
        return false;
    for (size_t i = 0; i < COUNT_OF(more); i++)
        if (more[i] != NULL)
            files[count++] = more[i];
    files[count] = NULL;
    policy->files = files;
    return true;
}

static bool fill_slots(struct tls_policy *policy, unsigned workers)
{
    policy->slots = aligned_alloc(TLS_CACHE_LINE, workers * sizeof *policy->slots);
    if (policy->slots == NULL)
        return false;
    policy->workers = workers;
    for (unsigned i = 0; i < workers; i++) {
        struct tls_trust *trust = policy->client_auth.current;
        policy->slots[i].store = tls_store_ref(policy->current);
        policy->slots[i].trust = trust != NULL ? tls_trust_ref(trust) : NULL;
        struct tls_staples *staples = policy->stapling.current;
        policy->slots[i].staples = staples != NULL ? tls_staples_ref(staples) : NULL;
    }
    return true;
}

/* --- life ------------------------------------------------------------------------------------- */

static bool compile(struct tls_policy *policy, const struct model_tls *model, unsigned workers,
                    const struct tls_policy *previous, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    bool context = make_context(policy, model, previous, problems);
    if (policy->context == NULL)
        return false;
    if (!tls_client_auth_compile(&policy->client_auth, policy->context, model, problems))
        context = false;
    if (model->certificate_count == 0 || !tls_policy_load(policy, model, previous, problems))
        return tls_stapling_judge(model, problems);
    if (!tls_stapling_compile(&policy->stapling, model, policy->current,
                              previous != NULL ? &previous->stapling : NULL, problems) ||
        !context)
        return false;
    if (policy->stapling.current != NULL)
        tls_staples_install(policy->context);
    if (!watch_more(policy, model) || !fill_slots(policy, workers)) {
        error_memory(&error);
        return report_fault(problems, model->path, &error);
    }
    return true;
}

/* Without certificates nothing is terminated by it: it is judged, and that is all. */
bool tls_policy_compile(struct tls_policy **ret, const struct model_tls *model, unsigned workers,
                        const struct tls_policy *previous, struct problems *problems)
{
    struct tls_policy *policy = calloc(1, sizeof *policy);
    if (policy == NULL) {
        problems_error(problems, model->path, "out of memory");
        return false;
    }
    atomic_init(&policy->references, 1);
    policy->strict_sni = model->strict_sni;
    policy->path = strdup(model->path);
    if (policy->path == NULL)
        problems_error(problems, model->path, "out of memory");
    size_t before = problems_errors(problems);
    if (policy->path == NULL || !compile(policy, model, workers, previous, problems)) {
        tls_policy_unref(policy);
        *ret = NULL;
        return model->certificate_count == 0 && problems_errors(problems) == before;
    }
    *ret = policy;
    return true;
}

bool tls_policy_judge(const struct model_tls *model, struct problems *problems)
{
    struct model_tls said = *model;
    struct tls_policy *policy;
    said.certificate_count = 0;
    said.client_auth = (struct model_client_auth){0}; /* beyond its form it is files; likewise: */
    said.ocsp_file = NULL;
    said.tickets.off = said.tickets.off || said.tickets.keys != NULL;
    return tls_policy_compile(&policy, &said, 1, NULL, problems);
}

struct tls_policy *tls_policy_ref(struct tls_policy *policy)
{
    atomic_fetch_add_explicit(&policy->references, 1, memory_order_relaxed);
    return policy;
}

static void free_origins(struct tls_policy *policy)
{
    for (size_t i = 0; i < policy->origin_count; i++)
        tls_origin_release(&policy->origins[i]);
    free(policy->origins);
    free(policy->files);
    free(policy->round.refusals);
}

void tls_policy_unref(struct tls_policy *policy)
{
    if (policy == NULL ||
        atomic_fetch_sub_explicit(&policy->references, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < policy->workers; i++) {
        tls_store_unref(policy->slots[i].store);
        tls_trust_unref(policy->slots[i].trust);
        tls_staples_unref(policy->slots[i].staples);
    }
    free(policy->slots);
    tls_store_unref(policy->current);
    tls_client_auth_release(&policy->client_auth);
    tls_stapling_release(&policy->stapling);
    free_origins(policy);
    SSL_CTX_free(policy->context);
    tls_ticket_source_release(&policy->tickets);
    free(policy->alpn);
    free(policy->path);
    free(policy);
}

const char *tls_policy_path(const struct tls_policy *policy)
{
    return policy->path;
}

size_t tls_policy_copy_ticket_keys(const struct tls_policy *policy, unsigned char *ret, size_t size)
{
    struct tls_tickets *tickets = policy->tickets.tickets;
    return tickets == NULL ? 0 : tls_tickets_copy_keys(tickets, ret, size);
}

void tls_policy_take_ticket_keys(struct tls_policy *policy, const unsigned char *keys,
                                 size_t length)
{
    if (policy->tickets.tickets != NULL)
        tls_tickets_take_keys(policy->tickets.tickets, keys, length);
}

const char *const *tls_policy_files(const struct tls_policy *policy)
{
    return policy->files;
}

void tls_policy_set_store(struct tls_policy *policy, unsigned worker, struct tls_store *store)
{
    tls_store_unref(policy->slots[worker].store);
    policy->slots[worker].store = store;
}
