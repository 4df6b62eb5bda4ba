/* The reader of configurations: total, and what it takes it writes down as it took it. */
#include "fuzz.h"

#include "base/text.h"
#include "config/config.h"
#include "route/rules.h"

static void see_line(void *context, bool warning, const char *line)
{
    size_t *count = context;
    (void)warning;
    PROMISE(strchr(line, '\n') == NULL);
    (*count)++;
}

static void compile(struct config *config)
{
    for (size_t i = 0; i < config->model->listener_count; i++) {
        struct rules *rules = NULL;
        size_t before = problems_errors(config->problems);
        bool good = rules_compile(&rules, &config->model->listeners[i], config->problems);
        PROMISE(good == (problems_errors(config->problems) == before));
        if (good)
            rules_free(rules);
    }
}

static void hold_dump(const struct model *model)
{
    struct text first = {0}, second = {0};
    struct config again;
    PROMISE(config_dump(model, &first));
    bool good = config_read_text(&again, "dump", "/", first.data, first.length);
    if (!good)
        problems_print(again.problems, stderr);
    PROMISE(good && config_dump(again.model, &second));
    PROMISE(strcmp(first.data, second.data) == 0);
    text_release(&first);
    text_release(&second);
    config_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    size_t lines = 0;
    bool good = config_read_text(&config, "gate.json", "/etc", (const char *)data, size);
    PROMISE(good == (config.model != NULL) && good == (problems_errors(config.problems) == 0));
    if (good) {
        hold_dump(config.model);
        compile(&config);
    }
    problems_each(config.problems, see_line, &lines);
    PROMISE(good || lines > 0);
    config_free(&config);
    return 0;
}
