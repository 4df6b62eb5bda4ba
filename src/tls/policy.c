#include "tls/policy.h"

#include "base/clock.h"
#include "base/text.h"
#include "tls/connection.h"
#include "tls/report.h"
#include "tls/suites.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_PER_DAY    INT64_C(86400)
#define EXPIRY_NOTICE_DAYS 30

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
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN |
                                  SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_dh_auto(context, 1);
    tls_connection_watch(context);
}

/* What a session must have been made under to be resumed here. */
static bool digest_demands(struct tls_policy *policy, const struct model_tls *model)
{
    struct text all = {0};
    text_format(&all, "%d %d %d %d\n", model->min_version, model->max_version, model->strict_sni,
                model->prefer_server_ciphers);
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
    if (previous != NULL)
        policy->tickets = tls_tickets_ref(previous->tickets);
    else if (!tls_tickets_create(&policy->tickets, &error))
        return report_fault(problems, model->path, &error);
    if (!tls_tickets_install(policy->tickets, policy->context, &error))
        return report_fault(problems, model->path, &error);
    bool suites = tls_suites_apply(policy->context, model, problems);
    bool alpn = set_alpn(policy, model, problems);
    if (suites && alpn && !digest_demands(policy, model)) {
        error_memory(&error);
        return report_fault(problems, model->path, &error);
    }
    return suites && alpn;
}

/* --- the certificates ------------------------------------------------------------------------- */

static bool copy_sources(struct tls_policy *policy, const struct model_tls *model)
{
    size_t count = model->certificate_count;
    policy->sources = calloc(count, sizeof *policy->sources);
    policy->files = calloc(2 * count + 1, sizeof *policy->files);
    if (policy->sources == NULL || policy->files == NULL)
        return false;
    policy->source_count = count;
    size_t files = 0;
    for (size_t i = 0; i < count; i++) {
        struct tls_source *source = &policy->sources[i];
        source->certificate = strdup(model->certificates[i].cert);
        source->key = strdup(model->certificates[i].key);
        source->path = strdup(model->certificates[i].path);
        if (source->certificate == NULL || source->key == NULL || source->path == NULL)
            return false;
        if (!model->watch)
            continue;
        policy->files[files++] = source->certificate;
        if (strcmp(source->certificate, source->key) != 0)
            policy->files[files++] = source->key;
    }
    return true;
}

static const char *part_key(const struct tls_source *source, enum tls_part part)
{
    if (strcmp(source->certificate, source->key) == 0)
        return "pem";
    return part == TLS_PART_CERTIFICATE ? "cert" : "key";
}

static void warn_of_dates(const struct tls_source *source, const struct tls_credential *credential,
                          struct problems *problems)
{
    int64_t now = (int64_t)(clock_wall_ms() / 1000);
    int64_t days = (credential->not_after - now) / SECONDS_PER_DAY;
    const char *key = part_key(source, TLS_PART_CERTIFICATE);
    char date[TLS_DATE_MAX];
    tls_date_format(credential->not_after, date);
    if (credential->not_after <= now) {
        tls_report_warning(problems, source->path, key,
                           "the certificate has expired on %s; it is served all the same", date);
    } else if (days < EXPIRY_NOTICE_DAYS) {
        tls_report_warning(problems, source->path, key, "the certificate expires in %d day%s (%s)",
                           (int)days, days == 1 ? "" : "s", date);
    }
    if (credential->not_before > now) {
        tls_date_format(credential->not_before, date);
        tls_report_warning(problems, source->path, key, "the certificate is not valid before %s",
                           date);
    }
}

static bool load_source(const struct tls_policy *policy, const struct tls_source *source,
                        struct tls_credential **ret, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    unsigned char digest[32];
    enum tls_part part;
    switch (tls_source_load(policy, source, ret, digest, &part, &error)) {
    case TLS_FILE_OK:
        break;
    case TLS_FILE_UNSTABLE:
        return tls_report(problems, source->path, part_key(source, part),
                          "the file is being written to just now (try again)");
    default:
        return tls_report(problems, source->path, part_key(source, part), "%s", error.text);
    }
    warn_of_dates(source, *ret, problems);
    if ((*ret)->key_exposed)
        tls_report_warning(problems, source->path, part_key(source, TLS_PART_KEY),
                           "group or others may read the key %s (chmod 600)", source->key);
    return true;
}

static void warn_of_unused(const struct tls_policy *policy, struct problems *problems)
{
    for (size_t i = 0; i < policy->source_count; i++) {
        const struct tls_source *source = &policy->sources[i];
        if (!tls_store_uses(policy->current, i))
            tls_report_warning(problems, source->path, part_key(source, TLS_PART_CERTIFICATE),
                               "never served: earlier certificates with the same type of key hold "
                               "all its names");
    }
}

static bool load_store(struct tls_policy *policy, const struct model_tls *model,
                       struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    size_t count = policy->source_count;
    struct tls_credential **all = calloc(count, sizeof(struct tls_credential *));
    bool good = all != NULL;
    for (size_t i = 0; all != NULL && i < count; i++)
        good = load_source(policy, &policy->sources[i], &all[i], problems) && good;
    if (good && !tls_store_create(&policy->current, all, count, NULL, policy->demands, &error))
        good = report_fault(problems, model->path, &error);
    for (size_t i = 0; all != NULL && i < count; i++)
        tls_credential_unref(all[i]);
    free(all);
    if (good)
        warn_of_unused(policy, problems);
    return good;
}

static bool fill_slots(struct tls_policy *policy, unsigned workers)
{
    policy->slots = aligned_alloc(TLS_CACHE_LINE, workers * sizeof *policy->slots);
    if (policy->slots == NULL)
        return false;
    policy->workers = workers;
    for (unsigned i = 0; i < workers; i++)
        policy->slots[i].store = tls_store_ref(policy->current);
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
    if (model->certificate_count == 0)
        return tls_report(problems, model->path, "certificates",
                          "at least one certificate is needed to terminate TLS");
    if (!copy_sources(policy, model)) {
        error_memory(&error);
        return report_fault(problems, model->path, &error);
    }
    if (!load_store(policy, model, problems) || !context)
        return false;
    if (!fill_slots(policy, workers)) {
        error_memory(&error);
        return report_fault(problems, model->path, &error);
    }
    return true;
}

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
    if (!compile(policy, model, workers, previous, problems)) {
        tls_policy_unref(policy);
        return false;
    }
    *ret = policy;
    return true;
}

struct tls_policy *tls_policy_ref(struct tls_policy *policy)
{
    atomic_fetch_add_explicit(&policy->references, 1, memory_order_relaxed);
    return policy;
}

static void free_sources(struct tls_policy *policy)
{
    for (size_t i = 0; i < policy->source_count; i++) {
        free(policy->sources[i].certificate);
        free(policy->sources[i].key);
        free(policy->sources[i].path);
    }
    free(policy->sources);
    free(policy->files);
}

void tls_policy_unref(struct tls_policy *policy)
{
    if (policy == NULL ||
        atomic_fetch_sub_explicit(&policy->references, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < policy->workers; i++)
        tls_store_unref(policy->slots[i].store);
    free(policy->slots);
    tls_store_unref(policy->current);
    free_sources(policy);
    SSL_CTX_free(policy->context);
    tls_tickets_unref(policy->tickets);
    free(policy->alpn);
    free(policy);
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
