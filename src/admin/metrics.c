#include "metrics.h"

#include "desk.h"
#include "handlers.h"
#include "inventory.h"
#include "rows.h"
#include "session/tally.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* --- the process ------------------------------------------------------------------------------ */

static uint64_t resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    if (file != NULL)
        (void)fclose(file);
    return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_descriptors(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(folder);
    return count - 1; /* the folder's own */
}

static uint64_t cpu_us(void)
{
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) != 0)
        return 0;
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void add_one(struct text *t, enum metric metric, uint64_t value)
{
    metric_begin(t, metric);
    metric_add(t, metric, "", NULL, value);
}

static void add_process(struct text *t, const struct admin *admin)
{
    const struct admin_process *process = admin->args.process;
    metric_begin(t, METRIC_build_info);
    metric_add(t, METRIC_build_info, "", LABELS("version", admin->args.version), 1);
    metric_begin(t, METRIC_start_time_seconds);
    metric_add_millionths(t, METRIC_start_time_seconds, "", NULL, admin->started_ms * 1000);
    add_one(t, METRIC_generation, admin->snapshot->generation);
    add_one(t, METRIC_draining, atomic_load(&process->draining));
    add_one(t, METRIC_workers, admin->args.worker_count);
    add_one(t, METRIC_sessions_limit, atomic_load(&admin->args.gauge->most));
    add_one(t, METRIC_resident_memory_bytes, resident_bytes());
    add_one(t, METRIC_open_descriptors, open_descriptors());
    metric_begin(t, METRIC_cpu_seconds_total);
    metric_add_millionths(t, METRIC_cpu_seconds_total, "", NULL, cpu_us());
    metric_begin(t, METRIC_reloads_total);
    metric_add(t, METRIC_reloads_total, "", LABELS("result", "done"),
               atomic_load(&process->reloads_done));
    metric_add(t, METRIC_reloads_total, "", LABELS("result", "failed"),
               atomic_load(&process->reloads_failed));
    metric_add(t, METRIC_reloads_total, "", LABELS("result", "reverted"),
               atomic_load(&process->reloads_reverted));
    add_one(t, METRIC_log_lines_dropped_total, line_writer_dropped(admin->args.log));
}

static uint64_t read_count(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

static void add_ledger(struct text *t, const struct ledger *ledger)
{
    const struct ledger_counts *counts = ledger_counts(ledger);
    add_one(t, METRIC_ledger_entries, read_count(&counts->entries));
    add_one(t, METRIC_ledger_evicted_total, read_count(&counts->evicted));
    add_one(t, METRIC_ledger_dropped_total, read_count(&counts->dropped));
    add_one(t, METRIC_ledger_failures_total, read_count(&counts->failures));
}

/* --- what the workers have counted ------------------------------------------------------------ */

static const struct tally *tally_at(const struct admin *admin, unsigned worker)
{
    return admin->args.tally(admin->args.context, worker);
}

static void add_ends(struct text *t, const struct admin *admin)
{
    struct rows rows;
    rows_collect_ends(&rows, admin);
    metric_begin(t, METRIC_sessions_total);
    for (size_t i = 0; i < rows.count; i++) {
        const struct row *row = &rows.item[i];
        metric_add(t, METRIC_sessions_total, "",
                   LABELS("listener", row->listener, "protocol", row->protocol, "rule", row->rule,
                          "end", end_reason_name(row->end)),
                   row->values[0]);
    }
    t->failed = t->failed || rows.failed;
    rows_release(&rows);
}

static void add_traffic(struct text *t, const struct admin *admin)
{
    struct rows rows;
    rows_collect_traffic(&rows, admin, false);
    metric_begin(t, METRIC_sessions_active);
    for (size_t i = 0; i < rows.count; i++)
        metric_add(t, METRIC_sessions_active, "", LABELS("listener", rows.item[i].listener),
                   rows.item[i].values[ROW_SESSIONS]);
    metric_begin(t, METRIC_bytes_total);
    for (size_t i = 0; i < rows.count; i++) {
        metric_add(t, METRIC_bytes_total, "",
                   LABELS("listener", rows.item[i].listener, "direction", "in"),
                   rows.item[i].values[ROW_BYTES_IN]);
        metric_add(t, METRIC_bytes_total, "",
                   LABELS("listener", rows.item[i].listener, "direction", "out"),
                   rows.item[i].values[ROW_BYTES_OUT]);
    }
    t->failed = t->failed || rows.failed;
    rows_release(&rows);
}

/* --- times and handshakes --------------------------------------------------------------------- */

static void add_histogram(struct text *t, const struct admin *admin, enum metric metric,
                          enum tally_interval interval)
{
    uint64_t bucket[TALLY_BUCKETS + 1] = {0}, sum = 0, count = 0;
    for (unsigned w = 0; w < admin->args.worker_count; w++) {
        const struct tally_histogram *h = &tally_counts(tally_at(admin, w))->interval[interval];
        for (unsigned i = 0; i <= TALLY_BUCKETS; i++)
            bucket[i] += tally_read(&h->bucket[i]);
        sum += tally_read(&h->sum_us);
    }
    metric_begin(t, metric);
    for (unsigned i = 0; i <= TALLY_BUCKETS; i++) {
        count += bucket[i];
        metric_add(t, metric, "_bucket",
                   LABELS("le", i < TALLY_BUCKETS ? tally_buckets[i].seconds : "+Inf"), count);
    }
    metric_add_millionths(t, metric, "_sum", NULL, sum);
    metric_add(t, metric, "_count", NULL, count); /* of the same look at the buckets */
}

static void add_handshakes(struct text *t, const struct admin *admin)
{
    metric_begin(t, METRIC_tls_handshakes_total);
    for (unsigned v = 0; v < TALLY_VERSIONS; v++)
        for (unsigned r = 0; r < 2; r++)
            for (unsigned result = 0; result < TALLY_RESULTS; result++) {
                uint64_t count = 0;
                for (unsigned w = 0; w < admin->args.worker_count; w++)
                    count +=
                        tally_read(&tally_counts(tally_at(admin, w))->handshakes[v][r][result]);
                /* Most combinations cannot be. */
                if (count > 0)
                    metric_add(t, METRIC_tls_handshakes_total, "",
                               LABELS("version", tally_version_names[v], "resumed",
                                      r == 0 ? "false" : "true", "result",
                                      tally_result_names[result]),
                               count);
            }
}

/* --- what the control thread knows ------------------------------------------------------------ */

static void add_servers(struct text *t, const struct snapshot *snapshot, enum metric metric)
{
    metric_begin(t, metric);
    for (unsigned p = 0; p < pool_set_count(snapshot->pools); p++) {
        const struct pool *pool = pool_set_at(snapshot->pools, p);
        for (unsigned s = 0; s < pool_server_count(pool); s++) {
            const struct server *server = pool_server_at(pool, s);
            metric_add(t, metric, "",
                       LABELS("pool", pool_name(pool), "server", server_name(server)),
                       metric == METRIC_server_up ? server_is_up(server) : server_sessions(server));
        }
    }
}

static void add_waiting(struct text *t, const struct snapshot *snapshot)
{
    metric_begin(t, METRIC_pool_waiting);
    for (unsigned p = 0; p < pool_set_count(snapshot->pools); p++) {
        const struct pool *pool = pool_set_at(snapshot->pools, p);
        metric_add(t, METRIC_pool_waiting, "", LABELS("pool", pool_name(pool)), pool_waiting(pool));
    }
}

static void add_refused(struct text *t, const struct snapshot *snapshot)
{
    metric_begin(t, METRIC_refused_total);
    for (size_t l = 0; l < snapshot->listener_count; l++) {
        struct books *books = snapshot->listeners[l].books;
        for (enum limit limit = 0; limit < LIMIT_COUNT; limit++)
            metric_add(t, METRIC_refused_total, "",
                       LABELS("listener", books->name, "limit", limit_name(limit)),
                       atomic_load_explicit(&books->refused[limit], memory_order_relaxed));
    }
}

static void add_certificate(void *context, const char *name, int64_t not_after)
{
    metric_add(context, METRIC_certificate_not_after_seconds, "", LABELS("name", name),
               not_after < 0 ? 0 : (uint64_t)not_after);
}

static void work_metrics(struct control_job *job, const struct snapshot *snapshot, void *owner)
{
    (void)owner;
    struct text *t = &job->body;
    add_servers(t, snapshot, METRIC_server_up);
    add_servers(t, snapshot, METRIC_server_sessions);
    add_waiting(t, snapshot);
    add_refused(t, snapshot);
    metric_begin(t, METRIC_certificate_not_after_seconds);
    inventory_each_name(snapshot, add_certificate, t);
}

static void complete(struct control_job *job)
{
    struct text whole = {0};
    const struct admin *admin = job->job.admin;
    add_process(&whole, admin);
    add_ledger(&whole, admin->args.ledger);
    add_ends(&whole, admin);
    add_traffic(&whole, admin);
    add_histogram(&whole, admin, METRIC_inspect_seconds, TALLY_INSPECT);
    add_histogram(&whole, admin, METRIC_handshake_seconds, TALLY_HANDSHAKE);
    add_histogram(&whole, admin, METRIC_connect_seconds, TALLY_CONNECT);
    add_handshakes(&whole, admin);
    text_add_span(&whole, span_of(job->body.data, job->body.length));
    whole.failed = whole.failed || job->body.failed;
    text_release(&job->body);
    job->body = whole;
}

void answer_metrics(struct admin *admin, struct http_request *request,
                    const struct route_parts *parts)
{
    (void)parts;
    struct control_job *job = control_job_create(admin, request, work_metrics);
    if (job == NULL)
        return;
    job->type = "text/plain; version=0.0.4; charset=utf-8";
    job->complete = complete;
    control_job_send(job);
}
