#include "config_kit.h"

#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

const char *kit_path(const char *name)
{
    static char path[4096];
    const char *source = getenv("srcdir");
    snprintf(path, sizeof path, "%s/tests/data/config/%s", source == NULL ? "." : source, name);
    return path;
}

struct text kit_read(const char *path)
{
    struct text text = {0};
    char piece[4096];
    size_t got;
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    text_add(&text, "");
    while ((got = fread(piece, 1, sizeof piece, file)) > 0)
        text_add_span(&text, span_of(piece, got));
    fclose(file);
    ck_assert(!text.failed);
    return text;
}

static void add_line(void *context, bool warning, const char *line)
{
    (void)warning;
    text_add(context, line);
    text_add_char(context, '\n');
}

struct text kit_problems(const struct config *config)
{
    struct text lines = {0};
    text_add(&lines, "");
    problems_each(config->problems, add_line, &lines);
    ck_assert(!lines.failed);
    return lines;
}

bool kit_config(struct config *ret, const char *text)
{
    return config_read_text(ret, "gate.json", "/etc/muxgate", text, strlen(text));
}

void kit_expect(const char *text, const char *problems)
{
    struct config config;
    bool done = kit_config(&config, text);
    struct text lines = kit_problems(&config);
    ck_assert_str_eq(lines.data, problems);
    ck_assert_int_eq(done, problems_errors(config.problems) == 0);
    ck_assert_int_eq(done, config.model != NULL);
    text_release(&lines);
    config_free(&config);
}

void kit_each_file(const char *folder, void (*each)(const char *path, const char *name))
{
    char pattern[4200], name[256];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*.json", kit_path(folder));
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *base = strrchr(found.gl_pathv[i], '/') + 1;
        snprintf(name, sizeof name, "%.*s", (int)(strlen(base) - strlen(".json")), base);
        each(found.gl_pathv[i], name);
    }
    globfree(&found);
}
