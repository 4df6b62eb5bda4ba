#include "app/renewal.h"

#include "app/stapling.h"
#include "base/log.h"
#include "base/text.h"
#include "io/watch.h"
#include "tls/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct renewal {
    struct snapshot *snapshot;     /* counted */
    struct worker *const *workers; /* borrowed */
    unsigned worker_count;
    struct watch *watch;
    struct stapling *stapling;
    struct text told; /* in this round: policies may share files, and one line will do */
};

#define TOLD_MAX_BYTES (64u * 1024u)

/* "EVENT TEXT", unless it was said in this round. */
PRINTF(4, 5)
static void tell(struct renewal *renewal, enum log_level level, const char *event,
                 const char *format, ...)
{
    char text[600];
    struct text line = {0};
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_format(&line, "\n%s %s\n", event, text);
    bool again = !line.failed && renewal->told.length > 0 &&
                 strstr(renewal->told.data, line.data) != NULL;
    if (!again) {
        log_event(level, event, "%s", text);
        if (!line.failed && renewal->told.length < TOLD_MAX_BYTES)
            text_add(&renewal->told, line.data);
    }
    text_release(&line);
}

static void hand_out(const struct renewal *renewal, struct tls_policy *policy,
                     struct tls_store *store)
{
    for (unsigned i = 0; i < renewal->worker_count; i++)
        if (!worker_set_store(renewal->workers[i], tls_policy_ref(policy), tls_store_ref(store)))
            log_event(LOG_LEVEL_ERROR, "cert.refuse", "reason=\"out of memory\" kept=previous");
    tls_store_unref(store);
}

/* One call tells one thing; false: there is nothing more to tell. */
static bool refresh_once(struct renewal *renewal, struct tls_policy *policy)
{
    struct tls_store *store;
    struct error error;
    char what[256];
    switch (tls_policy_refresh(policy, &store, &error)) {
    case TLS_REFRESH_NEW:
        tls_store_describe(store, what, sizeof what);
        tell(renewal, LOG_LEVEL_INFO, "cert.load", "%s", what);
        hand_out(renewal, policy, store);
        return true;
    case TLS_REFRESH_REFUSED:
        tell(renewal, LOG_LEVEL_ERROR, "cert.refuse", "reason=\"%s\" kept=previous", error.text);
        return true;
    default:
        return false;
    }
}

static void hand_out_trust(const struct renewal *renewal, struct tls_policy *policy,
                           struct tls_trust *trust)
{
    for (unsigned i = 0; i < renewal->worker_count; i++)
        if (!worker_set_trust(renewal->workers[i], tls_policy_ref(policy), tls_trust_ref(trust)))
            log_event(LOG_LEVEL_ERROR, "ca.refuse", "reason=\"out of memory\" kept=previous");
    tls_trust_unref(trust);
}

static void refresh_trust(struct renewal *renewal, struct tls_policy *policy)
{
    struct tls_trust *trust;
    struct error error;
    char what[256];
    switch (tls_policy_refresh_trust(policy, &trust, &error)) {
    case TLS_REFRESH_NEW:
        tls_trust_describe(trust, what, sizeof what);
        tell(renewal, LOG_LEVEL_INFO, "ca.load", "%s", what);
        hand_out_trust(renewal, policy, trust);
        break;
    case TLS_REFRESH_REFUSED:
        tell(renewal, LOG_LEVEL_ERROR, "ca.refuse", "reason=\"%s\" kept=previous", error.text);
        break;
    default:
        break;
    }
}

static void refresh_tickets(struct renewal *renewal, struct tls_policy *policy)
{
    struct error error;
    size_t count;
    switch (tls_policy_refresh_tickets(policy, &count, &error)) {
    case TLS_REFRESH_NEW:
        tell(renewal, LOG_LEVEL_INFO, "tickets.load", "keys=%zu", count);
        break;
    case TLS_REFRESH_REFUSED:
        tell(renewal, LOG_LEVEL_ERROR, "tickets.refuse", "reason=\"%s\" kept=previous", error.text);
        break;
    default:
        break;
    }
}

static void refresh(void *context, struct tls_policy *policy)
{
    if (*tls_policy_files(policy) == NULL)
        return; /* "watch": false */
    while (refresh_once(context, policy))
        ;
    refresh_trust(context, policy);
    refresh_tickets(context, policy);
}

/* --- pools with tls --------------------------------------------------------------------------- */

static void tell_refresh(const struct pool *pool, enum tls_refresh result, const char *what,
                         const char *file, const struct error *error)
{
    char event[24];
    if (result == TLS_REFRESH_SAME)
        return;
    bool taken = result == TLS_REFRESH_NEW;
    (void)snprintf(event, sizeof event, "%s.%s", what, taken ? "load" : "refuse");
    if (taken)
        log_event(LOG_LEVEL_INFO, event, "pool=%s file=%s", pool_name(pool), file);
    else
        log_event(LOG_LEVEL_ERROR, event, "pool=%s reason=\"%s\" kept=previous", pool_name(pool),
                  error->text);
}

static void refresh_pool(const struct pool *pool)
{
    struct tls_client *client = pool_tls(pool);
    struct error error;
    const char *file = NULL;
    if (client == NULL)
        return;
    enum tls_refresh ca = tls_client_refresh_authorities(client, &file, &error);
    tell_refresh(pool, ca, "ca", file, &error);
    enum tls_refresh certificate = tls_client_refresh_certificate(client, &file, &error);
    tell_refresh(pool, certificate, "cert", file, &error);
}

static void on_change(void *context)
{
    struct renewal *renewal = context;
    text_clear(&renewal->told);
    snapshot_each_policy(renewal->snapshot, refresh, renewal);
    for (unsigned i = 0; i < pool_set_count(renewal->snapshot->pools); i++)
        refresh_pool(pool_set_at(renewal->snapshot->pools, i));
    stapling_look(renewal->stapling); /* after it: the responses are those of new certificates */
}

/* --- the list of files ------------------------------------------------------------------------ */

struct file_list {
    const char **item;
    size_t count;
    bool failed;
};

static void add_files(struct file_list *list, const char *const *file)
{
    for (; *file != NULL; file++) {
        const char **item = realloc(list->item, (list->count + 1) * sizeof *item);
        list->failed = list->failed || item == NULL;
        if (item == NULL)
            return;
        list->item = item;
        list->item[list->count++] = *file;
    }
}

static void collect(void *context, struct tls_policy *policy)
{
    add_files(context, tls_policy_files(policy));
}

static void collect_all(struct file_list *list, const struct snapshot *snapshot)
{
    snapshot_each_policy(snapshot, collect, list);
    for (unsigned i = 0; i < pool_set_count(snapshot->pools); i++) {
        const struct tls_client *client = pool_tls(pool_set_at(snapshot->pools, i));
        if (client != NULL)
            add_files(list, tls_client_files(client));
    }
}

bool renewal_start(struct renewal **ret, struct ev_loop *loop, struct snapshot *snapshot,
                   struct worker *const *workers, unsigned worker_count, struct error *error)
{
    struct renewal *renewal = calloc(1, sizeof *renewal);
    struct file_list files = {0};
    if (renewal == NULL)
        return error_memory(error);
    renewal->snapshot = snapshot_ref(snapshot);
    renewal->workers = workers;
    renewal->worker_count = worker_count;
    collect_all(&files, snapshot);
    bool good = !files.failed || error_memory(error);
    good = good && stapling_start(&renewal->stapling, loop, snapshot, workers, worker_count, error);
    if (good && files.count > 0)
        good =
            watch_start(&renewal->watch, loop, files.item, files.count, on_change, renewal, error);
    free(files.item);
    if (!good) {
        renewal_stop(renewal);
        return false;
    }
    /* What changed between loading and watching is announced by nobody. */
    on_change(renewal);
    *ret = renewal;
    return true;
}

void renewal_stop(struct renewal *renewal)
{
    if (renewal == NULL)
        return;
    watch_stop(renewal->watch);
    stapling_stop(renewal->stapling);
    text_release(&renewal->told);
    snapshot_unref(renewal->snapshot);
    free(renewal);
}
