#include "metrics.h"

#include <inttypes.h>

static const struct {
    const char *name, *type, *help;
} metrics[METRIC_COUNT] = {
#define METRIC(name, type, labels, help) {#name, #type, help},
#include "metrics.def"
#undef METRIC
};

void metric_begin(struct text *t, enum metric metric)
{
    const char *name = metrics[metric].name;
    text_format(t, "# HELP muxgate_%s %s\n# TYPE muxgate_%s %s\n", name, metrics[metric].help, name,
                metrics[metric].type);
}

/* The format's own escapes: backslash, double quote, line feed. */
static void add_value(struct text *t, const char *value)
{
    text_add_char(t, '"');
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\\' || *at == '"')
            text_add_char(t, '\\');
        if (*at == '\n')
            text_add(t, "\\n");
        else
            text_add_char(t, *at);
    }
    text_add_char(t, '"');
}

static void add_series(struct text *t, enum metric metric, const char *suffix,
                       const char *const *labels)
{
    text_format(t, "muxgate_%s%s", metrics[metric].name, suffix);
    if (labels == NULL || labels[0] == NULL)
        return;
    for (size_t i = 0; labels[i] != NULL; i += 2) {
        text_format(t, "%c%s=", i == 0 ? '{' : ',', labels[i]);
        add_value(t, labels[i + 1]);
    }
    text_add_char(t, '}');
}

void metric_add(struct text *t, enum metric metric, const char *suffix, const char *const *labels,
                uint64_t value)
{
    add_series(t, metric, suffix, labels);
    text_format(t, " %" PRIu64 "\n", value);
}

void metric_add_millionths(struct text *t, enum metric metric, const char *suffix,
                           const char *const *labels, uint64_t value)
{
    add_series(t, metric, suffix, labels);
    text_format(t, " %" PRIu64 ".%06u\n", value / 1000000, (unsigned)(value % 1000000));
}
