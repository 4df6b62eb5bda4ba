#include "app/load.h"

#include "app/quick.h"

#include <sched.h>
#include <string.h>

/* Kept for listening sockets, files, health checks, resolving. */
#define DESCRIPTORS_RESERVED 64u

#define WORKERS_MAX 256u

unsigned load_worker_count(const struct model *model)
{
    if (model->workers != 0)
        return model->workers < WORKERS_MAX ? model->workers : WORKERS_MAX;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    int count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    return count < 1 ? 1 : (unsigned)count < WORKERS_MAX ? (unsigned)count : WORKERS_MAX;
}

unsigned load_pipes_per_worker(uint64_t descriptors, unsigned workers)
{
    uint64_t pipes = descriptors / 16 / 2 / workers; /* a sixteenth of all, two to a pipe */
    return pipes > 512 ? 512 : (unsigned)pipes;
}

uint64_t load_sessions_that_fit(uint64_t descriptors, unsigned workers)
{
    uint64_t pipes = (uint64_t)load_pipes_per_worker(descriptors, workers) * 2 * workers;
    uint64_t others = DESCRIPTORS_RESERVED + pipes + 8u * workers;
    return descriptors > others + 2 ? (descriptors - others) / 2 : 1;
}

static bool read_text(struct config *ret, const struct text *text)
{
    return config_read_text(ret, "(command line)", ".", text->data, text->length);
}

bool load_config(struct config *ret, const struct load_args *args)
{
    if (args->options->config != NULL)
        return config_read_file(ret, args->options->config);
    struct text text = {0};
    bool built = args->demo_config != NULL ? (text_add(&text, args->demo_config), !text.failed)
                                           : quick_config(&text, args->options);
    *ret = (struct config){0};
    bool good = built && read_text(ret, &text);
    text_release(&text);
    return good;
}

static void warn_of_descriptors(const struct config *config, const struct load_args *args,
                                unsigned workers)
{
    uint64_t fit = load_sessions_that_fit(args->descriptors, workers);
    if (config->model->max_sessions > fit)
        problems_warning(config->problems, "limits.max_sessions",
                         "only %llu sessions fit into the limit of %llu descriptors (raise it: "
                         "ulimit -n, LimitNOFILE=)",
                         (unsigned long long)fit, (unsigned long long)args->descriptors);
}

/* What the other floors find in the rest of a file with errors is told in the same go. */
static void judge_draft(struct config *config, const struct load_args *args)
{
    struct snapshot *snapshot;
    struct config draft = {.model = config->draft, .problems = config->problems};
    config->draft = NULL;
    if (draft.model != NULL && snapshot_compile(&snapshot, &draft, 1, args->previous)) {
        snapshot->config.problems = NULL; /* they stay config's */
        snapshot_unref(snapshot);
    } else {
        model_free(draft.model);
    }
}

bool load_snapshot(struct snapshot **ret, const struct load_args *args)
{
    struct config config;
    bool good = load_config(&config, args);
    if (good) {
        unsigned workers = args->workers != 0 ? args->workers : load_worker_count(config.model);
        struct problems *problems = config.problems;
        warn_of_descriptors(&config, args, workers);
        good = snapshot_compile(ret, &config, workers, args->previous);
        problems_print(good ? (*ret)->config.problems : problems, stderr);
    } else if (config.problems != NULL) {
        judge_draft(&config, args);
        problems_print(config.problems, stderr);
    }
    config_free(&config);
    return good;
}
