#include "app/load.h"

#include "admin/endpoints.h"
#include "app/inherit.h"
#include "app/quick.h"
#include "app/surroundings.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Kept for files, the admin interface, resolving, libraries. */
#define DESCRIPTORS_RESERVED 64u

/* As many sockets of one address as an upgrade can hand over at once. */
#define WORKERS_MAX INHERIT_FDS_MAX

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

/* Each worker has a socket for each address, what watches it, and a descriptor in reserve; each
 * checked server takes one at times. */
static uint64_t count_fixed(const struct model *model, unsigned workers)
{
    uint64_t count = 0;
    for (size_t i = 0; i < model->listener_count; i++)
        count += model->listeners[i].bind_count * 3 * workers;
    for (size_t i = 0; i < model->pool_count; i++)
        count += model->pools[i].health.on ? model->pools[i].server_count : 0;
    return count;
}

uint64_t load_sessions_that_fit(uint64_t descriptors, unsigned workers, const struct model *model)
{
    uint64_t pipes = (uint64_t)load_pipes_per_worker(descriptors, workers) * 2 * workers;
    uint64_t others = DESCRIPTORS_RESERVED + pipes + 8u * workers + count_fixed(model, workers);
    return descriptors > others + 2 ? (descriptors - others) / 2 : 1;
}

static bool read_text(struct config *ret, const struct text *text)
{
    return config_read_text(ret, "(command line)", ".", text->data, text->length);
}

static bool read_config(struct config *ret, const struct load_args *args)
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

static bool read_form(struct config *ret, const struct load_args *args)
{
    bool good = read_config(ret, args);
    if (ret->problems != NULL)
        problems_set_now(ret->problems, options_moment(args->options));
    return good;
}

bool load_config(struct config *ret, const struct load_args *args)
{
    if (read_form(ret, args))
        return snapshot_judge(ret->model, ret->problems);
    if (ret->draft != NULL) {
        problems_set_partial(ret->problems);
        (void)!snapshot_judge(ret->draft, ret->problems);
    }
    return false;
}

static void warn_of_one(const struct config *config, const char *path, uint64_t wanted,
                        uint64_t fit, uint64_t descriptors)
{
    if (wanted > fit)
        problems_warning(config->problems, path,
                         "only %llu sessions fit into the limit of %llu descriptors (raise it: "
                         "ulimit -n, LimitNOFILE=)",
                         (unsigned long long)fit, (unsigned long long)descriptors);
}

static void warn_of_descriptors(const struct config *config, const struct load_args *args,
                                unsigned workers)
{
    const struct model *model = config->model;
    uint64_t fit = load_sessions_that_fit(args->descriptors, workers, model);
    warn_of_one(config, "limits.max_sessions", model->max_sessions, fit, args->descriptors);
    for (size_t i = 0; i < model->listener_count; i++) {
        struct text path = {0};
        text_format(&path, "%s.limits.max_sessions", model->listeners[i].path);
        if (!path.failed)
            warn_of_one(config, path.data, model->listeners[i].max_sessions, fit,
                        args->descriptors);
        text_release(&path);
    }
}

bool load_is_transparent(const struct model *model)
{
    for (size_t i = 0; i < model->pool_count; i++)
        if (model->pools[i].transparent)
            return true;
    return false;
}

/* An address that moves between hosts may come later. */
static void check_origin(const struct model_pool *pool, struct problems *problems)
{
    struct text transparent = {0}, source = {0};
    text_format(&transparent, "%s.transparent", pool->path);
    text_format(&source, "%s.source", pool->path);
    if (!transparent.failed && pool->transparent && !socket_can_be_transparent())
        problems_error(problems, transparent.data,
                       "needs CAP_NET_RAW or CAP_NET_ADMIN, which this process does not have (it "
                       "is kept over a change of user that a start as root makes)");
    if (!source.failed && pool->source.address.length > 0 &&
        !socket_has_address(&pool->source.address))
        problems_warning(problems, source.data, "this host has no such address now");
    text_release(&transparent);
    text_release(&source);
}

static void check_log(const struct model_log *log, struct problems *problems)
{
    struct text folder = {0};
    struct stat status;
    if (log->access != LOG_TARGET_FILE)
        return;
    if (stat(log->file, &status) == 0 && S_ISDIR(status.st_mode))
        problems_error(problems, "log.access", "%s is a folder", log->file);
    text_add_span(&folder, span_of(log->file, (size_t)(strrchr(log->file, '/') - log->file)));
    text_add(&folder, "/");
    if (!folder.failed && access(folder.data, X_OK) != 0)
        problems_error(problems, "log.access", "cannot use the folder %s: %s", folder.data,
                       strerror(errno));
    text_release(&folder);
}

/* What the start would fail on is told beforehand, as a whole, and each at its place. */
static void check_surroundings(const struct model *model, const struct load_args *args,
                               struct problems *problems)
{
    if (model->user != NULL && getpwnam(model->user) == NULL)
        problems_error(problems, "user", "there is no user \"%s\"", model->user);
    if (model->group != NULL && getgrnam(model->group) == NULL)
        problems_error(problems, "group", "there is no group \"%s\"", model->group);
    for (size_t i = 0; i < model->pool_count; i++)
        check_origin(&model->pools[i], problems);
    endpoints_check(&model->admin, problems);
    check_log(&model->log, problems);
    if (args->options->command == COMMAND_CHECK || args->held != NULL)
        surroundings_check(model, args->held, problems);
}

/* What is wrong in the rest of a file with errors is told in the same go. */
static void judge_draft(struct config *config, const struct load_args *args)
{
    struct snapshot *snapshot;
    struct config draft = {.model = config->draft, .problems = config->problems};
    config->draft = NULL;
    if (draft.model == NULL)
        return;
    problems_set_partial(draft.problems);
    check_surroundings(draft.model, args, draft.problems);
    if (snapshot_compile(&snapshot, &draft, 1, args->previous)) {
        snapshot->config.problems = NULL; /* they stay config's */
        snapshot_unref(snapshot);
    } else {
        model_free(draft.model);
    }
}

static void tell_line(void *context, bool warning, const char *line)
{
    const struct load_args *args = context;
    (void)warning;
    args->tell(args->context, line);
}

static void print(const struct problems *problems, const struct load_args *args)
{
    if (!args->quiet)
        problems_print(problems, stderr);
    if (args->tell != NULL)
        problems_each(problems, tell_line, (void *)(uintptr_t)args);
}

/* All that is wrong is printed; a snapshot is made only where nothing is. */
static bool compile(struct snapshot **ret, struct config *config, const struct load_args *args)
{
    unsigned workers = args->workers != 0 ? args->workers : load_worker_count(config->model);
    struct snapshot *snapshot;
    warn_of_descriptors(config, args, workers);
    check_surroundings(config->model, args, config->problems);
    if (!snapshot_compile(&snapshot, config, workers, args->previous)) {
        print(config->problems, args);
        return false;
    }
    print(snapshot->config.problems, args);
    if (problems_errors(snapshot->config.problems) > 0) {
        snapshot_unref(snapshot);
        return false;
    }
    *ret = snapshot;
    return true;
}

bool load_snapshot(struct snapshot **ret, const struct load_args *args)
{
    struct config config;
    bool good = read_form(&config, args);
    if (good) {
        good = compile(ret, &config, args);
    } else if (config.problems != NULL) {
        judge_draft(&config, args);
        print(config.problems, args);
    }
    config_free(&config);
    return good;
}
