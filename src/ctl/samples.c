#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

/* The value of a label within {…}, as it is written; false: not there. */
static bool find_label(const char *line, const char *label, char *ret, size_t size)
{
    char begin[40];
    int length = snprintf(begin, sizeof begin, "%s=\"", label);
    const char *at = strstr(line, begin);
    if (at == NULL || length < 0)
        return false;
    size_t count = 0;
    for (at += length; *at != '\0' && *at != '"'; at++) {
        if (*at == '\\' && at[1] != '\0')
            at++;
        if (count + 1 < size)
            ret[count++] = *at;
    }
    ret[count] = '\0';
    return true;
}

static struct sample_listener *listener_of(struct samples *s, const char *line)
{
    char name[sizeof s->listener[0].name];
    if (!find_label(line, "listener", name, sizeof name))
        return NULL;
    for (unsigned i = 0; i < s->count; i++)
        if (strcmp(s->listener[i].name, name) == 0)
            return &s->listener[i];
    if (s->count == SAMPLES_LISTENERS_MAX)
        return NULL;
    struct sample_listener *listener = &s->listener[s->count++];
    *listener = (struct sample_listener){0};
    memcpy(listener->name, name, sizeof name);
    return listener;
}

static bool is_metric(const char *line, const char *name)
{
    size_t length = strlen(name);
    return strncmp(line, "muxgate_", 8) == 0 && strncmp(line + 8, name, length) == 0 &&
           (line[8 + length] == '{' || line[8 + length] == ' ');
}

static void take_listener(struct samples *s, const char *line, uint64_t value)
{
    struct sample_listener *listener = listener_of(s, line);
    if (listener == NULL)
        return;
    if (is_metric(line, "sessions_total"))
        listener->ended += value;
    else if (is_metric(line, "sessions_active"))
        listener->active += value;
    else if (is_metric(line, "bytes_total") && strstr(line, "direction=\"in\"") != NULL)
        listener->in += value;
    else if (is_metric(line, "bytes_total"))
        listener->out += value;
}

static void take_line(struct samples *s, const char *line)
{
    const char *blank = strrchr(line, ' ');
    if (line[0] == '#' || blank == NULL)
        return;
    uint64_t value = strtoull(blank + 1, NULL, 10);
    take_listener(s, line, value);
    if (is_metric(line, "tls_handshakes_total"))
        s->handshakes += value;
    else if (is_metric(line, "resident_memory_bytes"))
        s->resident = value;
    else if (is_metric(line, "cpu_seconds_total"))
        s->cpu_us = (uint64_t)(strtod(blank + 1, NULL) * 1e6);
    else if (is_metric(line, "log_lines_dropped_total"))
        s->dropped = value;
}

void samples_read(struct samples *ret, struct span metrics)
{
    char line[4096];
    *ret = (struct samples){0};
    while (metrics.length > 0) {
        const unsigned char *end = memchr(metrics.data, '\n', metrics.length);
        size_t length = end == NULL ? metrics.length : (size_t)(end - metrics.data);
        size_t shown = length < sizeof line - 1 ? length : sizeof line - 1;
        memcpy(line, metrics.data, shown);
        line[shown] = '\0';
        if (shown == length)
            take_line(ret, line);
        metrics = span_skip(metrics, length + 1);
    }
}
